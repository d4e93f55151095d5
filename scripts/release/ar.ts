/**
 * Returns a Unix `ar` archive, the container of a Debian package: members in the given order, owned by root, with the same
 * modification time.
 *
 * ```
 * archive = "!<arch>\n" (header bytes padding)*
 * header  = name[16] mtime[12] uid[6] gid[6] mode[8] size[10] "`\n"      (fields padded with spaces, mode is octal)
 * padding = "\n" if the size is odd
 * ```
 */
export function ar(members: { name: string; bytes: Uint8Array }[], mtime: number): Buffer {
  const parts: Uint8Array[] = [Buffer.from('!<arch>\n')]
  for (const { name, bytes } of members) {
    if (name.length > 16) throw new Error(`the name is too long for the archive: ${name}`)
    const fields = [
      name.padEnd(16),
      String(mtime).padEnd(12),
      '0'.padEnd(6),
      '0'.padEnd(6),
      '100644'.padEnd(8),
      String(bytes.length).padEnd(10),
    ]
    parts.push(Buffer.from(`${fields.join('')}\`\n`), bytes, Buffer.from(bytes.length % 2 === 1 ? '\n' : ''))
  }
  return Buffer.concat(parts)
}

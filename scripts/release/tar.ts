/** A file or a directory of an archive; the path of a directory ends with a slash, and it has no bytes. */
export interface Entry {
  path: string
  mode: number
  bytes: Uint8Array
}

const BLOCK_BYTES = 512
const MAX_NAME_BYTES = 100
const FILE = '0'
const DIRECTORY = '5'

/**
 * Returns a POSIX ustar archive. The same entries give the same bytes: they are sorted, owned by root, and have the same
 * modification time.
 *
 * ```
 * archive = (header bytes padding)* 2 * 512 zeros
 * header  = name[100] mode[8] uid[8] gid[8] size[12] mtime[12] checksum[8] type[1] link[100]
 *           "ustar\0" "00" owner[32] group[32] device[16] prefix[155] zeros[12]
 * ```
 * Numbers are octal text terminated by a NUL. Paths of more than 100 bytes, links and devices are not supported.
 */
export function tar(entries: Entry[], mtime: number): Buffer {
  const parts: Uint8Array[] = []
  for (const { path, mode, bytes } of sorted(entries)) {
    parts.push(
      header(path, mode, bytes.length, mtime),
      bytes,
      Buffer.alloc(-bytes.length & (BLOCK_BYTES - 1)),
    )
  }
  return Buffer.concat([...parts, Buffer.alloc(2 * BLOCK_BYTES)])
}

/** Sorts by code units, regardless of the locale: a directory comes before its contents. */
function sorted(entries: Entry[]): Entry[] {
  return entries.toSorted((a, b) => (a.path < b.path ? -1 : 1))
}

function header(path: string, mode: number, size: number, mtime: number): Buffer {
  const name = Buffer.from(path)
  if (name.length > MAX_NAME_BYTES) throw new Error(`the path is too long for the archive: ${path}`)
  const block = Buffer.alloc(BLOCK_BYTES)
  name.copy(block)
  octal(block, mode, 100, 8)
  octal(block, 0, 108, 8)
  octal(block, 0, 116, 8)
  octal(block, size, 124, 12)
  octal(block, mtime, 136, 12)
  block.write(path.endsWith('/') ? DIRECTORY : FILE, 156)
  block.write('ustar\x0000root', 257)
  block.write('root', 297)
  // The checksum is computed with spaces in its own field.
  block.fill(' ', 148, 156)
  octal(
    block,
    block.reduce((sum, byte) => sum + byte, 0),
    148,
    7,
  )
  return block
}

function octal(block: Buffer, value: number, at: number, length: number): void {
  const text = value.toString(8).padStart(length - 1, '0')
  if (text.length >= length) throw new Error(`${value} does not fit into a field of the archive`)
  block.write(`${text}\0`, at)
}

/** Returns the files and each of their parent directories once. */
export function withDirectories(files: Entry[], root: string): Entry[] {
  const directories = new Set([root])
  for (const { path } of files) {
    for (let end = path.indexOf('/', root.length); end !== -1; end = path.indexOf('/', end + 1)) {
      directories.add(path.slice(0, end + 1))
    }
  }
  return [...files, ...[...directories].map((path) => ({ path, mode: 0o755, bytes: Buffer.alloc(0) }))]
}

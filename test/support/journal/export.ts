/** A field of an entry: its name and value. */
export type Field = [name: string, value: Buffer]

/** Encodes an entry in the export format, with its fields in order; `binary` selects those encoded as binary fields. */
export function exportEntry(
  fields: Field[],
  binary: (value: Buffer, at: number) => boolean = needsLength,
): Buffer {
  const parts = fields.flatMap(([name, value], at) => {
    if (!binary(value, at)) return [Buffer.from(`${name}=`), value, NEWLINE]
    const length = Buffer.alloc(8)
    length.writeBigUInt64LE(BigInt(value.length))
    return [Buffer.from(`${name}\n`), length, value, NEWLINE]
  })
  return Buffer.concat([...parts, NEWLINE])
}

const NEWLINE = Buffer.from('\n')

/** Returns true for values that journalctl writes as binary fields: anything but one line of printable text. */
export function needsLength(value: Buffer): boolean {
  return value.some((byte) => byte < 0x20 && byte !== 9) || !value.equals(Buffer.from(value.toString()))
}

export interface EntryInit {
  /** Time of the entry in microseconds since 1970. */
  us: number
  boot?: string
  monotonicUs?: number
  fields: Record<string, string | Buffer | string[]>
}

/** Encodes an entry for systemd-journal-remote. */
export function entry({ us, boot = 'b'.repeat(32), monotonicUs = us - 1.6e15, fields }: EntryInit): Buffer {
  const own = Object.entries(fields).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map((text): Field => [name, Buffer.from(text)]),
  )
  return exportEntry([
    ['__REALTIME_TIMESTAMP', Buffer.from(String(us))],
    ['__MONOTONIC_TIMESTAMP', Buffer.from(String(monotonicUs))],
    ['_BOOT_ID', Buffer.from(boot)],
    ...own,
  ])
}

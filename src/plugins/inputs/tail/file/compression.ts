import { FsFailure } from '../../../../lib/fs/file-system.ts'

/**
 * Magic numbers of formats that rotation compresses logs to and that cannot be read. No text begins with
 * them.
 */
const MAGIC: [format: string, bytes: number[]][] = [
  ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ['zstd', [0x28, 0xb5, 0x2f, 0xfd]],
  ['lz4', [0x04, 0x22, 0x4d, 0x18]],
  // `BZh`, a digit for the block size, and the digits of pi.
  ...Array.from({ length: 9 }, (_, i): [string, number[]] => [
    'bzip2',
    [0x42, 0x5a, 0x68, 0x31 + i, 0x31, 0x41, 0x59, 0x26, 0x53, 0x59],
  ]),
  ['zip', [0x50, 0x4b, 0x03, 0x04]],
]

/** The formats by their first byte, which rules out nearly all content. */
const BY_FIRST_BYTE = Map.groupBy(MAGIC, ([, bytes]): number | undefined => bytes[0])

/** Failure code of a file that is compressed in a format other than gzip. */
export const COMPRESSED = 'COMPRESSED'

/** Returns a failure for content that begins with `head` and is compressed in another format than gzip. */
export function compressedFailure(head: Buffer): FsFailure | undefined {
  for (const [format, bytes] of BY_FIRST_BYTE.get(head[0]) ?? [])
    if (bytes.length <= head.length && bytes.every((byte, i) => head[i] === byte))
      return new FsFailure(COMPRESSED, `it is compressed with ${format}, and only gzip is supported`)
  return undefined
}

/** True for the name or path of a compressed file that can be read, unless its content turns out to be plain. */
export function isGzipName(name: string): boolean {
  return name.endsWith('.gz')
}

import type { LineWriter, Sender } from './line-writer.ts'
import type { StreamReader } from './stream-reader.ts'

interface LineFormat {
  readonly writer: LineWriter
  readerFor(sender: Sender): StreamReader
}

const LINE_FEED = Buffer.from('\n')

/**
 * Reads sample lines as what one sender sends, for `InputSpec.readSample`: as one stream, or each line as a datagram. The address of the
 * sender is `address`.
 */
export function readSampleOf(
  { writer, readerFor }: LineFormat,
  lines: readonly Buffer[],
  as: 'stream' | 'datagrams',
  address?: string,
): void {
  const reader = readerFor({ frame: writer.frameOf(address), wrote() {} })
  writer.setTime()
  // A reader may change the bytes.
  const parts =
    as === 'stream'
      ? [Buffer.concat(lines.flatMap((line) => [line, LINE_FEED]))]
      : lines.map((line) => Buffer.from(line))
  for (const part of parts) reader.read(part, 0, part.length, true)
}

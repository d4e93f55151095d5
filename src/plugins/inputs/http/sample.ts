import type { InputContext } from '../../../core/plugin.ts'
import { EntryBlocks, Scratch } from '../../../lib/http-input/entry-blocks.ts'
import type { RecordReader } from '../../../lib/http-input/received-request.ts'
import { RefusedRequest } from '../../../lib/http-input/refused-request.ts'
import { JsonTranscoder } from '../../../lib/json/json-to-msgpack.ts'
import { splitMs } from '../../../lib/time/split-ms.ts'
import { JsonReader } from './json-reader.ts'
import type { Options } from './options.ts'
import { TextReader } from './text-reader.ts'

/** More than what a sample can become: its size is limited. */
const MAX_ENTRY_BYTES = 512_000_000
const LINE_FEED = Buffer.from('\n')

/**
 * Makes records of sample lines, see `InputSpec.readSample`, which have no Content-Type: with a Parser all are text. Else they are one
 * JSON body; if that is refused, each line is a JSON body, or, when it is refused, text.
 */
export function readSample(options: Options, ctx: InputContext, lines: readonly Buffer[]): void {
  const { sec, nsec } = splitMs(ctx.clock.nowMs())
  const frame = { tag: ctx.tag, sec, nsec, answer: { status: 201, body: '' } }
  const failed = (counter: 'parse_failed' | 'time_failed'): void => ctx.counters.add(counter)
  const parser = options.parser === undefined ? undefined : { parser: ctx.parser(options.parser), failed }
  const blocks = new EntryBlocks(new Scratch(), MAX_ENTRY_BYTES, { memory: () => MEMORY }, MAX_ENTRY_BYTES)
  const text = new TextReader(frame, parser)
  const whole = Buffer.concat(lines.flatMap((line) => [line, LINE_FEED]))
  if (parser !== undefined) {
    write(text, whole, blocks, ctx)
    return
  }
  const json = new JsonReader(frame, new JsonTranscoder())
  if (write(json, whole, blocks, ctx)) return
  for (const line of lines) if (!write(json, line, blocks, ctx)) write(text, line, blocks, ctx)
}

const MEMORY = {
  take: (bytes: number): Buffer => Buffer.allocUnsafe(bytes),
  give() {},
  hold: () => true,
  release() {},
  isPrivileged: false,
}

/** Writes the records of a body; false when the reader refuses it. */
function write(reader: RecordReader, body: Buffer, blocks: EntryBlocks, ctx: InputContext): boolean {
  try {
    reader.begin(body, 0, body.length)
    while (reader.read(blocks) === 'more');
  } catch (error) {
    blocks.release()
    if (error instanceof RefusedRequest) return false
    throw error
  }
  for (const { buf, start, end, count } of blocks.runs) {
    const out = ctx.appender(ctx.tag)
    out.reserve(end - start, 0)
    out.end += buf.copy(out.buf, out.end, start, end)
    out.addRecords(count, end - start)
  }
  blocks.release()
  return true
}

import { writeSync } from 'node:fs'
import type { Chunk } from '../../core/chunk.ts'
import { messageOf, ShipperError, systemCode } from '../../core/error.ts'
import { escapeControls } from '../../core/escape-controls.ts'
import { defineOptions, type OptionsOf } from '../../core/options/option.ts'
import { defineOutput, type Output, type OutputContext } from '../../core/plugin.ts'
import { JsonText } from '../../lib/json/msgpack-to-json.ts'
import { Entry } from '../../lib/records/entry.ts'
import { metadataAt } from '../../lib/records/entry-parts.ts'
import { JSON_TIME_OPTIONS, JsonRecords } from '../../lib/records/json-records.ts'

const OPTIONS = defineOptions({
  format: {
    type: 'enum',
    values: ['msgpack', 'json', 'json_lines', 'json_stream'],
    default: 'msgpack',
    help: 'msgpack: a line of text per record, with tag and time; json: one array per chunk; json_lines: one object per line; json_stream: objects without separators.',
  },
  ...JSON_TIME_OPTIONS,
})

type Options = OptionsOf<typeof OPTIONS>

/** Interval at which writing to a full pipe is tried again; the pipe's reader sets the pace. */
const FULL_PIPE_RETRY_MS = 5

class Stdout implements Output {
  readonly #ctx: OutputContext
  readonly #text = new JsonText()
  readonly #json: JsonRecords | undefined
  readonly #lineEnd: string
  readonly #entry = new Entry()

  constructor(options: Options, ctx: OutputContext) {
    const { format } = options
    this.#ctx = ctx
    this.#text.escapesControls = true
    this.#json = format === 'msgpack' ? undefined : new JsonRecords(format, options, this.#text)
    this.#lineEnd = format === 'json' ? '\n' : ''
  }

  async flush(chunk: Chunk): Promise<void> {
    this.#text.reset()
    if (this.#json === undefined) this.#appendRecords(chunk)
    else this.#json.append(chunk)
    this.#text.raw(this.#lineEnd)
    await this.#write(this.#text.bytes())
  }

  async close(): Promise<void> {}

  /** Writes records as fluent-bit prints them: `[0] tag: [[1700000000.123456789, {}], {"k"=>"v"}]`. */
  #appendRecords(chunk: Chunk): void {
    const text = this.#text
    const entry = this.#entry
    text.arrows = true
    const tag = escapeControls(chunk.tag)
    let n = 0
    for (let at = chunk.start; at < chunk.end; at = entry.end) {
      entry.read(chunk, at)
      text.raw(`[${n}] ${tag}: [[${entry.time.seconds()}, `)
      const metadata = chunk.hasMetadata ? metadataAt(chunk.buf, at, entry.end) : -1
      if (metadata < 0) text.raw('{}')
      else text.value(chunk.buf, metadata)
      text.raw('], ')
      text.value(chunk.buf, entry.map)
      text.raw(']\n')
      n++
    }
  }

  /** Writes all of `bytes` or rejects; what was written before an error is written again with the chunk. */
  async #write(bytes: Buffer): Promise<void> {
    let at = 0
    while (at < bytes.length) {
      try {
        at += writeSync(1, bytes, at)
      } catch (error) {
        // Stdout without a reader (`| head`) never gets one again. The chunk is not dropped: its position stays.
        if (systemCode(error) === 'EPIPE') this.#ctx.readerClosed?.()
        if (systemCode(error) !== 'EAGAIN') throw writeError(error)
        await new Promise<void>((resolve) => this.#ctx.clock.after(FULL_PIPE_RETRY_MS, resolve))
        if (this.#ctx.signal.aborted) throw writeError(new Error('stopped while the pipe was full'))
      }
    }
  }
}

function writeError(error: unknown): ShipperError {
  return new ShipperError('E_OUTPUT_WRITE', `cannot write to stdout: ${messageOf(error)}`, {
    retryable: true,
    scope: 'peer',
    cause: error,
    hint: 'the reader of stdout has ended, or the disk is full; what was not written is kept',
  })
}

export const spec = defineOutput({
  kind: 'output',
  name: 'stdout',
  summary: 'Prints records to standard output.',
  description:
    'For trying things out, and for pipes: a full pipe pauses reading, nothing is dropped. A chunk counts as delivered ' +
    'when the operating system has taken its text. When the reader ends, as `head` does, the agent ends with status 141, like other programs.',
  options: OPTIONS,
  example: '[OUTPUT]\n    Name   stdout\n    Match  *\n    Format json_lines\n',
  inFlight: 1,
  create: (options, ctx) => new Stdout(options, ctx),
})

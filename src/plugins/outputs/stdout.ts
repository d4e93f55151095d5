import { writeSync } from 'node:fs'
import type { Chunk } from '../../core/chunk.ts'
import { messageOf, ShipperError, systemCode } from '../../core/error.ts'
import { defineOptions, type OptionsOf } from '../../core/options/option.ts'
import { defineOutput, type Output, type OutputContext } from '../../core/plugin.ts'
import { JsonText } from '../../lib/json/msgpack-to-json.ts'
import { Entry } from '../../lib/records/entry.ts'
import type { EventTime } from '../../lib/records/event-time.ts'

const OPTIONS = defineOptions({
  format: {
    type: 'enum',
    values: ['msgpack', 'json', 'json_lines', 'json_stream'],
    default: 'msgpack',
    help: 'msgpack: a line of text for each record with tag and time; json: one array for each chunk; json_lines: one object a line; json_stream: objects without anything between them.',
  },
  json_date_key: { type: 'string', default: 'date', help: 'Key of the time in JSON; `false`: none.' },
  json_date_format: {
    type: 'enum',
    values: ['double', 'iso8601', 'epoch', 'epoch_ms', 'java_sql_timestamp'],
    default: 'double',
    help: 'How the time is written in JSON.',
  },
})

type Options = OptionsOf<typeof OPTIONS>

/** A pipe that is full is asked again this often; the pipe's reader sets the pace. */
const FULL_PIPE_MS = 5

class Stdout implements Output {
  readonly #o: Options
  readonly #ctx: OutputContext
  readonly #text = new JsonText()
  readonly #entry = new Entry()
  #readerGone = false

  constructor(options: Options, ctx: OutputContext) {
    this.#o = options
    this.#ctx = ctx
  }

  async flush(chunk: Chunk, signal: AbortSignal): Promise<void> {
    this.#text.reset()
    const entry = this.#entry
    const array = this.#o.format === 'json'
    if (array) this.#text.byte(0x5b)
    let n = 0
    for (let at = chunk.start; at < chunk.end; at = entry.end) {
      entry.read(chunk, at)
      if (this.#o.format === 'msgpack') this.#ruby(chunk.tag, n, chunk.buf, entry.map)
      else this.#json(chunk.buf, entry.map, array && n > 0)
      n++
    }
    if (array) this.#text.raw(']\n')
    await this.#write(this.#text.bytes(), signal)
  }

  async close(): Promise<void> {}

  /** `[0] tag: [[1700000000.123456789, {}], {"k"=>"v"}]`, as fluent-bit prints it. */
  #ruby(tag: string, n: number, buf: Buffer, map: number): void {
    this.#text.raw(`[${n}] ${tag}: [[${this.#entry.time.seconds()}, {}], `)
    this.#text.arrows = true
    this.#text.value(buf, map)
    this.#text.arrows = false
    this.#text.raw(']\n')
  }

  #json(buf: Buffer, map: number, comma: boolean): void {
    if (comma) this.#text.byte(0x2c)
    this.#text.byte(0x7b)
    const key = this.#o.jsonDateKey
    if (key !== 'false' && key !== '') {
      this.#text.raw(`${JSON.stringify(key)}:${dateOf(this.#entry.time, this.#o.jsonDateFormat)}`)
      if ((buf[map] as number) !== 0x80) this.#text.byte(0x2c)
    }
    this.#text.pairs(buf, map)
    this.#text.raw(this.#o.format === 'json_lines' ? '}\n' : '}')
  }

  /**
   * Stdout without a reader (`| head`) never gets one again: the agent is stopped, as SIGPIPE stops other programs, but
   * with its grace for other outputs. The chunk is not given up: its position stays where it was.
   */
  #endAgent(): void {
    if (this.#readerGone) return
    this.#readerGone = true
    process.kill(process.pid, 'SIGTERM')
  }

  /** All of it, or a rejection: a part that was written before an error is written again with the chunk. */
  async #write(bytes: Buffer, signal: AbortSignal): Promise<void> {
    let at = 0
    while (at < bytes.length) {
      try {
        at += writeSync(1, bytes, at)
      } catch (error) {
        if (systemCode(error) === 'EPIPE') this.#endAgent()
        if (systemCode(error) !== 'EAGAIN') throw outputError(error)
        await new Promise<void>((resolve) => this.#ctx.clock.after(FULL_PIPE_MS, resolve))
        if (signal.aborted) throw outputError(new Error('stopped while stdout was full'))
      }
    }
  }
}

function dateOf(time: EventTime, format: Options['jsonDateFormat']): string {
  if (format === 'double') return time.double()
  if (format === 'epoch') return String(time.sec)
  if (format === 'epoch_ms') return time.epochMs()
  return `"${format === 'iso8601' ? time.iso() : time.iso(' ', '')}"`
}

function outputError(error: unknown): ShipperError {
  return new ShipperError('E_OUTPUT_WRITE', `cannot write to stdout: ${messageOf(error)}`, {
    retryable: true,
    scope: 'peer',
    cause: error,
    hint: 'its reader is gone, or the disk behind it is full; what was not written is kept',
  })
}

export const spec = defineOutput({
  kind: 'output',
  name: 'stdout',
  summary: 'Prints records.',
  description:
    'For trying things out, and for pipes: a full pipe holds reading up, nothing is dropped. A chunk counts as delivered ' +
    'when the kernel has taken its text. When the reader has gone, as `head` does, the agent stops as after SIGTERM.',
  options: OPTIONS,
  example: '[OUTPUT]\n    Name   stdout\n    Match  *\n    Format json_lines\n',
  inFlight: 1,
  create: (options, ctx) => new Stdout(options, ctx),
})

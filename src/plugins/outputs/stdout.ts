import type { Chunk } from '../../core/chunk.ts'
import { messageOf } from '../../core/error.ts'
import { escapeTerminalControls } from '../../core/escape-controls.ts'
import type { Family } from '../../core/metric-family.ts'
import { defineOptions, type OptionsOf } from '../../core/options/option.ts'
import { defineOutput, type Output, type OutputContext } from '../../core/plugin.ts'
import { JsonText } from '../../lib/json/msgpack-to-json.ts'
import { formatCmetrics } from '../../lib/metrics/metric-text.ts'
import {
  FULL_PIPE_RETRY_MS,
  isReaderClosed,
  isTerminal,
  stdoutError,
  writeToStdout,
} from '../../lib/plugin/standard-output.ts'
import { JSON_TIME_OPTIONS, JsonRecords } from '../../lib/records/json-records.ts'
import { OUTPUT_LINE, RecordLines } from '../../lib/records/record-lines.ts'

const OPTIONS = defineOptions({
  format: {
    type: 'enum',
    values: ['msgpack', 'json', 'json_lines', 'json_stream'],
    default: 'msgpack',
    help: 'msgpack: text for people, with number, tag and time of each record; json: one array per chunk; json_lines: one object per line; json_stream: objects without separators.',
  },
  ...JSON_TIME_OPTIONS,
})

type Options = OptionsOf<typeof OPTIONS>

class Stdout implements Output {
  readonly #ctx: OutputContext
  readonly #text = new JsonText()
  readonly #records: JsonRecords | RecordLines
  readonly #lineEnd: string
  /** Resolves when what is being printed now is printed, so that nothing else gets into the middle of it. */
  #printing: Promise<void> | undefined
  /** Texts of metrics that wait for a full pipe, by the names of the metrics: later ones replace them. */
  readonly #metrics = new Map<string, string>()
  /** True while `#writeMetrics` runs or will. */
  #isMetricsTurn = false

  constructor(options: Options, ctx: OutputContext) {
    const { format } = options
    this.#ctx = ctx
    this.#text.escapesControls = true
    this.#text.escapesLineEnds = isTerminal()
    this.#records =
      format === 'msgpack'
        ? new RecordLines(this.#text, OUTPUT_LINE)
        : new JsonRecords(format, options, this.#text)
    this.#lineEnd = format === 'json' ? '\n' : ''
  }

  async flush(chunk: Chunk): Promise<void> {
    this.#text.reset()
    this.#records.append(chunk)
    this.#text.raw(this.#lineEnd)
    await this.#print(() => this.#write(this.#text.bytes()))
  }

  showMetrics(families: Family[]): void {
    const text = escapeTerminalControls(formatCmetrics(families, this.#ctx.clock.nowMs()))
    this.#metrics.set(families.map(({ name }) => name).join(' '), text)
    if (this.#isMetricsTurn) return
    this.#isMetricsTurn = true
    this.#print(() => this.#writeMetrics()).catch((error: unknown) => {
      this.#ctx.log.warn(`cannot print metrics: ${messageOf(error)}`)
    })
  }

  /** Writes the texts that wait, with those that come meanwhile. */
  async #writeMetrics(): Promise<void> {
    try {
      for (const [name, text] of this.#metrics) {
        this.#metrics.delete(name)
        await this.#write(Buffer.from(text))
      }
    } finally {
      this.#isMetricsTurn = false
    }
  }

  async close(): Promise<void> {}

  /** Calls `write` when what is being written is written; resolves and rejects as it does. */
  #print(write: () => Promise<void>): Promise<void> {
    const written = this.#printing?.then(write) ?? write()
    const printing = written
      .catch(() => {})
      .then(() => {
        if (this.#printing === printing) this.#printing = undefined
      })
    this.#printing = printing
    return written
  }

  /** Writes all of `bytes` or rejects; what was written before an error is written again with the chunk. */
  async #write(bytes: Buffer): Promise<void> {
    let at = 0
    while (at < bytes.length) {
      const taken = this.#take(bytes, at)
      at += taken
      if (taken > 0) continue
      await new Promise<void>((resolve) => this.#ctx.clock.after(FULL_PIPE_RETRY_MS, resolve))
      if (this.#ctx.signal.aborted) throw stdoutError(new Error('stopped while the pipe was full'))
    }
  }

  #take(bytes: Buffer, at: number): number {
    try {
      return writeToStdout(bytes, at)
    } catch (error) {
      // Stdout without a reader (`| head`) never gets one again. The chunk is not dropped: its position stays.
      if (isReaderClosed(error)) this.#ctx.readerClosed?.()
      throw stdoutError(error)
    }
  }
}

export const spec = defineOutput({
  kind: 'output',
  name: 'stdout',
  summary: 'Prints records to standard output.',
  description:
    'For trying things out, and for pipes: a full pipe pauses all of the agent, SIGTERM included, until its reader goes on or ends, and nothing is ' +
    'dropped. A chunk counts as delivered ' +
    'when the operating system has taken its text. Metrics of the filter log_to_metrics whose Tag fits Match are printed as lines of ' +
    'text, in each Format. Format msgpack has texts as they are, as fluent-bit prints them: their quotation marks and line feeds, too, so ' +
    'programs had better read json_lines. Control characters are escaped; tabs and ends of lines in texts of Format msgpack only where ' +
    'standard output is a terminal. When the reader ends, as `head` does, the agent ends with status 141, like other programs.',
  options: OPTIONS,
  example: '[OUTPUT]\n    Name   stdout\n    Match  *\n    Format json_lines\n',
  inFlight: 1,
  printsMetrics: true,
  create: (options, ctx) => new Stdout(options, ctx),
})

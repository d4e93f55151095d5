import type { Chunk } from '../../core/chunk.ts'
import { defineOptions } from '../../core/options/option.ts'
import { type Ack, type Deferral, defineFilter, type Filter, type FilterContext } from '../../core/plugin.ts'
import type { TimerHandle } from '../../core/services.ts'
import { JsonText } from '../../lib/json/msgpack-to-json.ts'
import {
  FULL_PIPE_RETRY_MS,
  isReaderClosed,
  isTerminal,
  stdoutError,
  writeToStdout,
} from '../../lib/plugin/standard-output.ts'
import { FILTER_LINE, RecordLines } from '../../lib/records/record-lines.ts'

const OPTIONS = defineOptions({})

/** Text that a full pipe has not taken, in a buffer of the input of its chunk. */
interface Waiting {
  readonly buf: Buffer
  readonly buffers: Deferral['buffers']
  readonly ack: Ack
  at: number
  readonly end: number
}

/**
 * Prints records as they pass. A full pipe blocks the agent until it is read, as in fluent-bit. One that does not block, because
 * who has made it says so, leaves a rest: it waits in memory of the input, and its chunk is not acknowledged before, so an input
 * whose records cannot be printed pauses at its limit.
 */
class StdoutFilter implements Filter {
  readonly #ctx: FilterContext
  readonly #text = new JsonText()
  readonly #lines: RecordLines
  #waiting: Waiting[] = []
  #timer: TimerHandle | undefined
  /** True when nothing can be printed any more. */
  #isClosed = false

  constructor(ctx: FilterContext) {
    this.#ctx = ctx
    this.#text.escapesControls = true
    this.#text.escapesLineEnds = isTerminal()
    this.#lines = new RecordLines(this.#text, FILTER_LINE)
  }

  apply(chunk: Chunk, deferral: Deferral): void {
    if (this.#isClosed) return
    this.#text.reset()
    this.#lines.append(chunk)
    const bytes = this.#text.bytes()
    const taken = this.#waiting.length > 0 ? 0 : this.#write(bytes, 0)
    if (taken === bytes.length || this.#isClosed) return
    const buf = deferral.buffers.force(bytes.length - taken)
    const end = bytes.copy(buf, 0, taken)
    this.#waiting.push({ buf, buffers: deferral.buffers, ack: deferral.defer(), at: 0, end })
    this.#timer ??= this.#ctx.clock.after(FULL_PIPE_RETRY_MS, () => this.#writeWaiting())
  }

  /** Returns how much of the bytes from `at` on was taken; less than all when the pipe is full or nobody reads. */
  #write(bytes: Buffer, at: number): number {
    let end = at
    try {
      while (end < bytes.length) {
        const taken = writeToStdout(bytes, end)
        if (taken === 0) break
        end += taken
      }
    } catch (error) {
      this.#isClosed = true
      if (isReaderClosed(error)) this.#ctx.readerClosed?.()
      else {
        const { message, code, hint } = stdoutError(error)
        this.#ctx.log.error(`prints no more records, which go on unprinted: ${message}`, { code, hint })
      }
    }
    return end - at
  }

  #writeWaiting(): void {
    this.#timer = undefined
    while (this.#waiting.length > 0) {
      const first = this.#waiting[0] as Waiting
      first.at += this.#write(first.buf.subarray(0, first.end), first.at)
      if (this.#isClosed) {
        this.#release('filtered')
        return
      }
      if (first.at < first.end) {
        this.#timer = this.#ctx.clock.after(FULL_PIPE_RETRY_MS, () => this.#writeWaiting())
        return
      }
      this.#waiting.shift()
      first.ack('filtered')
      first.buffers.give(first.buf)
    }
  }

  #release(outcome: 'filtered' | 'aborted'): void {
    for (const { ack, buf, buffers } of this.#waiting.splice(0)) {
      ack(outcome)
      buffers.give(buf)
    }
  }

  close(): void {
    this.#ctx.clock.cancel(this.#timer)
    this.#release('aborted')
  }
}

export const spec = defineFilter({
  kind: 'filter',
  name: 'stdout',
  summary: 'Prints the records that pass to standard output.',
  description:
    'For looking at what a filter has made of records: a line for each, with its number in the chunk, tag, time and metadata, such as ' +
    '`[0] app: [1700000000.500000000, {}, {"log"=>"started"}]`. Control characters are escaped, but tabs and ends of lines in texts only ' +
    'where standard output is a terminal. Records go on unchanged. They are printed before what the output stdout prints of them; fluent-bit prints them at its end when stdout is a pipe. While a pipe is full, ' +
    'the agent waits for its reader, and does not heed SIGTERM before it reads or ends; SIGKILL ends it, and what is not acknowledged is read ' +
    'again. When its reader ends, as `head` does, the agent ends with status 141.',
  options: OPTIONS,
  example: '[FILTER]\n    Name  stdout\n    Match *\n',
  // The result of a trial is on stdout.
  trial: { asks: () => 'printing', create: () => ({ apply() {} }) },
  keepsPlaces: () => true,
  create: (_options, ctx) => new StdoutFilter(ctx),
})

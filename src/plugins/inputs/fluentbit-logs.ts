import { ENTRY_HEAD, writeEntryHead } from '../../core/msgpack/encode.ts'
import { defineOptions } from '../../core/options/option.ts'
import { defineInput, type Input, type InputContext } from '../../core/plugin.ts'
import type { LoggedLine } from '../../core/services.ts'
import { appendRecord } from '../../lib/plugin/interval-input.ts'
import { RecordBuilder } from '../../lib/records/record-builder.ts'
import { splitMs } from '../../lib/time/split-ms.ts'

const OPTIONS = defineOptions({})

/** Lines that wait for memory. What is logged beyond them is counted: the log itself has it. */
const MAX_WAITING = 1000
/** Lines of the engine, filters and outputs that become records at once, and after that in an hour. */
const WAY_BURST = 100
const WAY_PER_HOUR = 60
const MS_PER_HOUR = 3_600_000

interface Waiting {
  timeMs: number
  map: Buffer
}

/**
 * Makes records of the lines of the agent's log. A line about the delivery of such a record must not make another one without
 * end:
 *
 * - lines of this input do not come here
 * - so are debug lines of the engine, filters and outputs, of which each chunk has some
 * - their other lines are limited to WAY_BURST at once and WAY_PER_HOUR: the log folds repetitions, but a destination that refuses
 *   each record may give a different reason each time
 */
class LogsInput implements Input {
  readonly #ctx: InputContext
  readonly #untap: (() => void) | undefined
  #waiting: Waiting[] = []
  #wake: (() => void) | undefined
  #wayLines = WAY_BURST
  #wayMs: number
  #unreportedLines = 0

  constructor(ctx: InputContext) {
    this.#ctx = ctx
    this.#wayMs = ctx.clock.nowMs()
    this.#untap = ctx.tapLog?.((line, isOnWay) => this.#take(line, isOnWay))
  }

  async run(signal: AbortSignal): Promise<void> {
    const wakeUp = (): void => this.#wake?.()
    signal.addEventListener('abort', wakeUp)
    while (!signal.aborted) {
      if (this.#waiting.length === 0)
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      this.#wake = undefined
      await this.#appendWaiting(signal)
      this.#reportLost()
    }
    signal.removeEventListener('abort', wakeUp)
    this.#appendLast()
  }

  async close(): Promise<void> {
    this.#untap?.()
    this.#waiting = []
  }

  /** Keeps a line. Appends nothing: what logs may be in the middle of an appender. */
  #take({ timeMs, level, text }: LoggedLine, isOnWay: boolean): void {
    const { counters } = this.#ctx
    if (isOnWay && level === 'debug') return
    if (isOnWay && !this.#mayTakeFromWay(timeMs)) this.#lose('limit')
    else if (this.#waiting.length >= MAX_WAITING) this.#lose('memory')
    else {
      const map = new RecordBuilder().text('level', level).text('message', text).bytes()
      this.#waiting.push({ timeMs, map })
      counters.add('lines')
      this.#wake?.()
    }
  }

  #mayTakeFromWay(nowMs: number): boolean {
    const passedMs = Math.max(0, nowMs - this.#wayMs)
    this.#wayLines = Math.min(WAY_BURST, this.#wayLines + (passedMs * WAY_PER_HOUR) / MS_PER_HOUR)
    this.#wayMs = nowMs
    if (this.#wayLines < 1) return false
    this.#wayLines--
    return true
  }

  #lose(reason: 'limit' | 'memory'): void {
    this.#ctx.counters.add('lost_lines', 1, reason)
    this.#unreportedLines++
  }

  async #appendWaiting(signal: AbortSignal): Promise<void> {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (!(await appendRecord(this.#ctx, next.map, splitMs(next.timeMs), signal))) return
      this.#waiting.shift()
    }
  }

  /** Appends what there is memory for: after the signal nothing is waited for. */
  #appendLast(): void {
    for (const { timeMs, map } of this.#waiting) {
      const out = this.#ctx.appender(this.#ctx.tag)
      if (!out.reserve(ENTRY_HEAD + map.length)) break
      const { sec, nsec } = splitMs(timeMs)
      const at = writeEntryHead(out.buf, out.end, sec, nsec)
      out.end = at + map.copy(out.buf, at)
      out.addRecords(1, map.length)
    }
    this.#waiting = []
  }

  #reportLost(): void {
    const lost = this.#unreportedLines
    if (lost === 0) return
    this.#unreportedLines = 0
    this.#ctx.log.warn(
      `${lost === 1 ? 'a line' : `${lost} lines`} of the log did not become records`,
      { hint: 'the log itself has them; lost_lines counts them by reason' },
      'lost lines',
    )
  }
}

export const spec = defineInput({
  kind: 'input',
  name: 'fluentbit_logs',
  summary: 'Makes records of the log of the agent.',
  description:
    'A record has `level` (`error`, `warn`, `info`, `debug`) and `message`, which begins with the name of the instance in brackets. ' +
    'What is not logged, because of Log_Level, is no record. The log is written as well. Lines from the creation of the ' +
    'inputs up to the stop become records; the last ones are written to the log only. A line about the delivery of a record ' +
    'must not make another record without end, so lines of this input and debug lines of the engine, filters and outputs are left ' +
    'out, and of their other lines 100 at once and 60 an hour become records. An output that is down keeps its own complaints back: ' +
    'send them to another output, or follow Log_File with another agent.',
  options: OPTIONS,
  counters: {
    lines: 'lines of the log that became records',
    lost_lines: {
      help: 'lines of the log that did not become records',
      reasons: {
        limit: 'too many lines of the engine, filters and outputs',
        memory: 'the memory limit of the input was reached',
      },
    },
  },
  example: '[INPUT]\n    Name fluentbit_logs\n    Tag  agent.log\n',
  preview: async () => ({ source: 'the log of the agent', sources: [], more: 0, tags: [], notes: [] }),
  create: (_options, ctx) => new LogsInput(ctx),
})

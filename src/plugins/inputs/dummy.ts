import { ShipperError } from '../../core/error.ts'
import { invalidIfThrows } from '../../core/options/checks.ts'
import { defineOptions, type OptionsOf } from '../../core/options/option.ts'
import { defineInput, type Input, type InputContext } from '../../core/plugin.ts'
import { sleep } from '../../lib/async/sleep.ts'
import { JsonTranscoder, jsonBound } from '../../lib/json/json-to-msgpack.ts'
import { appendRecord, INTERVAL_OPTIONS, splitMs } from '../../lib/plugin/interval-input.ts'

const OPTIONS = defineOptions({
  dummy: {
    type: 'string',
    default: '{"message":"dummy"}',
    check: (json: string) => invalidIfThrows('a JSON object', () => recordOf(json)),
    help: 'The record, as a JSON object.',
  },
  metadata: {
    type: 'string',
    default: '{}',
    help: 'Metadata of the record.',
    ignored: 'entries are [time, record]',
  },
  rate: {
    type: 'int',
    default: '1',
    min: 1,
    max: 1_000_000,
    help: 'Turns per second, each of Copies records.',
  },
  interval_sec: {
    ...INTERVAL_OPTIONS.interval_sec,
    default: '0',
    help: 'Seconds between two turns, instead of Rate.',
  },
  interval_nsec: INTERVAL_OPTIONS.interval_nsec,
  samples: { type: 'int', default: '0', min: 0, help: 'Number of turns, each of Copies records; 0: no end.' },
  copies: { type: 'int', default: '1', min: 1, max: 1_000_000, help: 'Records made at each turn.' },
  start_time_sec: {
    type: 'int',
    default: '-1',
    help: 'What the time of the start counts as, in seconds; -1: the time that it is.',
  },
  start_time_nsec: {
    type: 'int',
    default: '0',
    min: 0,
    max: 999_999_999,
    help: 'Nanoseconds to Start_Time_Sec.',
  },
  fixed_timestamp: { type: 'bool', default: 'off', help: 'Give every record the time of the start.' },
})

/** At high rates records are made in groups: a timer for each would cost more than the record. */
const TURN_MS = 10

class Dummy implements Input {
  readonly #o: OptionsOf<typeof OPTIONS>
  readonly #ctx: InputContext
  readonly #record: Buffer
  #startMs = 0

  constructor(options: OptionsOf<typeof OPTIONS>, ctx: InputContext) {
    this.#o = options
    this.#ctx = ctx
    this.#record = recordOf(options.dummy)
  }

  async run(signal: AbortSignal): Promise<void> {
    const { intervalSec, intervalNsec, rate, samples, copies } = this.#o
    const interval = intervalSec * 1000 + intervalNsec / 1e6
    const everyMs = interval > 0 ? interval : 1000 / rate
    this.#startMs = this.#ctx.clock.nowMs()
    const most = samples === 0 ? Number.POSITIVE_INFINITY : samples * copies
    let made = 0
    while (!signal.aborted && made < most) {
      const due = Math.floor((this.#ctx.clock.nowMs() - this.#startMs) / everyMs)
      while (made < Math.min(due * copies, most)) {
        if (!(await appendRecord(this.#ctx, this.#record, this.#time(), signal))) return
        made++
      }
      const leftMs = this.#startMs + (due + 1) * everyMs - this.#ctx.clock.nowMs()
      await sleep(Math.max(TURN_MS, leftMs), this.#ctx.clock, signal)
    }
    // As in fluent-bit the agent goes on without it: there may be other inputs.
    while (!signal.aborted) await sleep(3_600_000, this.#ctx.clock, signal)
  }

  async close(): Promise<void> {}

  #time(): { sec: number; nsec: number } {
    const { startTimeSec, startTimeNsec, fixedTimestamp } = this.#o
    const passed = fixedTimestamp ? 0 : this.#ctx.clock.nowMs() - this.#startMs
    if (startTimeSec < 0) return splitMs(this.#startMs + passed)
    // In nanoseconds since that second: a float64 of milliseconds since 1970 has no digits for them.
    const nsec = startTimeNsec + Math.floor(passed * 1e6)
    return { sec: startTimeSec + Math.floor(nsec / 1e9), nsec: nsec % 1e9 }
  }
}

function recordOf(json: string): Buffer {
  const text = Buffer.from(json.trim())
  const out = Buffer.alloc(jsonBound(text.length))
  const transcoder = new JsonTranscoder()
  const end = text[0] === 0x7b ? transcoder.transcode(text, 0, text.length, out, 0) : -1
  if (end < 0 || transcoder.end !== text.length) {
    throw new ShipperError('E_CONFIG_BAD_VALUE', 'it cannot be read as one', {
      hint: 'for example {"message":"dummy"}',
    })
  }
  return Buffer.from(out.subarray(0, end))
}

export const spec = defineInput({
  kind: 'input',
  name: 'dummy',
  summary: 'Makes records of itself.',
  description: 'For trying filters and outputs.',
  options: OPTIONS,
  example: '[INPUT]\n    Name  dummy\n    Dummy {"message":"hello"}\n    Rate  10\n',
  create: (options, ctx) => new Dummy(options, ctx),
})

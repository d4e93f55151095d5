import { ShipperError } from '../../core/error.ts'
import { invalidIfThrows } from '../../core/options/checks.ts'
import { defineOptions, type OptionsOf } from '../../core/options/option.ts'
import { defineInput, type Input, type InputContext } from '../../core/plugin.ts'
import { sleep } from '../../lib/async/sleep.ts'
import { JsonTranscoder, jsonBound } from '../../lib/json/json-to-msgpack.ts'
import { appendRecord, INTERVAL_OPTIONS } from '../../lib/plugin/interval-input.ts'
import { splitMs } from '../../lib/time/split-ms.ts'

const OPTIONS = defineOptions({
  dummy: {
    type: 'string',
    default: '{"message":"dummy"}',
    check: (json: string) => invalidIfThrows('a JSON object', () => encodeRecord(json)),
    help: 'Record to send, as a JSON object.',
  },
  metadata: {
    type: 'string',
    default: '{}',
    help: 'Metadata of the record.',
    ignored: 'entries are [time, record], without metadata',
  },
  rate: {
    type: 'int',
    default: '1',
    min: 1,
    max: 1_000_000,
    help: 'Samples per second.',
  },
  interval_sec: {
    ...INTERVAL_OPTIONS.interval_sec,
    default: '0',
    help: 'Seconds between two samples; overrides Rate.',
  },
  interval_nsec: INTERVAL_OPTIONS.interval_nsec,
  samples: {
    type: 'int',
    default: '0',
    min: 0,
    help: 'Number of samples after which the input stops; 0: unlimited.',
  },
  copies: { type: 'int', default: '1', min: 1, max: 1_000_000, help: 'Records per sample.' },
  start_time_sec: {
    type: 'int',
    default: '-1',
    help: 'Timestamp of the start, in Unix seconds; -1: the current time.',
  },
  start_time_nsec: {
    type: 'int',
    default: '0',
    min: 0,
    max: 999_999_999,
    help: 'Nanoseconds added to Start_Time_Sec.',
  },
  fixed_timestamp: { type: 'bool', default: 'off', help: 'Give every record the start time.' },
  flush_on_startup: {
    type: 'bool',
    default: 'off',
    help: 'Send the first sample at once, and not after the first interval.',
  },
})

/** Minimum pause: at high rates records are created in groups, because a timer per record would cost more than the record. */
const MIN_SLEEP_MS = 10

class DummyInput implements Input {
  readonly #options: OptionsOf<typeof OPTIONS>
  readonly #ctx: InputContext
  readonly #record: Buffer
  #startMs = 0

  constructor(options: OptionsOf<typeof OPTIONS>, ctx: InputContext) {
    this.#options = options
    this.#ctx = ctx
    this.#record = encodeRecord(options.dummy)
  }

  async run(signal: AbortSignal): Promise<void> {
    const { intervalSec, intervalNsec, rate, samples, copies, flushOnStartup } = this.#options
    const configuredMs = intervalSec * 1000 + intervalNsec / 1e6
    const intervalMs = configuredMs > 0 ? configuredMs : 1000 / rate
    this.#startMs = this.#ctx.clock.nowMs()
    const maxRecords = samples === 0 ? Number.POSITIVE_INFINITY : samples * copies
    let records = 0
    while (!signal.aborted && records < maxRecords) {
      const due = Math.floor((this.#ctx.clock.nowMs() - this.#startMs) / intervalMs)
      const samplesDue = flushOnStartup ? due + 1 : due
      while (records < Math.min(samplesDue * copies, maxRecords)) {
        if (!(await appendRecord(this.#ctx, this.#record, this.#recordTime(), signal))) return
        records++
      }
      const leftMs = this.#startMs + (due + 1) * intervalMs - this.#ctx.clock.nowMs()
      await sleep(Math.max(MIN_SLEEP_MS, leftMs), this.#ctx.clock, signal)
    }
    // The agent keeps running afterwards, as in fluent-bit: there may be other inputs.
    while (!signal.aborted) await sleep(3_600_000, this.#ctx.clock, signal)
  }

  async close(): Promise<void> {}

  #recordTime(): { sec: number; nsec: number } {
    const { startTimeSec, startTimeNsec, fixedTimestamp } = this.#options
    const elapsedMs = fixedTimestamp ? 0 : this.#ctx.clock.nowMs() - this.#startMs
    if (startTimeSec < 0) return splitMs(this.#startMs + elapsedMs)
    // Nanoseconds since that second, because a float64 of milliseconds since 1970 cannot represent them.
    const nsec = startTimeNsec + Math.floor(elapsedMs * 1e6)
    return { sec: startTimeSec + Math.floor(nsec / 1e9), nsec: nsec % 1e9 }
  }
}

/** Encodes a JSON object as MessagePack; throws E_CONFIG_BAD_VALUE when the text is not one. */
function encodeRecord(json: string): Buffer {
  const text = Buffer.from(json.trim())
  const out = Buffer.alloc(jsonBound(text.length))
  const transcoder = new JsonTranscoder()
  const end = text[0] === 0x7b ? transcoder.transcode(text, 0, text.length, out, 0) : -1
  if (end < 0 || transcoder.end !== text.length) {
    throw new ShipperError('E_CONFIG_BAD_VALUE', 'it cannot be parsed as one', {
      hint: 'for example {"message":"dummy"}',
    })
  }
  return Buffer.from(out.subarray(0, end))
}

function recordsText(n: number): string {
  return n === 1 ? '1 record' : `${n} records`
}

export const spec = defineInput({
  kind: 'input',
  name: 'dummy',
  summary: 'Generates records.',
  description: 'Useful for testing filters and outputs.',
  options: OPTIONS,
  example: '[INPUT]\n    Name  dummy\n    Dummy {"message":"hello"}\n    Rate  10\n',
  preview: async ({ rate, samples }) => ({
    source: samples === 0 ? `${recordsText(rate)} a second` : recordsText(samples),
    sources: [],
    more: 0,
    tags: [],
    notes: [],
  }),
  create: (options, ctx) => new DummyInput(options, ctx),
})

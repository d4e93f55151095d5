import type { Series } from '../forward/series.ts'
import { Sink } from '../forward/sink.ts'
import { HANG_MS, until } from '../until.ts'
import type { SoakLog } from './log.ts'

/** Faults of a peer: the command that begins one, and the command that ends it. */
const FAULTS = [
  ['ack off', 'ack on'],
  ['read off', 'read on'],
  ['accept off', 'accept on'],
  ['close-after 3000', 'close-after 0'],
  ['garbage', undefined],
] as const

/** Time without a new line after which the missing ones are lost. SHIPPER_SOAK_STANDSTILL=15 makes it 15 seconds. */
const STANDSTILL_MS = Number(process.env.SHIPPER_SOAK_STANDSTILL ?? HANG_MS / 1000) * 1000
/** Longest list of examples. */
const MAX_EXAMPLES = 5

/** A broken promise, with examples of the lines concerned. */
export class SoakFailure extends Error {
  readonly lines: { series: number; at: number }[]

  constructor(message: string, lines: { series: number; at: number }[]) {
    super(message)
    this.lines = lines
  }
}

/** Peers of a soak test: they count what arrives, and fail one after another. */
export class SoakPeers {
  readonly sinks: Sink[] = []
  duplicates = 0
  /** True if nothing may arrive again once its offset was stored. Else copies and renamed logs may. */
  readonly #strict: boolean
  #faulty: { sink: Sink; endFault: string | undefined } | undefined

  private constructor(strict: boolean) {
    this.#strict = strict
  }

  static async start(count: number, strict: boolean): Promise<SoakPeers> {
    const peers = new SoakPeers(strict)
    while (peers.sinks.length < count) peers.sinks.push(await Sink.start('series'))
    return peers
  }

  get faulty(): boolean {
    return this.#faulty !== undefined
  }

  /** Makes a peer fail and returns the command for it. */
  async fail(pick: <T>(from: readonly T[]) => T): Promise<string> {
    const sink = pick(this.sinks)
    const [what, endFault] = pick(FAULTS)
    await sink.ask(what)
    this.#faulty = { sink, endFault }
    return what
  }

  async endFault(): Promise<void> {
    const faulty = this.#faulty
    this.#faulty = undefined
    if (faulty?.endFault !== undefined) await faulty.sink.ask(faulty.endFault)
  }

  /** Records that the offsets of all arrived lines are stored: from now on none of them may arrive again. */
  async mark(): Promise<void> {
    for (const sink of this.sinks) await sink.ask('mark')
  }

  /** Records that the next connections are of another run of the agent: what arrived in this one may arrive again. */
  async nextRun(): Promise<void> {
    for (const sink of this.sinks) await sink.ask('run')
  }

  async ended(): Promise<void> {
    await until(async () => {
      for (const sink of this.sinks)
        if (((await sink.ask('summary')) as { open: number }).open > 0) return false
      return true
    })
  }

  /** Ends the processes. */
  stop(): void {
    for (const sink of this.sinks) sink.stop()
  }

  /** Resolves to true when lines of each stream of the log have arrived; from the first of them on none may be lost. */
  async hasBegun(log: SoakLog): Promise<boolean> {
    for (const sink of this.sinks) {
      const { series } = await arrivedAt(sink)
      for (const [stream, number] of log.series.entries()) {
        const found = series.find((s) => s.series === number)
        if (found === undefined) return false
        log.from[stream] = Math.max(log.from[stream] as number, found.min)
      }
    }
    return true
  }

  /** Waits until all lines of `logs` have arrived; throws if a promise is broken. With `once` no line may arrive twice. */
  async haveAll(logs: readonly SoakLog[], all: readonly SoakLog[], once: boolean): Promise<void> {
    let best = -1
    let grownMs = performance.now()
    const complete = async (): Promise<boolean> => {
      const states = await Promise.all(this.sinks.map((sink) => this.#state(sink, logs, all, once)))
      const missing = states.flatMap((state) => state.missing)
      if (missing.length === 0) return true
      const arrived = states.reduce((n, state) => n + state.distinct, 0)
      if (arrived > best) grownMs = performance.now()
      best = arrived
      if (performance.now() - grownMs > STANDSTILL_MS)
        throw new SoakFailure(
          `lines that have not arrived:\n${missing.map(({ text }) => text).join('')}`,
          missing.flatMap(({ lines }) => lines),
        )
      return false
    }
    await until(complete, { everyMs: 20, limitMs: Number.POSITIVE_INFINITY })
  }

  async #state(
    sink: Sink,
    logs: readonly SoakLog[],
    all: readonly SoakLog[],
    once: boolean,
  ): Promise<{ distinct: number; missing: Missing[] }> {
    const { torn, series } = await arrivedAt(sink)
    if (torn.length > 0)
      throw new SoakFailure(`torn: ${torn.map((text) => JSON.stringify(text)).join(', ')}`, [])
    this.duplicates = series.reduce((n, s) => n + s.duplicates, 0)
    if (once && this.duplicates > 0)
      throw new SoakFailure(
        `repeated without a reason: ${JSON.stringify(series)}`,
        series.flatMap(repeatedOf),
      )
    for (const s of series) this.#check(s, all)
    const missing = logs.flatMap((log) =>
      log.series.flatMap((number, stream) => missingOf(series, log, number, stream) ?? []),
    )
    return { distinct: series.reduce((n, s) => n + s.distinct, 0), missing }
  }

  /**
   * Throws if the lines of a series are not as promised. Not promised: an order in a log that was renamed or is written in
   * two files at once, since there is none across files.
   */
  #check(s: Series, logs: readonly SoakLog[]): void {
    const log = logs.find(({ series }) => series.includes(s.series))
    if (log === undefined)
      throw new SoakFailure(`from a file that must not be read: ${textOf(s)}`, [
        { series: s.series, at: s.min },
      ])
    const of = `${log.path} ${textOf(s)}`
    if (s.disorder > 0 && !log.moved && !log.unordered)
      throw new SoakFailure(
        `out of order: ${of}`,
        s.outOfOrder.map((at) => ({ series: s.series, at })),
      )
    if (log.aged && s.min < (log.from[log.series.indexOf(s.series)] as number))
      throw new SoakFailure(`from before the first start: ${of}`, [{ series: s.series, at: s.min }])
    if (log.mayRepeat) return
    if (s.again > 0) throw new SoakFailure(`repeated within a run: ${of}`, repeatedOf(s))
    if (s.stale > 0 && (this.#strict || (log.o.style !== 'copy' && !log.moved)))
      throw new SoakFailure(`repeated after its offset was stored: ${of}`, repeatedOf(s))
  }
}

async function arrivedAt(sink: Sink): Promise<{ torn: string[]; series: Series[] }> {
  return (await sink.ask('series')) as { torn: string[]; series: Series[] }
}

function textOf(s: Series | undefined): string {
  return JSON.stringify({ ...s, missing: undefined })
}

interface Missing {
  text: string
  lines: { series: number; at: number }[]
}

function repeatedOf(s: Series): { series: number; at: number }[] {
  return s.repeated.slice(0, MAX_EXAMPLES).map((at) => ({ series: s.series, at }))
}

function missingOf(
  series: readonly Series[],
  log: SoakLog,
  number: number,
  stream: number,
): Missing | undefined {
  const from = log.from[stream] as number
  const to = log.counts[stream] as number
  const s = series.find((one) => one.series === number)
  if (to <= from || (s?.distinct ?? 0) >= to - from) return undefined
  const holes = (s?.missing ?? []).filter((at) => at >= from)
  const rest = Array.from({ length: MAX_EXAMPLES }, (_, i) => Math.max(from, (s?.max ?? -1) + 1) + i)
  const examples = [...holes.slice(0, MAX_EXAMPLES), ...rest.filter((at) => at < to)]
  return {
    text: `${log.path} series ${number}: ${s?.distinct ?? 0} of ${to - from}, ${textOf(s)}\n`,
    lines: examples.map((at) => ({ series: number, at })),
  }
}

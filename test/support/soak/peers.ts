import type { Series } from '../forward/series.ts'
import { Sink } from '../forward/sink.ts'
import { until } from '../until.ts'
import type { SoakLog } from './log.ts'

/** Faults of a peer: the command that begins one, and the command that ends it. */
const FAULTS = [
  ['ack off', 'ack on'],
  ['read off', 'read on'],
  ['accept off', 'accept on'],
  ['close-after 3000', 'close-after 0'],
  ['garbage', undefined],
] as const

/** Peers of a soak test: they count what arrives, and fail one after another. */
export class SoakPeers {
  readonly sinks: Sink[] = []
  duplicates = 0
  #faulty: { sink: Sink; endFault: string | undefined } | undefined

  static async start(count: number): Promise<SoakPeers> {
    const peers = new SoakPeers()
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

  async ended(): Promise<void> {
    await until(async () => {
      for (const sink of this.sinks)
        if (((await sink.ask('summary')) as { open: number }).open > 0) return false
      return true
    })
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
    let missing = ''
    const complete = async (): Promise<boolean> => {
      missing = (await Promise.all(this.sinks.map((sink) => this.#missing(sink, logs, all, once)))).join('')
      return missing === ''
    }
    await until(complete, { everyMs: 20, what: () => `lines that have not arrived: ${missing}` })
  }

  async #missing(
    sink: Sink,
    logs: readonly SoakLog[],
    all: readonly SoakLog[],
    once: boolean,
  ): Promise<string> {
    const { torn, series } = await arrivedAt(sink)
    if (torn.length > 0) throw new Error(`torn: ${torn.join('; ')}`)
    this.duplicates = series.reduce((n, s) => n + s.duplicates, 0)
    if (once && this.duplicates > 0) throw new Error(`repeated without a reason: ${JSON.stringify(series)}`)
    for (const s of series) check(s, all)
    const incomplete = logs.flatMap((log) => log.series.map((number, stream) => ({ log, number, stream })))
    return incomplete.map(({ log, number, stream }) => lost(series, log, number, stream)).join('')
  }
}

async function arrivedAt(sink: Sink): Promise<{ torn: string[]; series: Series[] }> {
  return (await sink.ask('series')) as { torn: string[]; series: Series[] }
}

/**
 * Throws if the lines of a series are not as promised. Not promised: an order in a log that was renamed or is written in two
 * files at once, since there is none across files; and that a restart within Rotate_Wait of another one recognizes copies
 * of copytruncate, which it takes for rotated files.
 */
function check(s: Series, logs: readonly SoakLog[]): void {
  const log = logs.find(({ series }) => series.includes(s.series))
  if (log === undefined) throw new Error(`from an unknown log: ${JSON.stringify(s)}`)
  if (s.disorder > 0 && !log.moved && !log.late) throw new Error(`out of order: ${JSON.stringify(s)}`)
  if (s.stale > 0 && log.style !== 'copy' && !log.moved)
    throw new Error(`repeated after its offset was stored: ${JSON.stringify(s)}`)
}

function lost(series: readonly Series[], log: SoakLog, number: number, stream: number): string {
  const from = log.from[stream] as number
  const count = (log.counts[stream] as number) - from
  const s = series.find((one) => one.series === number)
  if (count <= 0 || (s?.distinct ?? 0) >= count) return ''
  return `${log.path} series ${number}: ${s?.distinct ?? 0} of ${count}, ${JSON.stringify(s ?? {})}\n`
}

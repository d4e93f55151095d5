import type { Series } from '../forward/series.ts'
import { Sink } from '../forward/sink.ts'
import { until } from '../until.ts'
import type { SoakLog } from './log.ts'

/** What a peer can do wrong, and what ends it. */
const FAULTS = [
  ['ack off', 'ack on'],
  ['read off', 'read on'],
  ['accept off', 'accept on'],
  ['close-after 3000', 'close-after 0'],
  ['garbage', undefined],
] as const

/** The peers of a soak: they count what arrives, and fail one after another. */
export class SoakPeers {
  readonly sinks: Sink[] = []
  duplicates = 0
  #faulty: { sink: Sink; heal: string | undefined } | undefined

  static async start(count: number): Promise<SoakPeers> {
    const peers = new SoakPeers()
    while (peers.sinks.length < count) peers.sinks.push(await Sink.start('series'))
    return peers
  }

  get faulty(): boolean {
    return this.#faulty !== undefined
  }

  /** Returns what was done. */
  async fail(pick: <T>(from: readonly T[]) => T): Promise<string> {
    const sink = pick(this.sinks)
    const [what, heal] = pick(FAULTS)
    await sink.ask(what)
    this.#faulty = { sink, heal }
    return what
  }

  async heal(): Promise<void> {
    const faulty = this.#faulty
    this.#faulty = undefined
    if (faulty?.heal !== undefined) await faulty.sink.ask(faulty.heal)
  }

  /** The positions of all that has arrived are stored: from now on none of it may come again. */
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

  /** Something of each stream of the log is there: the agent is answerable from its first line that has arrived. */
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

  /** Waits until all lines of `logs` are there; throws when what arrives is not as promised. `once`: and not twice. */
  async haveAll(logs: readonly SoakLog[], all: readonly SoakLog[], once: boolean): Promise<void> {
    let missing = ''
    const complete = async (): Promise<boolean> => {
      missing = (await Promise.all(this.sinks.map((sink) => this.#missing(sink, logs, all, once)))).join('')
      return missing === ''
    }
    await until(complete, { everyMs: 20, what: () => `lines that are lost: ${missing}` })
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
    if (once && this.duplicates > 0) throw new Error(`twice for no reason: ${JSON.stringify(series)}`)
    for (const s of series) check(s, all)
    const incomplete = logs.flatMap((log) => log.series.map((number, stream) => ({ log, number, stream })))
    return incomplete.map(({ log, number, stream }) => lost(series, log, number, stream)).join('')
  }
}

async function arrivedAt(sink: Sink): Promise<{ torn: string[]; series: Series[] }> {
  return (await sink.ask('series')) as { torn: string[]; series: Series[] }
}

/**
 * Not held against the agent: the order of a log that goes on under another name or in two files at once, as there is
 * none among files; and that a restart within Rotate_Wait of another takes copies of copytruncate for rotated files.
 */
function check(s: Series, logs: readonly SoakLog[]): void {
  const log = logs.find(({ series }) => series.includes(s.series))
  if (log === undefined) throw new Error(`from nowhere: ${JSON.stringify(s)}`)
  if (s.disorder > 0 && !log.moved && !log.late) throw new Error(`out of order: ${JSON.stringify(s)}`)
  if (s.stale > 0 && log.style !== 'copy' && !log.moved)
    throw new Error(`again after it was stored: ${JSON.stringify(s)}`)
}

function lost(series: readonly Series[], log: SoakLog, number: number, stream: number): string {
  const from = log.from[stream] as number
  const count = (log.counts[stream] as number) - from
  const s = series.find((one) => one.series === number)
  if (count <= 0 || (s?.distinct ?? 0) >= count) return ''
  return `${log.path} series ${number}: ${s?.distinct ?? 0} of ${count}, ${JSON.stringify(s ?? {})}\n`
}

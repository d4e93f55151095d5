import { messageOf } from '../../src/core/error.ts'
import { mutate } from './mutate.ts'
import { Random, seedOf } from './random.ts'
import { Finding, type Target } from './target.ts'

/** Limits of what a run keeps in memory of a target. */
const MAX_CORPUS = 400
const MAX_KINDS = 5000
const DEFAULT_MAX_MS = 500
const TRIES = 3
/** Failures of a target after which it is not run any more: the rest would be the same ones. */
const MAX_FAILURES = 5

export interface FuzzEvents {
  /** Called before each input is read. */
  onInput(input: Buffer): void
  /** Called for an input that behaved in a new way. */
  onNew(input: Buffer): void
  onFailure(input: Buffer, reason: string): void
}

/** Runs one target with inputs that depend on the seed and the corpus only, not on time. */
export class Fuzzer {
  readonly target: Target
  runs = 0
  failures = 0
  readonly #events: FuzzEvents
  readonly #random: Random
  readonly #corpus: Buffer[]
  readonly #kinds = new Set<string>()
  /** Number of inputs of the corpus that were run as they are. */
  #started = 0

  constructor(target: Target, corpus: readonly Buffer[], seed: number, events: FuzzEvents) {
    this.target = target
    this.#corpus = [...corpus]
    this.#events = events
    this.#random = new Random(seed ^ seedOf(Buffer.from(target.name)))
  }

  get kinds(): number {
    return this.#kinds.size
  }

  get isDone(): boolean {
    return this.failures >= MAX_FAILURES
  }

  /** Runs the next input: at first those of the corpus, then mutations. */
  async next(): Promise<void> {
    const isMutation = this.#started >= this.#corpus.length
    const { dictionary = [], maxBytes } = this.target
    const input = isMutation
      ? mutate(this.#random, { corpus: this.#corpus, dictionary, maxBytes })
      : (this.#corpus[this.#started++] as Buffer)
    this.#events.onInput(input)
    this.runs++
    const kind = await this.#try(input)
    if (kind === undefined || this.#kinds.has(kind) || this.#kinds.size >= MAX_KINDS) return
    this.#kinds.add(kind)
    if (!isMutation) return
    this.#events.onNew(input)
    if (this.#corpus.length < MAX_CORPUS) this.#corpus.push(input)
    else this.#corpus[this.#random.below(MAX_CORPUS)] = input
    this.#started = this.#corpus.length
  }

  async #try(input: Buffer): Promise<string | undefined> {
    try {
      return await runTarget(this.target, input)
    } catch (error) {
      this.failures++
      this.#events.onFailure(input, error instanceof Finding ? messageOf(error) : describe(error))
      return undefined
    }
  }
}

/** Runs an input and checks its time. */
export async function runTarget(target: Target, input: Buffer): Promise<string> {
  const maxMs = target.maxMs ?? DEFAULT_MAX_MS
  let least = Number.POSITIVE_INFINITY
  for (let tries = 0; ; ) {
    const [startMs, startCpu] = [performance.now(), process.threadCpuUsage()]
    const kind = await target.run(Buffer.from(input))
    // On a busy machine other programs take most of the time.
    const { user, system } = process.threadCpuUsage(startCpu)
    least = Math.min(least, performance.now() - startMs, (user + system) / 1000)
    if (least <= maxMs) return kind
    if (++tries === TRIES) throw new Finding(`took ${Math.round(least)} ms, the limit is ${maxMs}`)
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? `uncaught: ${error.stack ?? error.message}` : `uncaught: ${String(error)}`
}

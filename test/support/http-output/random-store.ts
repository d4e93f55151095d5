import { ShipperError } from '../../../src/core/error.ts'
import type { Answer, BatchInfo, FailedAnswer, Judgement } from '../../../src/lib/http-output/api.ts'
import { Verdicts } from '../../../src/lib/http-output/verdicts.ts'
import { LinesApi, linesOf } from './lines-api.ts'
import { type ScriptedAnswer, ScriptedServer, type SeenRequest } from './scripted-server.ts'

/**
 * What the store does with a request.
 *
 * ```
 *   cut        the connection ends; the store has nothing     cut-kept    the store has all of it, and the client does not know
 *   cut-late   the store gets to it after the connection has ended, perhaps after what is sent again
 *   busy       429 with Retry-After                            down        503
 *   some       every third record is to be sent again          first       some of the first are taken, the rest was not looked at
 *   later      accepted; that all of it is kept is said later  never       accepted, and lost
 * ```
 */
export const STORE_FAULTS = [
  ...(['ok', 'cut', 'cut-kept', 'cut-late', 'busy', 'down', 'some', 'first', 'later', 'never'] as const),
]
export type StoreFault = (typeof STORE_FAULTS)[number]

export interface StoreStep {
  fault: StoreFault
  /** Turns of the event loop until the answer, and until what comes after it. */
  slow: number
}

const failure = (reason: string): ShipperError =>
  new ShipperError('E_HTTP_ANSWER', reason, { retryable: true })

/** An API whose answers are words about each record, or one about all that follows the answer. */
export class RandomApi extends LinesApi {
  /** What is said after an answer 202, by its body. */
  readonly late = new Map<string, Promise<boolean>>()

  override isSuccess(status: number): boolean {
    return status === 202 || super.isSuccess(status)
  }

  override async readSuccess(answer: Answer, batch: BatchInfo): Promise<Judgement> {
    if (answer.status !== 202 && answer.status !== 207) return await super.readSuccess(answer, batch)
    const pieces: Buffer[] = []
    for await (const piece of answer.body) pieces.push(piece)
    const text = Buffer.concat(pieces).toString()
    if (answer.status === 207) return judgementOf(text, batch)
    batch.handOver()
    if (await this.late.get(text)) return { kind: 'delivered' }
    return { kind: 'failed', error: failure('accepted and lost') }
  }

  judgeFailure({ status }: FailedAnswer): Judgement | undefined {
    return status === 400 ? { kind: 'bad', reason: 'poison' } : undefined
  }
}

function judgementOf(text: string, { records }: BatchInfo): Judgement {
  const verdicts = new Verdicts(records)
  text.split(',').forEach((word, i) => {
    if (word === 'again') verdicts.again(i, { kind: 'failed', error: failure('some again') })
    if (word === 'next') verdicts.next(i)
    if (word === 'refused') verdicts.refuse(i, 'refused')
  })
  return { kind: 'records', verdicts }
}

/**
 * A store that does what a plan says with each request, and everything right when that has ended. It refuses requests with a record of the
 * text `poison` with 400, and those of more than `maxBytes` with 413.
 */
export class RandomStore {
  readonly server: ScriptedServer
  readonly api: RandomApi
  /** Numbers of the records that it has, in the order in which it got them first. */
  readonly kept = new Set<number>()
  /** Numbers of which the client knows that they are there, or refused; replaced for another client. */
  known = new Set<number>()
  /** Numbers that were sent again although that was known. */
  readonly twice: number[] = []
  /** Numbers whose order is not promised: they were told apart from others of their request, or show that others are at fault. */
  readonly apart = new Set<number>()
  readonly #plan: StoreStep[]
  readonly #maxBytes: number
  #late = 0
  #hasRefused = false
  #working = 0

  constructor(plan: readonly StoreStep[], api: RandomApi, maxBytes = Number.POSITIVE_INFINITY) {
    this.#plan = [...plan]
    this.#maxBytes = maxBytes
    this.api = api
    this.server = new ScriptedServer((request) => this.#answer(request))
  }

  /** True while it works on requests whose connections have ended. */
  get isWorking(): boolean {
    return this.#working > 0
  }

  async #answer({ body }: SeenRequest): Promise<ScriptedAnswer | undefined> {
    const { fault, slow } = this.#plan.shift() ?? { fault: 'ok', slow: 0 }
    const { known } = this
    const records = linesOf(body)
    const numbers = records.map(({ n = -1 }) => n)
    this.twice.push(...numbers.filter((n) => known.has(n)))
    if (this.#hasRefused && numbers.length === 1) this.apart.add(numbers[0] as number)
    await turns(slow)
    if (fault === 'cut') return undefined
    if (fault === 'busy') return { status: 429, headers: { 'retry-after': '2' } }
    if (fault === 'down') return { status: 503 }
    if (body.length > this.#maxBytes && numbers.length > 1) return { status: 413 }
    const bad = records.findIndex(({ text }) => text === 'poison')
    if (bad >= 0 && fault !== 'first') {
      for (const n of numbers) this.apart.add(n)
      this.#hasRefused = true
      return { status: 400, body: 'poison' }
    }
    if (fault === 'cut-late') {
      this.#working++
      void turns(slow * 5).then(() => {
        this.#keep(numbers)
        this.#working--
      })
      return undefined
    }
    if (fault === 'some') return this.#some(numbers, known)
    if (fault === 'first') return this.#first(numbers, bad, known)
    if (fault === 'later' || fault === 'never') return this.#accept(numbers, fault === 'later', slow, known)
    this.#keep(numbers)
    if (fault === 'cut-kept') return undefined
    for (const n of numbers) known.add(n)
    return { status: 200 }
  }

  #keep(numbers: readonly number[]): void {
    for (const n of numbers) this.kept.add(n)
  }

  #some(numbers: readonly number[], known: Set<number>): ScriptedAnswer {
    const again = (i: number): boolean => i % 3 === 1
    const taken = numbers.filter((_, i) => !again(i))
    this.#keep(taken)
    for (const n of taken) known.add(n)
    for (const n of numbers) if (!taken.includes(n)) this.apart.add(n)
    return { status: 207, body: numbers.map((_, i) => (again(i) ? 'again' : 'ok')).join(',') }
  }

  /** Takes what is before a record at fault, which is refused, or the first half. */
  #first(numbers: readonly number[], bad: number, known: Set<number>): ScriptedAnswer {
    const end = bad < 0 ? Math.ceil(numbers.length / 2) : bad
    const taken = numbers.slice(0, end)
    this.#keep(taken)
    for (const n of numbers.slice(0, bad < 0 ? end : end + 1)) known.add(n)
    const words = numbers.map((_, i) => (i < end ? 'ok' : i === bad ? 'refused' : 'next'))
    return { status: 207, body: words.join(',') }
  }

  #accept(numbers: readonly number[], isKept: boolean, slow: number, known: Set<number>): ScriptedAnswer {
    const id = String(++this.#late)
    // What is lost behind the answer is there for the first time when it is sent again.
    if (!isKept) for (const n of numbers) this.apart.add(n)
    const outcome = async (): Promise<boolean> => {
      if (isKept) this.#keep(numbers)
      await turns(slow * 4)
      if (isKept) for (const n of numbers) known.add(n)
      return isKept
    }
    this.api.late.set(id, outcome())
    return { status: 202, body: id }
  }
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve))
}

import { seeded } from '../shipping.ts'

/**
 * What a double does with one request instead of just answering it. `kept`: the store has it although the client cannot
 * know; all others keep nothing unless they say so.
 *
 * | fault | |
 * |---|---|
 * | `hang` | the request is read, and never answered |
 * | `close-after-head`, `close-in-body` | the connection ends before the body has come |
 * | `close-unkept`, `close-kept` | the whole body came; the connection ends without an answer |
 * | `reset-kept` | as `close-kept`, with RST |
 * | `429`, `500`, `502`, `503` | an answer of the API with this status |
 * | `429-seconds`, `503-date` | with Retry-After: 1, or a date two seconds ahead |
 * | `401`, `403`, `404` | what a wrong key or path gets |
 * | `redirect` | 301 to a host that must not be asked |
 * | `html`, `html-200` | the page of a proxy, with 502 or 200 |
 * | `cut-kept` | an answer that ends in the middle of its body |
 * | `huge-kept` | an answer of 10 MB: blanks in front of it |
 * | `slow-kept` | the answer byte by byte |
 * | `chunked-kept`, `gzip-kept`, `http10-kept`, `continue-kept` | other forms of a good answer: chunks, gzip, HTTP/1.0, after 100 Continue |
 * | `close-later-kept` | a good answer, then the connection ends without a word |
 */
export const FAULTS = [
  'hang',
  'close-after-head',
  'close-in-body',
  'close-unkept',
  'close-kept',
  'reset-kept',
  '429',
  '429-seconds',
  '500',
  '502',
  '503',
  '503-date',
  '401',
  '403',
  '404',
  'redirect',
  'html',
  'html-200',
  'cut-kept',
  'huge-kept',
  'slow-kept',
  'chunked-kept',
  'gzip-kept',
  'http10-kept',
  'continue-kept',
  'close-later-kept',
] as const

/** `400`, `413`: refusals of the whole request, which are no faults that chance chooses. */
export type Fault = (typeof FAULTS)[number] | '400' | '413'

/** What becomes of one record at one attempt: taken, refused for good, or to be sent again. */
export type Fate = 'keep' | 'refuse' | 'later'

export interface PlanInit {
  seed?: number
  /** Probability of each fault for a request. */
  faults?: Partial<Record<Fault, number>>
  /** Probability of a fault of a kind that is not named in `faults`. */
  anyFault?: number
  /** Faults that `anyFault` leaves out: to a plain receiver a page with status 200 is success. */
  never?: readonly Fault[]
  /** Probability with which a record is to be sent again, at each attempt. */
  later?: number
  /** Share of the records that are refused, always the same ones. */
  refused?: number
}

/** A plan of faults: the same seed gives the same decisions for the same requests in the same order. */
export class FaultPlan {
  readonly seed: number
  /** Number of times that each fault was injected. */
  readonly injected: Partial<Record<Fault, number>> = {}
  #always: Fault | undefined
  #script: (Fault | 'none')[] = []
  #isOver = false
  readonly #init: PlanInit
  readonly #random: () => number

  constructor(init: PlanInit = {}) {
    this.#init = init
    this.seed = init.seed ?? 1
    this.#random = seeded(this.seed)
  }

  /** Returns a number from 0 up to 1. */
  random(): number {
    return this.#random()
  }

  /** Injects this fault into every request from now on, until it is called with nothing. */
  always(fault?: Fault): void {
    this.#always = fault
  }

  /** Puts these in front of what chance decides, one for each request. */
  next(...faults: (Fault | 'none')[]): void {
    this.#script.push(...faults)
  }

  /** Ends all faults but the records that are refused for good. */
  end(): void {
    this.#isOver = true
    this.#always = undefined
    this.#script = []
  }

  /** Decides about a request. */
  fault(): Fault | undefined {
    const fault = this.#choose()
    if (fault !== undefined) this.injected[fault] = (this.injected[fault] ?? 0) + 1
    return fault
  }

  #choose(): Fault | undefined {
    if (this.#isOver) return undefined
    if (this.#always !== undefined) return this.#always
    const scripted = this.#script.shift()
    if (scripted !== undefined) return scripted === 'none' ? undefined : scripted
    const { faults = {}, anyFault = 0 } = this.#init
    let left = this.random()
    for (const [fault, probability] of Object.entries(faults) as [Fault, number][]) {
      left -= probability
      if (left < 0) return fault
    }
    if (left >= anyFault) return undefined
    const { never = [] } = this.#init
    const possible = FAULTS.filter((fault) => !never.includes(fault))
    return possible[Math.floor(this.random() * possible.length)]
  }

  /** Returns true for a record that is refused at every attempt. */
  isRefused(number: number): boolean {
    return hashed(number, this.seed) < (this.#init.refused ?? 0)
  }

  /** Decides about a record; one without a number is never refused. */
  fate(number: number | undefined): Fate {
    if (number !== undefined && this.isRefused(number)) return 'refuse'
    return !this.#isOver && this.random() < (this.#init.later ?? 0) ? 'later' : 'keep'
  }
}

/** Returns a number from 0 up to 1 that depends on both. */
function hashed(number: number, seed: number): number {
  let h = Math.imul(number + 1, 0x9e3779b1) ^ Math.imul(seed + 1, 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d)
  h = Math.imul(h ^ (h >>> 12), 0x297a2d39)
  return ((h ^ (h >>> 15)) >>> 0) / 2 ** 32
}

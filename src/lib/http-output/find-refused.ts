import type { ErrorCode } from '../../core/error.ts'
import { countText } from '../text/duration.ts'
import type { Failed, Judgement } from './api.ts'
import type { Batch, Part } from './batch.ts'
import type { Delivery, Run, Suspicion } from './delivery.ts'
import type { Acceptances } from './key-states.ts'
import { countOf, halvesOf, splitAt } from './parts.ts'
import { RequestRefused } from './request-refused.ts'

const REFUSED_HINT =
  'whole requests are refused, not individual records: check what the options of the output name (path, index, pipeline, format), and the server'
const RAISE_LIMIT =
  'raise the limit of the size of bodies at the server, or at a proxy before it (client_max_body_size of nginx); requests are made smaller by themselves, and a record is no larger than Buffer_Max_Size of its input allows'
const TOO_LARGE_HINT = `even small requests are refused: ${RAISE_LIMIT}`
const ALONE_HINT =
  'refused records are retried; once another record is accepted, or after 30 s if one just was, they are at fault and go to the dead letters'

/** Maximum number of requests of a search in a row after which no record has a fate, and of all its requests. */
const MAX_FRUITLESS = 64
const MAX_REQUESTS = 1024
/** Number of times that a request of a search is repeated when it fails, the first wait, which doubles, and the longest. */
const MAX_REPEATS = 4
const FIRST_WAIT_MS = 100
const MAX_WAIT_MS = 2000
/**
 * Number of single records in a row that are refused, with nothing accepted in the search, from which on it is likelier the server that is at
 * fault; and the same when they are too large.
 */
const MAX_UNWITNESSED = 4
const MAX_TOO_LARGE = 3
/** Number of records of a chunk in doubt that need no witness after SURE_MS: with more, it is likelier the server that is at fault. */
const MAX_IN_DOUBT = 8
/** Number of single records that are then taken from anywhere among the others, to find one that is accepted. */
const MAX_PROBES = 6
/** Part of a group between a probe and the next one: such places are spread evenly, however many there are. */
const PROBE_STEP = 0.618

/**
 * Time for which a record is refused again and again, after which it needs no witness after it: one was accepted shortly before the first
 * refusal, and there is no other record to send.
 */
const SURE_MS = 30_000
/** Number of chunks of which something is refused at the same time, from which on it is likelier the server that is at fault. */
const MAX_REFUSED_CHUNKS = 2
/** Number of times that a record is refused alone, with acceptances between them: of a server that has changed its mind lately, and of others. */
const MANY_REFUSALS = 10
const REFUSALS = 2
/** Longest time between such acceptances and refusals: with more, a fault of the server may have ended. */
const CHANGE_MS = 1000
/** Time after which a record is given up without the word of servers that cannot be asked. */
const OTHERS_AWAY_MS = 300_000
/** Longest time between that acceptance, which may be of a request before the search, and the first refusal. */
export const RECENT_MS = 60_000

type Refusal = Extract<Judgement, { kind: 'bad' | 'too large' }>

/** What a search needs of the output. */
export interface SearchHost {
  readonly peer: string
  /** Encodes these records as one request. */
  encode(parts: readonly Part[]): Batch
  /** Sends a request once and releases its body. */
  attempt(batch: Batch): Promise<Judgement>
  /** Gives the records of an answer that is no refusal of the whole their fates; returns why some are left. */
  settle(batch: Batch, judgement: Judgement): Failed | undefined
  /** Rejects a record; false: it cannot be kept now, and `failure` says why. */
  refuse(delivery: Delivery, start: number, end: number, reason: string): boolean
  /** Why a record could not be kept. */
  readonly failure: Failed | undefined
  /** Sends one of these records or of those that follow; resolves with true when it was accepted, or with the failure of a request. */
  findWitness(groups: (readonly Part[])[]): Promise<Failed | boolean>
  /** Puts records back that have no fate yet. */
  putBack(parts: readonly Part[]): void
  nowMs(): number
  /** Number of requests with this key that were accepted so far, by any server. */
  readonly accepted: number
  /** Returns the same for one server, and when the last was. */
  acceptedBy(node: string): Readonly<Acceptances>
  /** Number of servers that stand for each other. */
  readonly servers: number
  /** See KeyState. */
  readonly refusedChunks: number
  readonly isUnsteady: boolean
  recordRefused(delivery: Delivery): void
  recordChange(): void
  /** Waits; resolves with false when the output stops. */
  wait(ms: number): Promise<boolean>
}

/** How a search ended: why records are left, and whether they are all that is in doubt. */
interface SearchEnd {
  readonly failure: Failed | undefined
  /** True when every request was refused, of different records: the request is at fault, not a record. */
  readonly isFruitless: boolean
  /** True when a single record is in doubt because there was no other to compare it with. */
  readonly isAlone: boolean
}

/**
 * Finds the records for which an API refuses a whole request (400, 413), by sending halves, in order.
 *
 * Such a status may as well be about every request: a pipeline that is missing, a wrong path or format, a proxy that refuses everything while
 * it is set up anew; and that may begin and end in the middle of a search. So a record is refused for good only if it was refused
 * **alone, another request was accepted after that by the same server, and it was then refused alone once more**: the requests before and
 * after show that this server is in order. Where several servers stand for each other, each must have refused it; and where one accepts
 * what it has refused, as a name with several servers behind it does, that counts only ten times in a row. What was delivered is not sent again for that. Until there is such a witness, singles are put aside:
 *
 * ```
 *   whole refused -> left half refused -> ... -> a single record refused: put aside
 *                 -> its neighbours, a few of them alone, the larger groups each once, and
 *                    some records from anywhere in these:  one accepted  -> a witness: go on, singles are sent once more
 *                                                          all refused   -> nothing is given up: everything waits
 * ```
 * Without a witness that takes about 2 log2(n) + 14 requests, and one is found as well where half of the records are at fault. With one, all
 * that is refused is sent alone. Records after which nothing was accepted wait until another one is, which may be of a later chunk; if they
 * are accepted then, they stand behind that one. The last records of a file may have none after them for days: where one was accepted
 * before them, and they are few, half a minute of refusals is enough.
 *
 * A request of the search that fails is repeated here a few times: a server that fails now and then would otherwise end each search
 * before it has found anything.
 */
export async function findRefused(root: Batch, first: Refusal, host: SearchHost): Promise<SearchEnd> {
  const search = new Search(host)
  search.refused(root, first, root.bodyBytes)
  return search.run()
}

class Search {
  readonly #host: SearchHost
  readonly #acceptedBefore: number
  /** Records to be sent, the next ones last. */
  readonly #stack: (readonly Part[])[] = []
  /** Single records, and larger groups, that were refused while there was no witness after them. */
  #alone: (readonly Part[])[] = []
  #groups: (readonly Part[])[] = []
  #requests = 0
  /** Number of acceptances when a single record was last put aside. */
  #acceptedThen = Number.POSITIVE_INFINITY
  /** Number of requests after the last one that gave a record its fate. */
  #fruitless = 0
  /** Number of requests that failed since the last answer. */
  #failures = 0
  #last: Refusal | undefined
  #probes = 0
  /** True when records have got their fates. */
  #hasFates = false
  /** True when an answer has left records that are to be sent before all others, or another search is to go on. */
  #isOver = false

  constructor(host: SearchHost) {
    this.#host = host
    this.#acceptedBefore = host.accepted
  }

  async run(): Promise<SearchEnd> {
    let failure: Failed | undefined
    while (failure === undefined && this.#host.failure === undefined && !this.#isOver) {
      const parts = this.#stack.pop()
      if (parts === undefined) {
        if (this.#alone.length === 0) break
        if (this.#isInDoubt) {
          if (this.#probe()) continue
          const found = await this.#host.findWitness(this.#groups)
          if (found === false) break
          if (found !== true) {
            failure = found
            break
          }
          this.#fruitless = 0
        }
        this.#stack.push(...this.#groups.toReversed(), ...this.#alone.toReversed())
        this.#alone = []
        this.#groups = []
        continue
      }
      if (this.#requests++ >= MAX_REQUESTS || this.#fruitless++ >= MAX_FRUITLESS) {
        this.#stack.push(parts)
        failure = this.#hasFates ? undefined : this.#tooMany()
        this.#isOver = true
        break
      }
      failure = await this.#send(parts)
    }
    return this.#end(failure ?? this.#host.failure)
  }

  /** Handles the refusal of a request; `bodyBytes`: its size before compression. */
  refused({ parts, nodes }: Batch, refusal: Refusal, bodyBytes: number): void {
    this.#last = refusal
    for (const { delivery } of parts) this.#host.recordRefused(delivery)
    if (countOf(parts) > 1) {
      // A pair is what is next to the first single of an odd number: a record between two at fault is a witness, too.
      const isPair = countOf(parts) === 2
      const few = refusal.kind === 'bad' ? MAX_UNWITNESSED : MAX_TOO_LARGE
      // With a witness all records are sent alone: those that are in order must not wait for those that are in doubt.
      const waits = this.#isInDoubt && !isPair && !this.#isWitnessed && this.#alone.length >= few
      if (waits) this.#groups.push(parts)
      else this.#stack.push(...halvesOf(parts).toReversed())
      return
    }
    const [{ delivery, runs }] = parts as [Part]
    const [run] = runs as [Run]
    if (!this.#isConfirmed(delivery, run, nodes)) {
      this.#acceptedThen = this.#host.accepted
      this.#alone.push(parts)
      return
    }
    const { start, end } = delivery.rangeOf(run)
    const reason =
      refusal.kind === 'too large'
        ? `it is too large: ${countText(bodyBytes)} bytes as a request, ${refusal.reason}`
        : refusal.reason
    this.#fruitless = 0
    this.#hasFates = true
    if (this.#host.refuse(delivery, start, end, reason)) delivery.suspects?.delete(run.first)
    else this.#host.putBack(parts)
  }

  /**
   * Notes that a record was refused alone by these servers; returns true when one of them had refused it before, and what that one has
   * accepted since shows that the record is at fault.
   */
  #isConfirmed(delivery: Delivery, { first }: Run, nodes: readonly string[]): boolean {
    const nowMs = this.#host.nowMs()
    delivery.suspects ??= new Map()
    const suspicions = delivery.suspects.get(first) ?? new Map<string, Suspicion>()
    delivery.suspects.set(first, suspicions)
    // A new suspect is a result where a witness exists.
    if (suspicions.size === 0 && this.#isWitnessed) this.#fruitless = 0
    for (const node of nodes) {
      const { count, ms } = this.#host.acceptedBy(node)
      const before = suspicions.get(node)
      if (before === undefined)
        suspicions.set(node, {
          accepted: count,
          ms: nowMs,
          acceptedAgoMs: nowMs - ms,
          refusals: 1,
        })
      else if (count > before.accepted) {
        before.accepted = count
        before.refusals++
      }
    }
    return this.#isAtFault([...suspicions.values()], delivery.suspects.size)
  }

  /** True when a record is at fault, by what each server says of it; `suspects`: number of records of its chunk that are in doubt. */
  #isAtFault(suspicions: readonly Suspicion[], suspects: number): boolean {
    const { servers, isUnsteady, refusedChunks } = this.#host
    const forMs = this.#host.nowMs() - Math.min(...suspicions.map(({ ms }) => ms))
    // What one server refuses, another one may accept.
    if (suspicions.length < servers && forMs < OTHERS_AWAY_MS) return false
    if (suspicions.some(({ refusals }) => refusals >= (isUnsteady ? MANY_REFUSALS : REFUSALS))) return true
    if (isUnsteady || suspects > MAX_IN_DOUBT || refusedChunks > MAX_REFUSED_CHUNKS) return false
    return forMs >= SURE_MS && suspicions.some(({ acceptedAgoMs }) => acceptedAgoMs <= RECENT_MS)
  }

  /** Puts a single record of a group that waits on the stack; false: there is none, or there were enough. */
  #probe(): boolean {
    const index = this.#probes % Math.max(1, this.#groups.length)
    const group = this.#groups[index]
    if (group === undefined || this.#probes++ >= MAX_PROBES) return false
    const count = countOf(group)
    // Elsewhere in each search: those before may all be at fault.
    const at = Math.floor(count * (((this.#host.nowMs() % 1000) / 1000 + this.#probes * PROBE_STEP) % 1))
    const [before, others] = splitAt(group, at)
    const [single, after] = splitAt(others, 1)
    this.#groups.splice(index, 1, ...[before, after].filter((parts) => parts.length > 0))
    this.#stack.push(single)
    return true
  }

  #tooMany(): Failed {
    return this.#failed(
      `many of its records are refused: ${this.#last?.reason ?? ''}; the search goes on with the next attempt`,
    )
  }

  /** True when records were refused alone, and nothing was accepted since. */
  get #isInDoubt(): boolean {
    return this.#alone.length > 0 && this.#host.accepted <= this.#acceptedThen
  }

  /** True when something was accepted since the search began. */
  get #isWitnessed(): boolean {
    return this.#host.accepted > this.#acceptedBefore
  }

  async #send(parts: readonly Part[]): Promise<Failed | undefined> {
    const batch = this.#host.encode(parts)
    const { bodyBytes } = batch
    let judgement: Judgement
    try {
      judgement = await this.#host.attempt(batch)
    } catch (error) {
      this.#stack.push(parts)
      throw error
    }
    if (judgement.kind === 'failed' && (await this.#mayRepeat(judgement))) {
      this.#stack.push(parts)
      return undefined
    }
    this.#failures = 0
    if (judgement.kind === 'bad' || judgement.kind === 'too large') {
      this.refused(batch, judgement, bodyBytes)
      return undefined
    }
    if (judgement.kind !== 'failed') {
      this.#fruitless = 0
      this.#hasFates = true
      for (const { delivery, runs } of parts)
        for (const { first, count } of runs) if (count === 1) this.#clear(delivery, first)
    }
    // What the API has not looked at was put back, and what follows must not overtake it.
    this.#isOver = judgement.kind === 'records' && judgement.verdicts.againCount > 0
    return this.#host.settle(batch, judgement)
  }

  /** Takes the doubt from a record that was accepted. Refused and accepted in between others that were, it shows no steady server. */
  #clear(delivery: Delivery, first: number): void {
    const suspicions = delivery.suspects?.get(first)
    if (suspicions === undefined) return
    delivery.suspects?.delete(first)
    const nowMs = this.#host.nowMs()
    for (const { acceptedAgoMs, ms } of suspicions.values())
      if (acceptedAgoMs <= CHANGE_MS && nowMs - ms <= CHANGE_MS) this.#host.recordChange()
  }

  /** Waits before a request is sent again; false: it is not, as that would take long, or is of no use. */
  async #mayRepeat({ error, afterMs = 0 }: Failed): Promise<boolean> {
    const ms = Math.max(afterMs, FIRST_WAIT_MS * 2 ** this.#failures)
    if (++this.#failures > MAX_REPEATS || ms > MAX_WAIT_MS || !REPEATED.has(error.code)) return false
    return await this.#host.wait(ms)
  }

  #end(failure: Failed | undefined): SearchEnd {
    const rest = [...this.#stack, ...this.#groups, ...this.#alone].flat()
    this.#host.putBack(rest)
    if (rest.length === 0 || (this.#isOver && failure === undefined))
      return { failure, isFruitless: false, isAlone: false }
    if (failure !== undefined) {
      const isFruitless = this.#fruitless > MAX_FRUITLESS && !this.#isWitnessed
      return { failure, isFruitless, isAlone: false }
    }
    const words = this.#last?.reason ?? ''
    const isAlone = countOf(rest) === 1 || (this.#groups.length === 0 && this.#isWitnessed)
    if (!isAlone && this.#isWitnessed) return { failure: this.#tooMany(), isFruitless: false, isAlone: false }
    if (!isAlone)
      return {
        failure: this.#failed(
          `every request is refused: ${words}`,
          this.#last?.kind === 'too large' ? TOO_LARGE_HINT : REFUSED_HINT,
        ),
        isFruitless: true,
        isAlone: false,
      }
    return {
      failure: this.#failed(
        countOf(rest) === 1
          ? `its only record was refused: ${words}`
          : `the last records were refused: ${words}`,
        this.#last?.kind === 'too large' ? `${RAISE_LIMIT}; ${ALONE_HINT}` : ALONE_HINT,
      ),
      isFruitless: false,
      isAlone: true,
    }
  }

  #failed(reason: string, hint?: string): Failed {
    const message = `${this.#host.peer}: ${reason}`
    return {
      kind: 'failed',
      error: new RequestRefused('E_HTTP_ANSWER', message, {
        retryable: true,
        hasProgress: this.#hasFates,
        ...(hint === undefined ? {} : { hint }),
      }),
    }
  }
}

/** Failures after which a request of a search is repeated: those of a server that fails for a moment. */
const REPEATED: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'E_HTTP_ANSWER',
  'E_PEER_CLOSED',
  'E_PEER_PROTOCOL',
  'E_PEER_UNREACHABLE',
])

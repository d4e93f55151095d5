import type { Chunk } from '../core/chunk.ts'
import type { ShipperError } from '../core/error.ts'
import type { Outcome } from '../core/plugin.ts'
import type { Logger } from '../core/services.ts'
import { countText, durationText } from '../lib/text/duration.ts'
import type { Keeper } from './dead-letters/dead-letters.ts'

/** Shorter refusals have no last word: with a small Retry_Limit, each chunk would have one. */
const MIN_ENDED_MS = 10_000

interface RefusalLogOptions {
  log: Logger
  deadLetters: Keeper
  /** `Dead_Letter_After` in milliseconds. */
  deadLetterAfterMs: number
  /** `Retry_Limit`; Infinity for no_limits. */
  retryLimit: number
}

const WAITS = 'the records wait, and nothing is dropped'
/** What hints say in place of that. */
const SAID = /(?:none|nothing) is lost|nothing is dropped/
const LAST_STOP = /[;.]+$/

/**
 * Logs that chunks of single tags are refused and tried again. A tag has a line when it begins to fail; repetitions are
 * one kind of line for all tags, which the log folds: a thousand refused tags must not fill the log. Each line says for
 * how many tags it stands, gives one example, and what becomes of the records.
 */
export class RefusalLog {
  readonly #options: RefusalLogOptions
  /** Number of times that a tag began to fail while no other did. */
  #episodes = 0

  constructor(options: RefusalLogOptions) {
    this.#options = options
  }

  /** `tags`: number of tags that fail now; `isFirst`: this one has just begun to. */
  refused(chunk: Chunk, error: ShipperError, tags: number, isFirst: boolean): void {
    const { code, hint, message } = error
    const { log } = this.#options
    const fields = { code, tag: chunk.tag, chunk: chunk.id, hint }
    // It is logged as an error once, until records can be kept again.
    if (code === 'E_DEAD_LETTERS') {
      log.debug(`retrying chunk: ${message}`, fields)
      return
    }
    const what = tags === 1 ? 'retrying chunk' : `retrying chunks of ${countText(tags)} tags; the latest`
    if (isFirst && tags === 1) this.#episodes++
    // The only tag has no second line for what the first one says, and a line again when it has been delivered in between.
    const kind = isFirst && tags > 1 ? undefined : `retrying ${code} ${this.#episodes}`
    const fate = this.#fateAfter(error)
    const isSaid = fate === WAITS && SAID.test(hint)
    log.warn(`${what}: ${message.replace(LAST_STOP, '')}${isSaid ? '' : `; ${fate}`}`, fields, kind)
  }

  /** Says that no chunk is refused any more: the last word, without which repetitions are printed after it is over. */
  ended(ms: number, outcome: Outcome): void {
    if (ms < MIN_ENDED_MS) return
    const end = outcome === 'delivered' ? 'accepted' : 'given up'
    this.#options.log.info(`no chunk is retried any more after ${durationText(ms)}: the last one was ${end}`)
  }

  #fateAfter({ scope }: ShipperError): string {
    const { deadLetters, deadLetterAfterMs, retryLimit } = this.#options
    const isChosen = scope === 'destination' || scope === 'records'
    const ends: string[] = []
    if (isChosen && (deadLetters.isOff || deadLetters.hasFile))
      ends.push(`refused for ${durationText(deadLetterAfterMs)}`)
    if (retryLimit !== Number.POSITIVE_INFINITY) ends.push('beyond Retry_Limit')
    if (ends.length === 0) return WAITS
    return `the records wait; what is ${ends.join(' or ')} is ${deadLetters.fate}`
  }
}

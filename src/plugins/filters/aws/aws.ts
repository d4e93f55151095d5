import type { Chunk } from '../../../core/chunk.ts'
import { messageOf, ShipperError } from '../../../core/error.ts'
import { encodeStr } from '../../../core/msgpack/encode.ts'
import type { Filter, FilterContext } from '../../../core/plugin.ts'
import { settledWithin } from '../../../lib/async/settled-within.ts'
import { DISABLED_VARIABLE, Imds } from '../../../lib/aws/imds.ts'
import { httpSend } from '../../../lib/aws/send.ts'
import { FixedPairs } from '../../../lib/records/added-pairs.ts'
import { EntryOutput } from '../../../lib/records/entry-output.ts'
import { InstanceMetadata } from './metadata.ts'
import type { AwsOptions } from './options.ts'

/** Maximum time by which the first answers delay the start. On an instance they come within a few milliseconds. */
const START_WAIT_MS = 1000
/** Maximum time that lines of files wait for the first answers, from the start on. */
const FIRST_WAIT_MS = 5000
/** Maximum time of one attempt with all its requests. */
const ATTEMPT_MS = 10_000
const MIN_RETRY_MS = 1000

/** Adds what the instance says of itself. Asks in the background; `apply` uses what is known. */
export class Aws implements Filter {
  readonly #ctx: FilterContext
  readonly #retryMs: number
  readonly #metadata: InstanceMetadata
  readonly #imds: Imds | undefined
  readonly #out: EntryOutput
  readonly #closing = new AbortController()
  #pairs: FixedPairs
  #isComplete: boolean
  /** The attempt that is running. */
  #attempt: Promise<void> | undefined
  #lastAttemptMs = Number.NEGATIVE_INFINITY
  #isFailureLogged = false
  /** End of the time that lines of files wait. */
  #waitEndMs = Number.NEGATIVE_INFINITY

  /** `endpoint`: the service; undefined: it is not asked. `trial`: nothing is asked for, and records get the fields that are given, if any. */
  constructor(
    options: AwsOptions,
    ctx: FilterContext,
    endpoint: string | undefined,
    trial?: { given: Record<string, unknown> | undefined },
  ) {
    if (options.tagsInclude !== undefined && options.tagsExclude !== undefined) {
      throw new ShipperError('E_CONFIG_BAD_VALUE', 'Tags_Include and Tags_Exclude are both set', {
        option: 'tags_exclude',
        hint: 'leave one of them out',
      })
    }
    this.#ctx = ctx
    this.#retryMs = Math.max(MIN_RETRY_MS, options.retryIntervalS * 1000)
    this.#metadata = new InstanceMetadata(options)
    this.#out = new EntryOutput(ctx.buffers)
    this.#imds =
      trial === undefined && endpoint !== undefined
        ? new Imds({
            version: options.imdsVersion,
            endpoint,
            send: httpSend(),
            onRequest: () => ctx.counters.add('imds_requests'),
            orElse: 'or set Imds_Version v1',
          })
        : undefined
    const given = Object.entries(trial?.given ?? {}).filter(
      (pair): pair is [string, string] => typeof pair[1] === 'string',
    )
    this.#pairs = pairsOf(given)
    this.#isComplete = trial !== undefined || this.#metadata.isComplete
  }

  async start(): Promise<void> {
    if (this.#isComplete) return
    if (this.#imds === undefined) {
      this.#ctx.log.warn(
        `no metadata of the instance: ${DISABLED_VARIABLE} is true: records go on without ${this.#metadata.missing.join(', ')}`,
        { hint: `unset ${DISABLED_VARIABLE}, or remove the filter` },
      )
      return
    }
    this.#waitEndMs = this.#ctx.clock.nowMs() + FIRST_WAIT_MS
    await settledWithin(this.#ask(), START_WAIT_MS, this.#ctx.clock)
  }

  apply(chunk: Chunk): void {
    if (!this.#isComplete) {
      this.#ctx.counters.add('records_incomplete', chunk.count)
      if (this.#ctx.clock.nowMs() - this.#lastAttemptMs >= this.#retryMs) void this.#ask()
    }
    this.#pairs.addToAll(chunk, this.#out)
  }

  ready(): Promise<void> | undefined {
    const leftMs = this.#waitEndMs - this.#ctx.clock.nowMs()
    if (this.#attempt === undefined || this.#isComplete || leftMs <= 0) return undefined
    return settledWithin(this.#attempt, leftMs, this.#ctx.clock)
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await this.#attempt
  }

  /** Asks for what is missing; resolves also when it fails. */
  #ask(): Promise<void> {
    this.#attempt ??= this.#fetch().finally(() => {
      this.#attempt = undefined
      // Files wait for the first attempt only.
      this.#waitEndMs = Number.NEGATIVE_INFINITY
    })
    return this.#attempt
  }

  async #fetch(): Promise<void> {
    const { clock, counters, log } = this.#ctx
    if (this.#imds === undefined || this.#closing.signal.aborted) return
    this.#lastAttemptMs = clock.nowMs()
    const attempt = new AbortController()
    const end = (): void => attempt.abort(new Error('it took too long'))
    this.#closing.signal.addEventListener('abort', end, { once: true })
    const timer = clock.after(ATTEMPT_MS, end)
    try {
      await this.#metadata.fetch(this.#imds, attempt.signal, () => {
        this.#pairs = pairsOf(this.#metadata.pairs)
      })
      this.#isComplete = true
      if (this.#isFailureLogged) log.info('the metadata of the instance is known now')
    } catch (error) {
      if (this.#closing.signal.aborted) return
      counters.add('imds_failures')
      this.#logFailure(error)
    } finally {
      clock.cancel(timer)
      this.#closing.signal.removeEventListener('abort', end)
    }
  }

  /** Logs the first failure only: off EC2 every attempt fails. */
  #logFailure(error: unknown): void {
    if (this.#isFailureLogged) return
    this.#isFailureLogged = true
    this.#ctx.log.warn(
      `no metadata of the instance: records go on without ${this.#metadata.missing.join(', ')}: ${messageOf(error)}`,
      {
        retry_s: this.#retryMs / 1000,
        ...(error instanceof ShipperError && { hint: error.hint }),
      },
    )
  }
}

function pairsOf(pairs: Iterable<[string, string]>): FixedPairs {
  return new FixedPairs(new Map([...pairs].map(([key, value]) => [key, encodeStr(value)])))
}

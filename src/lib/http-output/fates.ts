import { ShipperError } from '../../core/error.ts'
import type { OutputContext } from '../../core/plugin.ts'
import type { Counters } from '../../core/services.ts'
import type { Failed, Judgement } from './api.ts'
import type { Batch, Part } from './batch.ts'
import type { HTTP_OUTPUT_COUNTERS } from './counters.ts'
import { type Delivery, recordsOf } from './delivery.ts'
import type { KeyStates } from './key-states.ts'

/** Objects that a refused record leaves, in bytes: its error, and its row for the dead letters. */
const REFUSAL_GARBAGE_BYTES = 6144

/** Gives records the fates that an answer says. */
export class Fates {
  readonly #ctx: OutputContext
  readonly #counters: Counters<typeof HTTP_OUTPUT_COUNTERS>
  readonly #keys: KeyStates
  readonly #messageOf: (reason: string) => string
  /** Why a record could not be kept in the dead letters, since the last call of `takeUnkept`. */
  #unkept: Failed | undefined

  /** `messageOf` returns why a record is refused, from what the server says. */
  constructor(ctx: OutputContext, keys: KeyStates, messageOf: (reason: string) => string) {
    this.#ctx = ctx
    this.#counters = ctx.counters
    this.#keys = keys
    this.#messageOf = messageOf
  }

  /** Gives the records of a batch their fates; returns why some are left, which are put back. */
  settle(batch: Batch, judgement: Judgement): Failed | undefined {
    if (judgement.kind === 'failed') {
      putBack(batch.parts)
      return judgement
    }
    const state = this.#keys.of(batch.key)
    if (judgement.kind !== 'records') {
      state.recordAccepted(this.#ctx.clock.nowMs(), batch.nodes)
      return undefined
    }
    const { verdicts } = judgement
    if (verdicts.deliveredCount > 0) state.recordAccepted(this.#ctx.clock.nowMs(), batch.nodes)
    if (verdicts.deliveredCount === batch.records) return undefined
    this.#unkept = undefined
    let offset = 0
    const left: Part[] = []
    for (const { delivery, runs } of batch.parts) {
      const rest = delivery.apply(runs, verdicts, offset, (start, end, reason) =>
        this.refuse(delivery, start, end, this.refusal(reason)),
      )
      if (rest.length > 0) left.push({ delivery, runs: rest })
      offset += recordsOf(runs)
    }
    putBack(left)
    const failure = this.takeUnkept()
    if (failure !== undefined || left.length === 0 || verdicts.failure === undefined) return failure
    return verdicts.deliveredCount > 0 ? withProgress(verdicts.failure) : verdicts.failure
  }

  refusal(reason: string): ShipperError {
    return new ShipperError('E_OUTPUT_REJECTED', this.#messageOf(reason))
  }

  /** Rejects a record; false when it cannot be kept now, and `takeUnkept` says why. */
  refuse(delivery: Delivery, start: number, end: number, reason: ShipperError): boolean {
    this.#ctx.leftGarbage?.(REFUSAL_GARBAGE_BYTES)
    try {
      this.#ctx.reject(delivery.chunk, start, end, reason)
      this.#counters.add('refused_records')
      return true
    } catch (error) {
      if (!(error instanceof ShipperError) || !error.retryable) throw error
      this.#unkept ??= { kind: 'failed', error }
      return false
    }
  }

  takeUnkept(): Failed | undefined {
    const unkept = this.#unkept
    this.#unkept = undefined
    return unkept
  }
}

/** Puts records back that have no fate yet. */
export function putBack(parts: readonly Part[]): void {
  for (const [delivery, group] of Map.groupBy(parts, ({ delivery }) => delivery))
    delivery.putBack(group.flatMap(({ runs }) => runs))
}

/** Returns the failure of a request of which a part was taken: a server that takes some at a time is sent the rest soon. */
function withProgress(failure: Failed): Failed {
  const { code, message, hint, retryable, scope, cause } = failure.error
  const error = new ShipperError(code, message, { hint, retryable, scope, cause, hasProgress: true })
  return { ...failure, error }
}

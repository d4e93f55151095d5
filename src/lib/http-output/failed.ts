import type { ShipperError } from '../../core/error.ts'

/** That records were not taken, or that it is not known whether they were: they are sent again. */
export interface Failed {
  readonly kind: 'failed'
  readonly error: ShipperError
  readonly afterMs?: number | undefined
  readonly isOverload?: boolean
  /** True when it may be because of the size of the request: if it is refused again, the next ones are smaller. */
  readonly isTooLarge?: boolean
}

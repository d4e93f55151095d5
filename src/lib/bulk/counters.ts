import { HTTP_OUTPUT_COUNTERS } from '../http-output/counters.ts'
import { pathCounters } from '../wasm/fast-path.ts'

/** Counters of es and opensearch. */
export const BULK_COUNTERS = {
  ...HTTP_OUTPUT_COUNTERS,
  ...pathCounters('encoded', 'small', 'options', 'form', 'mixed'),
}

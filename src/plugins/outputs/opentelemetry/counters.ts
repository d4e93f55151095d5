import { HTTP_OUTPUT_COUNTERS } from '../../../lib/http-output/counters.ts'
import { pathCounters } from '../../../lib/wasm/fast-path.ts'

export const OTEL_COUNTERS = {
  ...HTTP_OUTPUT_COUNTERS,
  ...pathCounters('encoded', 'small', 'options', 'form', 'mixed'),
  rejected_records:
    'records of a request that a collector rejected without saying which (partial_success): they are lost',
}

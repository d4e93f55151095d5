import { HTTP_OUTPUT_COUNTERS } from '../../../lib/http-output/counters.ts'
import { pathCounters } from '../../../lib/wasm/fast-path.ts'

export const SPLUNK_COUNTERS = {
  ...HTTP_OUTPUT_COUNTERS,
  ack_polls: 'requests that queried acknowledgements',
  lost_acks: 'requests that were accepted but not acknowledged, and are sent again',
  ...pathCounters('encoded', 'small', 'options', 'form', 'mixed'),
} as const

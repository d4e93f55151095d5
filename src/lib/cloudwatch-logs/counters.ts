import { HTTP_OUTPUT_COUNTERS } from '../http-output/counters.ts'
import { pathCounters } from '../wasm/fast-path.ts'

export const CLOUDWATCH_LOGS_COUNTERS = {
  ...HTTP_OUTPUT_COUNTERS,
  ...pathCounters('encoded', 'small', 'options', 'form', 'mixed'),
  refused_entities: 'events that were taken without their entity, which the service refuses',
}

export { NEWRELIC_SPEC as spec } from '../../lib/nrlogs/spec.ts'

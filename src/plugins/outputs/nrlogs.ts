export { NRLOGS_SPEC as spec } from '../../lib/nrlogs/spec.ts'

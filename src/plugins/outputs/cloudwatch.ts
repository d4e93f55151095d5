export { CLOUDWATCH_SPEC as spec } from '../../lib/cloudwatch-logs/spec.ts'

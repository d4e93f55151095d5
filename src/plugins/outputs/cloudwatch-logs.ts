export { CLOUDWATCH_LOGS_SPEC as spec } from '../../lib/cloudwatch-logs/spec.ts'

export { KINESIS_FIREHOSE_SPEC as spec } from '../../lib/kinesis/firehose-spec.ts'

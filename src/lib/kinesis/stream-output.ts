import type { OutputContext } from '../../core/plugin.ts'
import type { HttpOutput } from '../http-output/http-output.ts'
import type { RecordKeys } from './partition-keys.ts'
import { createPutRecords, type PutRecordsPluginOptions } from './put-records-output.ts'

/** Limits of PutRecords: records, and 5 MiB of data, which every region takes; base64 makes it a third longer. */
const MAX_RECORDS = 500
const MAX_BODY_BYTES = 6_900_000
/** Largest record, alone in a request; a stream takes 1 MiB unless it was set up for more. */
const MAX_RECORD_BYTES = 5_100_000
/** Size of joined records, which every stream takes. */
const JOIN_BYTES = 1_048_576 - 256

/** Creates an output to a stream. `how`: what its plugins have of their own. */
export function createStreamOutput(
  options: PutRecordsPluginOptions & { readonly stream: string },
  how: { readonly keys: RecordKeys; readonly isLine?: boolean },
  ctx: OutputContext,
): HttpOutput {
  const { stream } = options
  return createPutRecords(
    {
      service: 'kinesis',
      target: 'Kinesis_20131202.PutRecords',
      open: `{"StreamName":${JSON.stringify(stream)},"Records":[`,
      list: 'Records',
      limits: {
        bytes: MAX_BODY_BYTES,
        records: MAX_RECORDS,
        words: 'the request has at most 5 MiB',
      },
      maxRecordBytes: options.simpleAggregation ? JOIN_BYTES : MAX_RECORD_BYTES,
      joinBytes: JOIN_BYTES,
      ...how,
      overloadHint:
        'a shard takes 1 MB and 1,000 records per second: add shards, or spread the files over more agents; the records are sent again',
      missingHint: `create the stream ${stream} in ${options.region}, or correct stream and region; records wait, and none is lost`,
    },
    options,
    ctx,
  )
}

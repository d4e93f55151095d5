import type { StoreAnswer } from './answer.ts'
import {
  decodeOtlp,
  encodeOtlpAnswer,
  type OtlpRecord,
  type OtlpRequest,
  plainPairs,
  plainValue,
} from './protobuf.ts'
import type { StoreApi, StoreContext, StoreRequest } from './store-double.ts'

/** A log record with the attributes of its resource. */
export interface OtlpLog {
  resource: Record<string, unknown>
  body: unknown
  attributes: Record<string, unknown>
  record: OtlpRecord
}

/**
 * The logs of OTLP over HTTP, in protobuf and in JSON. Records that are refused are only counted in `partial_success`, as the
 * specification says: a client does not learn which.
 */
export class OtlpApi implements StoreApi {
  readonly logs: OtlpLog[] = []
  /** Answers with a message although nothing is refused, which is a warning. */
  warns = false

  handle(request: StoreRequest, store: StoreContext): StoreAnswer {
    if (request.method !== 'POST' || request.path !== '/v1/logs') return { status: 404 }
    const isJson = request.header('content-type') === 'application/json'
    const { resourceLogs } = isJson
      ? (JSON.parse(request.content.toString()) as OtlpRequest)
      : decodeOtlp(request.content)
    let rejected = 0
    for (const { resource, scopeLogs } of resourceLogs) {
      const attributes = plainPairs(resource?.attributes ?? [])
      for (const record of scopeLogs.flatMap(({ logRecords }) => logRecords)) {
        const log = {
          resource: attributes,
          body: plainValue(record.body),
          attributes: plainPairs(record.attributes ?? []),
          record,
        }
        if (store.fate(numbered(log)) === 'refuse') rejected++
        else {
          if (!store.isLean) this.logs.push(log)
          store.ledger.keep(numbered(log), JSON.stringify(attributes))
        }
      }
    }
    const message = rejected > 0 ? 'refused' : this.warns ? 'use another version' : ''
    if (!isJson)
      return { status: 200, type: 'application/x-protobuf', body: encodeOtlpAnswer(rejected, message) }
    const partialSuccess = { rejectedLogRecords: String(rejected), errorMessage: message }
    return { status: 200, body: JSON.stringify(message === '' ? {} : { partialSuccess }) }
  }
}

/** Returns the part of a log that has its number. */
function numbered({ body, attributes }: OtlpLog): unknown {
  return attributes.n === undefined ? body : attributes
}

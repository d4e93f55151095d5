import type { StoreAnswer } from './answer.ts'
import type { StoreRequest } from './store-double.ts'

/** Returns the operation of a request of a JSON service, e.g. `PutRecords` of `Kinesis_20131202.PutRecords`. */
export function operationOf(request: StoreRequest, prefix: string): string | undefined {
  const [version, operation] = (request.header('x-amz-target') ?? '').split('.')
  if (request.method !== 'POST' || request.header('content-type') !== 'application/x-amz-json-1.1')
    return undefined
  return version === prefix ? operation : undefined
}

export function jsonOf<T>(request: StoreRequest): T {
  return JSON.parse(request.content.toString()) as T
}

export function good(body: object): StoreAnswer {
  return { status: 200, type: AMZ_JSON, headers: REQUEST_ID, body: JSON.stringify(body) }
}

export function fault(status: number, type: string, message = type): StoreAnswer {
  return { status, type: AMZ_JSON, headers: REQUEST_ID, body: JSON.stringify({ __type: type, message }) }
}

const AMZ_JSON = 'application/x-amz-json-1.1'
const REQUEST_ID = { 'x-amzn-RequestId': '11111111-2222-3333-4444-555555555555' }

import protobuf from 'protobufjs'
import snappy from 'snappyjs'

const LOKI = `
syntax = "proto3";
message PushRequest { repeated Stream streams = 1; }
message Stream { string labels = 1; repeated Entry entries = 2; uint64 hash = 3; }
message Entry { Timestamp timestamp = 1; string line = 2; repeated Label structuredMetadata = 3; }
message Timestamp { int64 seconds = 1; int32 nanos = 2; }
message Label { string name = 1; string value = 2; }`

const OTLP = `
syntax = "proto3";
message Request { repeated ResourceLogs resourceLogs = 1; }
message ResourceLogs { Resource resource = 1; repeated ScopeLogs scopeLogs = 2; string schemaUrl = 3; }
message Resource { repeated KeyValue attributes = 1; uint32 droppedAttributesCount = 2; }
message ScopeLogs { Scope scope = 1; repeated LogRecord logRecords = 2; string schemaUrl = 3; }
message Scope { string name = 1; string version = 2; repeated KeyValue attributes = 3; uint32 droppedAttributesCount = 4; }
message LogRecord {
  fixed64 timeUnixNano = 1; fixed64 observedTimeUnixNano = 11; int32 severityNumber = 2; string severityText = 3;
  AnyValue body = 5; repeated KeyValue attributes = 6; uint32 droppedAttributesCount = 7; fixed32 flags = 8;
  bytes traceId = 9; bytes spanId = 10; string eventName = 12;
}
message KeyValue { string key = 1; AnyValue value = 2; }
message AnyValue { oneof value {
  string stringValue = 1; bool boolValue = 2; int64 intValue = 3; double doubleValue = 4;
  ArrayValue arrayValue = 5; KeyValueList kvlistValue = 6; bytes bytesValue = 7; } }
message ArrayValue { repeated AnyValue values = 1; }
message KeyValueList { repeated KeyValue values = 1; }
message Response { PartialSuccess partialSuccess = 1; }
message PartialSuccess { int64 rejectedLogRecords = 1; string errorMessage = 2; }`

const push = protobuf.parse(LOKI).root.lookupType('PushRequest')
const otlp = protobuf.parse(OTLP).root
const request = otlp.lookupType('Request')
const response = otlp.lookupType('Response')
/** As the JSON form of OTLP has them: 64 bits as text, ids in base64 where JSON has hex. */
const AS_JSON = { longs: String, bytes: String, arrays: true } as const

export interface LokiStream {
  labels: string
  entries: {
    timestamp: { seconds?: string; nanos?: number }
    line: string
    structuredMetadata: { name: string; value: string }[]
  }[]
}

export interface OtlpRequest {
  resourceLogs: {
    resource?: { attributes: OtlpKeyValue[] }
    scopeLogs: { scope?: object; logRecords: OtlpRecord[] }[]
  }[]
}

export interface OtlpRecord {
  timeUnixNano?: string
  observedTimeUnixNano?: string
  severityNumber?: number
  severityText?: string
  body?: OtlpValue
  attributes: OtlpKeyValue[]
}

export interface OtlpKeyValue {
  key: string
  value?: OtlpValue
}

export interface OtlpValue {
  stringValue?: string
  boolValue?: boolean
  intValue?: string
  doubleValue?: number
  bytesValue?: string
  arrayValue?: { values: OtlpValue[] }
  kvlistValue?: { values: OtlpKeyValue[] }
}

/** Decodes a push request of Loki: protobuf in a block of snappy. */
export function decodePush(body: Buffer): LokiStream[] {
  const plain = Buffer.from(snappy.uncompress(new Uint8Array(body)))
  const decoded = push.toObject(push.decode(plain), AS_JSON) as unknown as { streams: LokiStream[] }
  return decoded.streams
}

/** Decodes an export request of OTLP for logs. */
export function decodeOtlp(body: Buffer): OtlpRequest {
  return request.toObject(request.decode(body), AS_JSON) as unknown as OtlpRequest
}

/** Encodes the answer to an export request. */
export function encodeOtlpAnswer(rejectedLogRecords: number, errorMessage: string): Buffer {
  const isWhole = rejectedLogRecords === 0 && errorMessage === ''
  const value = isWhole ? {} : { partialSuccess: { rejectedLogRecords, errorMessage } }
  return Buffer.from(response.encode(response.fromObject(value)).finish())
}

/** Encodes requests, for tests of the doubles. */
export function encodePush(streams: object[]): Buffer {
  return Buffer.from(push.encode(push.fromObject({ streams })).finish())
}

export function encodeOtlp(value: object): Buffer {
  return Buffer.from(request.encode(request.fromObject(value)).finish())
}

/** Returns a value of OTLP as one of JavaScript. */
export function plainValue(value: OtlpValue | undefined): unknown {
  if (value === undefined) return null
  if (value.arrayValue !== undefined) return value.arrayValue.values.map(plainValue)
  if (value.kvlistValue !== undefined) return plainPairs(value.kvlistValue.values)
  if (value.intValue !== undefined) return Number(value.intValue)
  return value.stringValue ?? value.boolValue ?? value.doubleValue ?? value.bytesValue ?? null
}

export function plainPairs(pairs: OtlpKeyValue[]): Record<string, unknown> {
  return Object.fromEntries(pairs.map(({ key, value }) => [key, plainValue(value)]))
}

import { skip } from '../../core/msgpack/encode.ts'
import { findKey, mapPairs, textHead, textLength } from '../../core/msgpack/record.ts'
import { replacedUtf8 } from '../../core/replaced-utf8.ts'
import { fieldSize, MessageBuffer, varintSize } from '../protobuf/message-buffer.ts'
import { ValueEncoder } from './value-encoder.ts'

/** A message and the schema_url beside it. */
export interface EncodedPart {
  /** Resource or InstrumentationScope, encoded. */
  message: Buffer
  schemaUrl: Buffer
}

const EMPTY = Buffer.alloc(0)
export const EMPTY_PART: EncodedPart = { message: EMPTY, schemaUrl: EMPTY }
/** Number and size of the buffers that are kept. */
const MAX_FREE = 32
const MAX_FREE_BYTES = 2_000_000
/** Bytes of the heads of a part in a request. */
const PART_HEADS = 40

interface ResourceLogs {
  part: EncodedPart
  scopes: { part: EncodedPart; records: MessageBuffer }[]
}

/**
 * An ExportLogsServiceRequest that is being made. Records are appended to the buffer of their resource and scope; what precedes
 * them is encoded once.
 *
 * ```
 *   request       1 *ResourceLogs
 *   ResourceLogs  1 Resource  2 *ScopeLogs  3 schema_url
 *   ScopeLogs     1 InstrumentationScope    2 *LogRecord  3 schema_url
 * ```
 */
export class LogsRequest {
  #resources: ResourceLogs[] = []
  #heads = 0
  /** Buffers of earlier requests, to be used again. */
  readonly #free: MessageBuffer[] = []
  #last: MessageBuffer | undefined
  #lastResource: EncodedPart | undefined
  #lastScope: EncodedPart | undefined

  /** Returns the buffer for the records of a resource and scope, under the field 2; a new one has space for `bytes`. */
  recordsOf(resource: EncodedPart, scope: EncodedPart = EMPTY_PART, bytes?: number): MessageBuffer {
    // Most records have the parts of the one before them.
    if (this.#last !== undefined && resource === this.#lastResource && scope === this.#lastScope)
      return this.#last
    let logs = this.#resources.findLast(({ part }) => isSame(part, resource))
    if (logs === undefined) {
      logs = { part: resource, scopes: [] }
      this.#resources.push(logs)
      this.#heads += sizeOf(resource)
    }
    let found = logs.scopes.find(({ part }) => isSame(part, scope))
    if (found === undefined) {
      found = { part: scope, records: this.#free.pop() ?? new MessageBuffer(bytes) }
      logs.scopes.push(found)
      this.#heads += sizeOf(scope)
    }
    this.#lastResource = resource
    this.#lastScope = scope
    this.#last = found.records
    return found.records
  }

  /** Forgets everything; what `pieces` returned is no longer valid. */
  clear(): void {
    for (const { records } of this.#resources.flatMap(({ scopes }) => scopes)) {
      if (this.#free.length === MAX_FREE || records.buf.length > MAX_FREE_BYTES) break
      records.at = 0
      this.#free.push(records)
    }
    this.#resources = []
    this.#heads = 0
    this.#last = undefined
  }

  /** An upper bound of the bytes of the request. */
  get size(): number {
    let size = this.#heads
    for (const { scopes } of this.#resources) for (const { records } of scopes) size += records.at
    return size
  }

  /** Returns the request in pieces. */
  pieces(): Buffer[] {
    const pieces: Buffer[] = []
    for (const { part, scopes } of this.#resources) {
      const sizes = scopes.map(({ part: scope, records }) => bodySize(scope, records.at))
      const inner = sizes.reduce((sum, size) => sum + fieldSize(size), 0)
      pieces.push(head(1, bodySize(part, inner), part))
      scopes.forEach(({ part: scope, records }, i) => {
        pieces.push(head(2, sizes[i] as number, scope), records.bytes(), tail(scope))
      })
      pieces.push(tail(part))
    }
    return pieces.filter(({ length }) => length > 0)
  }
}

function isSame(a: EncodedPart, b: EncodedPart): boolean {
  return a === b || (a.message.equals(b.message) && a.schemaUrl.equals(b.schemaUrl))
}

function sizeOf({ message, schemaUrl }: EncodedPart): number {
  return message.length + schemaUrl.length + PART_HEADS
}

function bodySize({ message, schemaUrl }: EncodedPart, inner: number): number {
  return fieldSize(message.length) + inner + (schemaUrl.length > 0 ? fieldSize(schemaUrl.length) : 0)
}

function head(field: number, size: number, { message }: EncodedPart): Buffer {
  const out = new MessageBuffer(1 + varintSize(size) + fieldSize(message.length) + 16)
  out.head(field, size)
  out.field(1, message)
  return out.bytes()
}

function tail({ schemaUrl }: EncodedPart): Buffer {
  if (schemaUrl.length === 0) return EMPTY
  const out = new MessageBuffer(fieldSize(schemaUrl.length) + 16)
  out.field(3, schemaUrl)
  return out.bytes()
}

const values = new ValueEncoder()
const key = (name: string): Buffer => Buffer.from(name)
const ATTRIBUTES = key('attributes')
const DROPPED = key('dropped_attributes_count')
const SCHEMA_URL = key('schema_url')
const NAME = key('name')
const VERSION = key('version')

/** Encodes a Resource whose attributes are the map at `attributes`. */
export function encodeAttributes(src: Buffer, attributes: number): EncodedPart {
  const out = new MessageBuffer()
  writeAttributes(out, 1, src, attributes)
  return { message: out.bytes(), schemaUrl: EMPTY }
}

/** Encodes the resource at `map`, `{"attributes": {}, "dropped_attributes_count": 0, "schema_url": ""}`, all of them optional. */
export function encodeResource(src: Buffer, map: number): EncodedPart {
  const out = new MessageBuffer()
  const end = skip(src, map, src.length)
  writeAttributes(out, 1, src, findKey(src, map, end, ATTRIBUTES))
  writeDropped(out, 2, src, findKey(src, map, end, DROPPED))
  return { message: out.bytes(), schemaUrl: textAt(src, findKey(src, map, end, SCHEMA_URL)) }
}

/** Encodes the scope at `map`, which has `name` and `version` besides. */
export function encodeScope(src: Buffer, map: number): EncodedPart {
  const out = new MessageBuffer()
  const end = skip(src, map, src.length)
  const name = textAt(src, findKey(src, map, end, NAME))
  const version = textAt(src, findKey(src, map, end, VERSION))
  if (name.length > 0) out.field(1, name)
  if (version.length > 0) out.field(2, version)
  writeAttributes(out, 3, src, findKey(src, map, end, ATTRIBUTES))
  writeDropped(out, 4, src, findKey(src, map, end, DROPPED))
  return { message: out.bytes(), schemaUrl: textAt(src, findKey(src, map, end, SCHEMA_URL)) }
}

function writeAttributes(out: MessageBuffer, field: number, src: Buffer, map: number): void {
  if (map < 0 || mapPairs(src, map) < 0) return
  values.begin(src)
  out.reserve(values.measurePairs(map) + 16)
  values.writePairs(out, field, map)
}

function writeDropped(out: MessageBuffer, field: number, src: Buffer, at: number): void {
  if (at < 0) return
  values.begin(src)
  // An AnyValue of an integer is its tag and the integer.
  const size = values.measure(at)
  const scratch = new MessageBuffer(size + 32)
  values.write(scratch, at)
  if (scratch.buf[0] !== 0x18 || size > 6) return
  out.reserve(size)
  out.buf[out.at++] = field << 3
  out.copy(scratch.buf, 1, size)
}

/** Returns the text at `at`, as UTF-8; empty for another value or none. */
function textAt(src: Buffer, at: number): Buffer {
  const head = at < 0 ? -1 : textHead(src, at)
  if (head < 0) return EMPTY
  const start = at + head
  const end = start + textLength(src, at)
  return replacedUtf8(src, start, end) ?? Buffer.from(src.subarray(start, end))
}

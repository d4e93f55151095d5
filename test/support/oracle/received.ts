import { gunzipSync, unzipSync } from 'node:zlib'
import { type Bytes, type OracleCase, type Received, textOf } from './case.ts'
import type { RawItem } from './server.ts'
import { takeApartMsgpack, takeApartProto } from './take-apart.ts'

/** Headers of a request that count for every case. */
const HEADERS = ['content-type', 'content-encoding', 'authorization', 'accept', 'transfer-encoding']

/** Returns what a server received in the form in which the cases have it. */
export function receivedInNormalForm(
  oracle: OracleCase,
  item: RawItem,
  normal: (value: Bytes) => Bytes,
): Received {
  const apart = (value: unknown): unknown => JSON.parse(String(normal(JSON.stringify(value))))
  if ('data' in item) {
    if (oracle.msgpack) return { msgpack: apart(takeApartMsgpack(item.data)) }
    const inflated = isCompressed(item.data) ? inflate(item.data) : undefined
    if (inflated !== undefined) return { inflated: normal(textOf(inflated)) }
    return { data: normal(textOf(item.data)) }
  }
  const { method, target, headers } = item.request
  const wanted = [...HEADERS, ...(oracle.headers ?? []).map((name) => name.toLowerCase())]
  const first = new Map<string, string>()
  for (const [name, value] of headers) {
    const key = name.toLowerCase()
    if (wanted.includes(key) && !first.has(key)) first.set(key, value)
  }
  const body = first.get('content-encoding') === 'gzip' ? gunzipSync(item.request.body) : item.request.body
  const head = {
    line: String(normal(`${method} ${target}`)),
    headers: Object.fromEntries([...first].map(([name, value]) => [name, normal(value)])),
  }
  if (oracle.msgpack) return { ...head, msgpack: apart(takeApartMsgpack(body)) }
  if (oracle.proto) return { ...head, proto: apart(takeApartProto(body)) }
  return { ...head, body: normal(textOf(body)) }
}

/** Returns true for the first bytes of gzip and zlib. */
function isCompressed(data: Buffer): boolean {
  const start = data.length < 2 ? 0 : data.readUInt16BE(0)
  return [0x1f8b, 0x789c, 0x7801, 0x78da].includes(start)
}

function inflate(data: Buffer): Buffer | undefined {
  try {
    return unzipSync(data)
  } catch {
    return undefined
  }
}

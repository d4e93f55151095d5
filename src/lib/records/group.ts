import { encodeStr, skip } from '../../core/msgpack/encode.ts'
import { mapBody, mapPairs } from '../../core/msgpack/record.ts'
import { isKey } from './keys.ts'

/**
 * What records of one source have in common, such as the resource and the scope of OpenTelemetry. fluent-bit writes it once, in an event
 * before those records and one after them; here filters may drop, move and split records, and each has it in its metadata:
 *
 * ```
 *   {..., "group": {"metadata": {"schema": "otlp", ...}, "attributes": {"resource": {...}, "scope": {...}}}}
 * ```
 */
export const GROUP_KEY = encodeStr('group')
export const GROUP_METADATA_KEY = encodeStr('metadata')
export const GROUP_ATTRIBUTES_KEY = encodeStr('attributes')

const GROUP_NAME = Buffer.from('group')
const PAIRS = 2

/** Offsets of the pair of the group in the metadata of an entry, of the two maps in it, and of its end. */
export interface Group {
  pair: number
  metadata: number
  attributes: number
  end: number
}

/** Finds the group in the metadata at `at`, of which nothing at `end` or after it is read; undefined when there is none. */
export function groupIn(buf: Buffer, at: number, end: number): Group | undefined {
  const pairs = mapPairs(buf, at)
  let pair = pairs < 0 ? -1 : mapBody(buf, at)
  for (let i = 0; i < pairs && pair > 0; i++) {
    const value = skip(buf, pair, end)
    const next = value < 0 ? -1 : skip(buf, value, end)
    if (next > 0 && isKey(buf, pair, GROUP_NAME)) return groupAt(buf, pair, value, next)
    pair = next
  }
  return undefined
}

function groupAt(buf: Buffer, pair: number, at: number, end: number): Group | undefined {
  if (mapPairs(buf, at) !== PAIRS) return undefined
  const first = mapBody(buf, at)
  const metadata = first + GROUP_METADATA_KEY.length
  const second = skip(buf, metadata, end)
  const attributes = second + GROUP_ATTRIBUTES_KEY.length
  const isGroup =
    buf.subarray(first, metadata).equals(GROUP_METADATA_KEY) &&
    second > 0 &&
    buf.subarray(second, attributes).equals(GROUP_ATTRIBUTES_KEY)
  return isGroup ? { pair, metadata, attributes, end } : undefined
}

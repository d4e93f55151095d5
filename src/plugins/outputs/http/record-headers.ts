import { skip } from '../../../core/msgpack/encode.ts'
import { mapBody, mapPairs, textHead, textLength } from '../../../core/msgpack/record.ts'
import { headerNameFault, headerValueFault } from '../../../lib/http-output/checks.ts'

/** Maximum number and size of the headers that a record may have: servers take no more. */
const MAX_HEADERS = 50
const MAX_HEADER_BYTES = 8192

/**
 * Returns the headers of the map at `map`; none when there is no map. The map comes from a record, which may be of anybody: what is no
 * name or value of a header is left out, and so are those by which a request could be cut into two.
 */
export function readHeaders(buf: Buffer, map: number, end: number): Record<string, string> {
  const headers: Record<string, string> = {}
  const pairs = map < 0 ? -1 : mapPairs(buf, map)
  let at = pairs < 0 ? -1 : mapBody(buf, map)
  for (let i = 0; i < Math.min(pairs, MAX_HEADERS) && at > 0; i++) {
    const value = skip(buf, at, end)
    const name = textAt(buf, at)?.toLowerCase()
    const text = value < 0 ? undefined : textAt(buf, value)
    if (
      name !== undefined &&
      text !== undefined &&
      headerNameFault(name) === undefined &&
      headerValueFault(text) === undefined
    )
      headers[name] = text
    at = value < 0 ? -1 : skip(buf, value, end)
  }
  return headers
}

function textAt(buf: Buffer, at: number): string | undefined {
  const head = textHead(buf, at)
  const length = head > 0 ? textLength(buf, at) : -1
  return length < 0 || length > MAX_HEADER_BYTES
    ? undefined
    : buf.toString('utf8', at + head, at + head + length)
}

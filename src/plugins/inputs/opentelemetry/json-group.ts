import type { EntryBlocks } from '../../../lib/http-input/entry-blocks.ts'
import { skipJson } from '../../../lib/json/skip-json.ts'
import { isText } from './json-fields.ts'
import { nameOf } from './json-names.ts'
import type { JsonText } from './json-text.ts'
import type { JsonValues } from './json-values.ts'
import { KEYS } from './log-entry.ts'
import type { GroupPart } from './log-group.ts'

const ATTRIBUTES = nameOf('attributes')
const DROPPED = nameOf('droppedAttributesCount')
const SCOPE_TEXTS = [
  [nameOf('name'), KEYS.name],
  [nameOf('version'), KEYS.version],
] as const
/** Bytes of the head of a text. */
const HEAD_BYTES = 5

/** A resource or a scope in the text: offsets of it and of its schema URL, -1: none. */
export interface Source {
  at: number
  url: number
}

/** Writes the resource of a group; false when there is no memory for it. Throws BadRecord. */
export function writeResource(
  part: GroupPart,
  { at, url }: Source,
  text: JsonText,
  values: JsonValues,
  out: EntryBlocks,
): boolean {
  if (!reserve(part, { at, url }, text, values, out)) return false
  const { buf } = part
  let pairs = 0
  let to = 1
  if (text.isObject(at)) {
    const attributes = values.find(0, ATTRIBUTES)
    const dropped = values.find(0, DROPPED)
    if (attributes >= 0) {
      pairs++
      to = values.pairs(attributes, buf, to + KEYS.attributes.copy(buf, to))
    }
    if (dropped >= 0) {
      pairs++
      to = values.value(dropped, buf, to + KEYS.droppedAttributesCount.copy(buf, to))
    }
  }
  return finish(part, 0, pairs, to, url, text, values, out)
}

/** Writes the pair of the scope of a group, or nothing if there is no scope; false when there is no memory for it. Throws BadRecord. */
export function writeScope(
  part: GroupPart,
  { at, url }: Source,
  text: JsonText,
  values: JsonValues,
  out: EntryBlocks,
): boolean {
  if (!text.isObject(at) && !text.isText(url)) {
    part.length = 0
    return true
  }
  if (!reserve(part, { at, url }, text, values, out)) return false
  const { buf } = part
  const map = KEYS.scope.copy(buf)
  let pairs = 0
  let to = map + 1
  if (text.isObject(at)) {
    for (const [name, key] of SCOPE_TEXTS) {
      const value = values.find(0, name)
      if (!isText(text.msgpack, value)) continue
      pairs++
      to = values.value(value, buf, to + key.copy(buf, to))
    }
    const attributes = values.find(0, ATTRIBUTES)
    if (attributes >= 0) {
      pairs++
      to = values.pairs(attributes, buf, to + KEYS.attributes.copy(buf, to))
    }
  }
  return finish(part, map, pairs, to, url, text, values, out)
}

/** Makes the object MessagePack, and space for it and its schema URL in the part. */
function reserve(
  part: GroupPart,
  { at, url }: Source,
  text: JsonText,
  values: JsonValues,
  out: EntryBlocks,
): boolean {
  let bytes = text.isText(url) ? skipJson(text.buf, url, text.end) - url + HEAD_BYTES : 0
  if (text.isObject(at)) {
    if (!text.make(at, out)) return false
    bytes += text.length
    values.begin(text.msgpack, text.length)
  }
  return part.reserve(bytes, out)
}

/** Adds the schema URL and writes the head of the map. */
function finish(
  part: GroupPart,
  map: number,
  pairs: number,
  end: number,
  url: number,
  text: JsonText,
  values: JsonValues,
  out: EntryBlocks,
): boolean {
  const { buf } = part
  const hasUrl = text.isText(url)
  let to = end
  if (hasUrl) {
    if (!text.make(url, out)) return false
    values.begin(text.msgpack, text.length)
    to = values.value(0, buf, to + KEYS.schemaUrl.copy(buf, to))
  }
  buf[map] = 0x80 | (pairs + (hasUrl ? 1 : 0))
  part.length = to
  return true
}

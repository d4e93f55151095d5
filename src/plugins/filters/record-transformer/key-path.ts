import { skip } from '../../../core/msgpack/encode.ts'
import {
  arrayBody,
  arrayItems,
  findKey,
  mapBody,
  mapPairs,
  textEquals,
} from '../../../core/msgpack/record.ts'

/** Steps to a value in a record: names of fields, as bytes, and indexes of items. */
export type KeyPath = readonly (Buffer | number)[]

const DOT_STEP = /^([^[\]\s]*)((?:\[-?\d+\])*)$/
const INDEX = /\[(-?\d+)\]/g
const BRACKET = /\[(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|(-?\d+))\]/y
const MAX_STEPS = 50

/**
 * Parses a key, or a record accessor of fluentd:
 *
 * ```
 *   path    = key / "$." step *( "." step ) / "$" 1*( "['" key "']" / "[\"" key "\"]" / "[" integer "]" )
 *   step    = key *( "[" integer "]" )
 * ```
 * Returns what is wrong with it as a text.
 */
export function parsePath(text: string): KeyPath | string {
  const path = text.startsWith('$.')
    ? dotted(text.slice(2))
    : text.startsWith('$[')
      ? bracketed(text)
      : [Buffer.from(text)]
  if (typeof path === 'string') return path
  return path.length > MAX_STEPS ? `it has ${path.length} steps, more than ${MAX_STEPS}` : path
}

function dotted(text: string): KeyPath | string {
  const path: (Buffer | number)[] = []
  for (const step of text.split('.')) {
    const [, key, indexes = ''] = DOT_STEP.exec(step) ?? []
    if (key === undefined || (key === '' && indexes === ''))
      return `"${step}" is not a key; write $['...'] for one with special characters`
    if (key !== '') path.push(Buffer.from(key))
    for (const [, index] of indexes.matchAll(INDEX)) path.push(Number(index))
  }
  return path
}

function bracketed(text: string): KeyPath | string {
  const path: (Buffer | number)[] = []
  for (let at = 1; at < text.length; at = BRACKET.lastIndex) {
    BRACKET.lastIndex = at
    const [, single, double, index] = BRACKET.exec(text) ?? []
    const key = single ?? double
    if (key === undefined && index === undefined)
      return `it is not a record accessor near character ${at + 1}`
    path.push(key === undefined ? Number(index) : Buffer.from(key))
  }
  return path
}

/** Returns the offset of the value at the end of the path, or -1. */
export function findPath(buf: Buffer, map: number, end: number, path: KeyPath, steps = path.length): number {
  let at = map
  for (let i = 0; i < steps && at >= 0; i++) {
    const step = path[i] as Buffer | number
    at =
      typeof step === 'number'
        ? findItem(buf, at, end, step)
        : mapPairs(buf, at) < 0
          ? -1
          : findKey(buf, at, end, step)
  }
  return at
}

/** Returns the offset of an item of a list, or -1; a negative index counts from its end. */
function findItem(buf: Buffer, list: number, end: number, index: number): number {
  const items = arrayItems(buf, list)
  const wanted = index < 0 ? index + items : index
  if (items < 0 || wanted < 0 || wanted >= items) return -1
  let at = arrayBody(buf, list)
  for (let i = 0; i < wanted; i++) at = skip(buf, at, end)
  return at
}

/**
 * Removes the value at the end of the path from the map at `map`, which ends at `end`, in place. Returns the
 * new end. Heads keep their size, so that nothing before them moves.
 */
export function removePath(buf: Buffer, map: number, end: number, path: KeyPath): number {
  const owner = findPath(buf, map, end, path, path.length - 1)
  const last = path.at(-1) as Buffer | number
  if (owner < 0) return end
  if (typeof last === 'number') {
    const at = findItem(buf, owner, end, last)
    if (at < 0) return end
    setCount(buf, owner, arrayItems(buf, owner) - 1, 0x90, 0xdc)
    return cut(buf, at, skip(buf, at, end), end)
  }
  return removeKey(buf, owner, end, last)
}

/** Removes all pairs with this key from the map at `map`. */
function removeKey(buf: Buffer, map: number, mapEnd: number, key: Buffer): number {
  let end = mapEnd
  let left = mapPairs(buf, map)
  let at = mapBody(buf, map)
  let kept = left
  for (; left > 0; left--) {
    const next = skip(buf, skip(buf, at, end), end)
    if (textEquals(buf, at, key)) {
      end = cut(buf, at, next, end)
      kept--
    } else at = next
  }
  if (kept >= 0) setCount(buf, map, kept, 0x80, 0xde)
  return end
}

function cut(buf: Buffer, from: number, to: number, end: number): number {
  buf.copyWithin(from, to, end)
  return end - (to - from)
}

/** Writes a smaller count into a head; `wide` is the type of one with 16 bits. */
function setCount(buf: Buffer, at: number, count: number, fixed: number, wide: number): void {
  const type = buf[at] as number
  if (type === wide) buf.writeUInt16BE(count, at + 1)
  else if (type === wide + 1) buf.writeUInt32BE(count, at + 1)
  else buf[at] = fixed | count
}

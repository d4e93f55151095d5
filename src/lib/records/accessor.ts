import { ShipperError } from '../../core/error.ts'
import { skip } from '../../core/msgpack/encode.ts'
import { arrayBody, arrayItems, mapBody, mapPairs } from '../../core/msgpack/record.ts'
import type { InvalidValue } from '../../core/options/checks.ts'
import { isKey } from './keys.ts'

/** A key of a map, or the index of an item of a list. */
type AccessorStep = Buffer | number

const HINT = "write a key, or a path such as $kubernetes['labels']['app'] or $list[0]"
/** Digits of an index: no list has more items than a head of MessagePack can count. */
const MAX_INDEX_DIGITS = 10

/**
 * A path to a value of a record, in fluent-bit's syntax:
 *
 * ```
 *   accessor = "$" name *step / key       ; a text without "$" is one key, whatever it contains
 *   name     = 1*( any but "$" "[" "]" )  ; dots belong to it
 *   step     = "[" ( index / "'" text "'" / DQUOTE text DQUOTE ) "]"
 *   index    = 1*10DIGIT
 * ```
 *
 * A quotation mark within the text of a step is written twice. What is under something that is no map, or beyond the end of
 * a list, is missing; fluent-bit takes the thing itself.
 */
export class RecordAccessor {
  readonly #steps: readonly AccessorStep[]

  constructor(steps: readonly AccessorStep[]) {
    this.#steps = steps
  }

  /** Throws E_CONFIG_BAD_VALUE with what is wrong in the text and where; `option` is the option that has it. */
  static parse(text: string, option?: string): RecordAccessor {
    if (!text.startsWith('$')) {
      if (text === '') throw badAccessor(text, 'it is empty', option)
      return new RecordAccessor([Buffer.from(text)])
    }
    const name = /^[^$[\]]*/.exec(text.slice(1))?.[0] ?? ''
    if (name === '') throw badAccessor(text, 'there is no key after "$"', option)
    const { steps, end } = readSteps(text, 1 + name.length, option)
    if (end < text.length) throw badAccessor(text, `"${text[end]}" at character ${end + 1}`, option)
    return new RecordAccessor([Buffer.from(name), ...steps])
  }

  /**
   * Parses an accessor whose dollar sign may be left out before a bracket: `kubernetes['host']`. Any other text without one is
   * a key.
   */
  static parseLoose(text: string, option?: string): RecordAccessor {
    return RecordAccessor.parse(/^[^$[\]]+\[.*\]$/.test(text) ? `$${text}` : text, option)
  }

  /** The path of the map that holds the value, undefined for the record, and the key in it; undefined for an item of a list. */
  get place(): { parent: RecordAccessor | undefined; key: Buffer } | undefined {
    const key = this.#steps.at(-1)
    if (key === undefined || typeof key === 'number') return undefined
    const above = this.#steps.slice(0, -1)
    return { parent: above.length === 0 ? undefined : new RecordAccessor(above), key }
  }

  /** Returns the offset of the value in the map at `map`, of which nothing at `end` or after it is read; -1: missing. */
  find(buf: Buffer, map: number, end: number): number {
    if (map < 0 || map >= end || map + headSize(buf[map] as number) > end) return -1
    const steps = this.#steps
    let at = map
    for (let i = 0; i < steps.length && at >= 0; i++) {
      const step = steps[i] as AccessorStep
      at = typeof step === 'number' ? findItem(buf, at, end, step) : findValue(buf, at, end, step)
    }
    return at
  }

  /** Calls `found` with the offset of each value of this path, of which there are several when a map has a key twice. */
  findAll(buf: Buffer, map: number, end: number, found: (value: number) => void): void {
    if (map < 0 || map >= end || map + headSize(buf[map] as number) > end) return
    this.#findBelow(buf, map, end, 0, found)
  }

  #findBelow(buf: Buffer, at: number, end: number, i: number, found: (value: number) => void): void {
    const step = this.#steps[i]
    if (step === undefined) found(at)
    else if (typeof step === 'number') {
      const item = findItem(buf, at, end, step)
      if (item >= 0) this.#findBelow(buf, item, end, i + 1, found)
    } else
      eachValue(buf, at, end, step, (value) => {
        this.#findBelow(buf, value, end, i + 1, found)
      })
  }
}

/** Checks the text of an option that takes a record accessor. */
export function checkAccessor(text: string): InvalidValue | undefined {
  try {
    RecordAccessor.parse(text)
  } catch (error) {
    if (!(error instanceof ShipperError)) throw error
    return { must: 'a key or a record accessor', reason: error.message, hint: error.hint }
  }
  const dotted = dottedKey(text)
  return dotted === undefined ? undefined : { must: 'a key or a record accessor', doubt: `${text} ${dotted}` }
}

/** Returns a clause about an accessor with dots, which belong to its key and are mostly meant as steps; undefined for others. */
export function dottedKey(text: string): string | undefined {
  if (!DOTTED.test(text)) return undefined
  const [first = '', ...rest] = text.slice(1).split('.')
  const steps = rest.map((step) => `['${step}']`).join('')
  return `is the single key "${text.slice(1)}"; for nested maps write $${first}${steps}`
}

const DOTTED = /^\$[^.$[\]]+(?:\.[^.$[\]']+)+$/

/** Reads the steps in brackets from `start` on; returns them and the offset of the first character after them. */
export function readSteps(
  text: string,
  start: number,
  option?: string,
): { steps: AccessorStep[]; end: number } {
  const steps: AccessorStep[] = []
  let at = start
  while (text[at] === '[') {
    const rest = text.slice(at)
    const match = /^\[(?:'((?:[^']|'')*)'|"((?:[^"]|"")*)"|(\d+))\]/.exec(rest)
    if (match === null) throw badAccessor(text, stepFault(rest, at), option)
    const [whole, single, double, index] = match
    if (index === undefined) steps.push(Buffer.from(single?.replaceAll("''", "'") ?? unquoted(double)))
    else if (index.length <= MAX_INDEX_DIGITS) steps.push(Number(index))
    else throw badAccessor(text, `the index ${index} is too large`, option)
    at += whole.length
  }
  return { steps, end: at }
}

function unquoted(text = ''): string {
  return text.replaceAll('""', '"')
}

/** Says what is wrong with the step at the start of `rest`, which begins at `at`. */
function stepFault(rest: string, at: number): string {
  const where = `at character ${at + 1}`
  if (/^\[-\d+\]/.test(rest)) return `the index ${where} is negative`
  if (/^\[['"]/.test(rest)) return `the quotation mark or bracket ${where} is not closed`
  if (!rest.includes(']')) return `the bracket ${where} is not closed`
  return `in the bracket ${where} must be a number, or a key in quotation marks`
}

function badAccessor(text: string, reason: string, option: string | undefined): ShipperError {
  const message = `"${text}" is not a record accessor: ${reason}`
  return new ShipperError('E_CONFIG_BAD_VALUE', message, { hint: HINT, ...(option && { option }) })
}

/** Returns the size of the head of a map. */
function headSize(type: number): number {
  return type === 0xde ? 3 : type === 0xdf ? 5 : 1
}

/** Returns the offset of the value of the last pair with this key, as JSON counts equal keys; -1 if there is none. */
function findValue(buf: Buffer, map: number, end: number, key: Buffer): number {
  const pairs = mapPairs(buf, map)
  if (pairs < 0) return -1
  let found = -1
  let at = mapBody(buf, map)
  for (let i = 0; i < pairs; i++) {
    const value = skipText(buf, at, end)
    if (value < 0) return -1
    if (isKey(buf, at, key)) found = value
    at = skipText(buf, value, end)
    if (at < 0) return -1
  }
  return found
}

/** Calls `found` with the value of each pair of the map at `map` that has this key. */
function eachValue(buf: Buffer, map: number, end: number, key: Buffer, found: (value: number) => void): void {
  let at = mapBody(buf, map)
  for (let left = mapPairs(buf, map); left > 0; left--) {
    const value = skipText(buf, at, end)
    if (value < 0) return
    if (isKey(buf, at, key)) found(value)
    at = skipText(buf, value, end)
    if (at < 0) return
  }
}

function findItem(buf: Buffer, list: number, end: number, index: number): number {
  if (index >= arrayItems(buf, list)) return -1
  let at = arrayBody(buf, list)
  for (let i = 0; i < index && at >= 0; i++) at = skipText(buf, at, end)
  return at
}

/** `skip` with a fast path for short strings, of which most records consist. */
function skipText(buf: Buffer, at: number, end: number): number {
  const t = at < end ? (buf[at] as number) : 0
  if (t < 0xa0 || t >= 0xc0) return skip(buf, at, end)
  const next = at + 1 + (t & 31)
  return next <= end ? next : -1
}

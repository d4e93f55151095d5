import { ShipperError } from '../../core/error.ts'

/** Where a field of the entry stands in `buf`: `fields` has this many numbers for each. */
export const FIELD = 5
export const NAME = 0
export const NAME_END = 1
export const VALUE = 2
export const VALUE_END = 3
/** Of the name: equal names have equal ones. */
export const HASH = 4

/** The buffer's content is `by` bytes nearer to its front now. */
export function moveFields(fields: Int32Array, count: number, by: number): void {
  for (let at = 0; at < count * FIELD; at += FIELD)
    for (let i = NAME; i <= VALUE_END; i++) fields[at + i] = (fields[at + i] as number) - by
}

/** The same fields, with room for as many more. */
export function widened(fields: Int32Array): Int32Array<ArrayBuffer> {
  const wider = new Int32Array(fields.length * 2)
  wider.set(fields)
  return wider
}

/** The HASH of a name. */
export function hashName(name: string): number {
  let hash = 0
  for (const c of Buffer.from(name)) hash = (Math.imul(hash, 31) + c) | 0
  return hash
}

export const UNDERSCORE = 95

export interface ExportLimits {
  /** Most fields of an entry; those behind are left out. */
  fields: number
  /** Longest value in bytes; longer ones are cut, between two characters where it is UTF-8. */
  fieldBytes: number
  /** Most bytes of names and values of an entry; the value that passes it is cut, fields behind are left out. */
  entryBytes: number
  /** Takes one underscore off each name. */
  stripUnderscore: boolean
}

const CURSOR = Buffer.from('CURSOR')
const REALTIME = Buffer.from('REALTIME_TIMESTAMP')

/** A field with two underscores is the entry's address. */
export function isAddress(buf: Buffer, from: number): boolean {
  return buf[from] === UNDERSCORE && buf[from + 1] === UNDERSCORE
}

/** The name behind the `__` of the entry's address. */
export function isCursor(buf: Buffer, start: number, end: number): boolean {
  return isName(CURSOR, buf, start, end)
}

export function isRealtime(buf: Buffer, start: number, end: number): boolean {
  return isName(REALTIME, buf, start, end)
}

function isName(name: Buffer, buf: Buffer, start: number, end: number): boolean {
  return end - start === name.length && buf.compare(name, 0, name.length, start, end) === 0
}

export function digits(buf: Buffer, start: number, end: number): number {
  let n = 0
  for (let p = start; p < end; p++) {
    const digit = (buf[p] as number) - 48
    if (digit < 0 || digit > 9) throw broken('a time that is no number')
    n = n * 10 + digit
  }
  return Number.isSafeInteger(n) ? n : 0
}

/** Of bytes that are not of the format. */
export function broken(what: string): ShipperError {
  return new ShipperError('E_JOURNAL_READ', `journalctl wrote ${what}: this is not the export format`, {
    retryable: true,
  })
}

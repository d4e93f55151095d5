import { ShipperError } from '../core/error.ts'

/** Where a field of the entry stands in `buf`: `fields` has this many numbers for each. */
export const FIELD = 5
export const NAME = 0
export const NAME_END = 1
export const VALUE = 2
export const VALUE_END = 3
/** Of the name: equal names have equal ones. */
export const HASH = 4

/** The HASH of a name. */
export function hashName(name: string): number {
  let hash = 0
  for (const c of Buffer.from(name)) hash = (Math.imul(hash, 31) + c) | 0
  return hash
}

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

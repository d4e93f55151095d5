import { ShipperError } from '../../core/error.ts'

/**
 * Layout of a field in the `fields` of ExportScanner: FIELD_STRIDE numbers per field, with these indexes. All but HASH are
 * offsets in `buf`.
 */
export const FIELD_STRIDE = 5
export const NAME = 0
export const NAME_END = 1
export const VALUE = 2
export const VALUE_END = 3
/** Hash of the name, see `hashName`. */
export const HASH = 4

/** Subtracts `by` from all offsets, after the content of the buffer moved to the front by as many bytes. */
export function shiftFields(fields: Int32Array, count: number, by: number): void {
  for (let at = 0; at < count * FIELD_STRIDE; at += FIELD_STRIDE)
    for (let i = NAME; i <= VALUE_END; i++) fields[at + i] = (fields[at + i] as number) - by
}

/** Returns a copy of the fields with twice the capacity. */
export function doubleFields(fields: Int32Array): Int32Array<ArrayBuffer> {
  const wider = new Int32Array(fields.length * 2)
  wider.set(fields)
  return wider
}

/** Returns the HASH of a name. */
export function hashName(name: string): number {
  let hash = 0
  for (const c of Buffer.from(name)) hash = (Math.imul(hash, 31) + c) | 0
  return hash
}

export const UNDERSCORE = 95

export interface ExportLimits {
  /** Maximum number of fields of an entry; further ones are left out. */
  maxFields: number
  /** Maximum size of a value; longer ones are cut, between two characters if the value is UTF-8. */
  maxFieldBytes: number
  /** Maximum total size of the names and values of an entry; the value that exceeds it is cut, further fields are left out. */
  maxEntryBytes: number
  /** Removes one leading underscore from each name. */
  stripUnderscore: boolean
}

const CURSOR = Buffer.from('CURSOR')
const REALTIME = Buffer.from('REALTIME_TIMESTAMP')

/** Returns true for an address field: its name begins with two underscores. */
export function isAddressField(buf: Buffer, from: number): boolean {
  return buf[from] === UNDERSCORE && buf[from + 1] === UNDERSCORE
}

/** Returns true when buf[start, end) is the name of the cursor's address field, without its `__`. */
export function isCursorName(buf: Buffer, start: number, end: number): boolean {
  return isName(CURSOR, buf, start, end)
}

/** Returns true when buf[start, end) is the name of the realtime timestamp's address field, without its `__`. */
export function isRealtimeName(buf: Buffer, start: number, end: number): boolean {
  return isName(REALTIME, buf, start, end)
}

function isName(name: Buffer, buf: Buffer, start: number, end: number): boolean {
  return end - start === name.length && buf.compare(name, 0, name.length, start, end) === 0
}

/** Parses a timestamp; 0 when it exceeds 2^53. Throws E_JOURNAL_READ when it is not a decimal number. */
export function parseDecimal(buf: Buffer, start: number, end: number): number {
  let n = 0
  for (let p = start; p < end; p++) {
    const digit = (buf[p] as number) - 48
    if (digit < 0 || digit > 9) throw malformedExport('a timestamp that is not a number')
    n = n * 10 + digit
  }
  return Number.isSafeInteger(n) ? n : 0
}

/** Creates the error for bytes that violate the export format. */
export function malformedExport(what: string): ShipperError {
  return new ShipperError('E_JOURNAL_READ', `journalctl wrote ${what}: not the journal export format`, {
    retryable: true,
  })
}

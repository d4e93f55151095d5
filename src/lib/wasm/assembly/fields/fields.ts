/** Exports of the module: entries of lines with fields, and entries that get the fields of their line. */
export {
  END,
  ENTRIES,
  ENTRIES_BYTES,
  FAILS,
  FAILS_BYTES,
  FIXED_BYTES,
  IN,
  IN_BYTES,
  MEMO,
  MEMO_BYTES,
  META,
  META_BYTES,
  OUT,
  OUT_BYTES,
  PREFIX,
  ROWS,
  ROWS_BYTES,
  SUFFIX,
} from './memory'
export { setFormOptions } from './forms'
export { keepKeys, setRules } from './keys'
export { failed, lines, linesEnd, linesWritten, setForm, setFrame, setLimits, setMatcher, setSteps, tired } from './lines'
export { consumed, merge, metaKey, records, setup, stopped } from './merge'
export { setRows } from './rows'
export { setMemo, setTime } from './time'

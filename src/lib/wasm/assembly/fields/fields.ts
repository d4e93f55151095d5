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
  META,
  META_BYTES,
  OUT,
  OUT_BYTES,
  PARSER_BYTES,
  PARSERS,
  PREFIX,
  ROWS,
  ROWS_BYTES,
  STARTS,
  STARTS_BYTES,
  SUFFIX,
  WORDS,
} from './memory'
export { called } from './called'
export { setStepsLeft } from './expression'
export { begin, keepKeys } from './keys'
export { failed, lines, linesEnd, linesWritten, SLACK, setFrame, setLimits, tired } from './lines'
export { consumed, merge, metaKey, records, setGrowth, setup, stopped } from './merge'
export { setTime } from './time'

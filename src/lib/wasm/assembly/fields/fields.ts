/** Exports of the module: entries of lines with fields, and entries that get the fields of their line. */
export {
  END,
  ENTRIES_BYTES,
  FIXED_BYTES,
  IN,
  IN_BYTES,
  META,
  META_BYTES,
  OUT,
  OUT_BYTES,
} from './memory'
export { consumed, merge, metaKey, records, setup, stopped } from './merge'

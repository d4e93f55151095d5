import { textHead, textLength } from './skip'

/** Size of a word, of its row in the table (the word in lower case, padded with zeros, its size and its number), and of a line of klog. */
const MAX_WORD_BYTES: usize = 16
const ROW_BYTES: usize = 32
const MIN_KLOG_BYTES: usize = 9

let words: usize = 0
let wordCount: usize = 0
/** Severities by the numbers from 0 to 127, a byte for each. */
let numbers: usize = 0
/** Row that was found last: records in a row have few different levels. */
let lastRow: usize = 0

export function setTables(wordTable: usize, count: u32, numberTable: usize): void {
  words = wordTable
  wordCount = count
  numbers = numberTable
  lastRow = wordTable
}

/** Returns the severity number of the value at `p`: a word in any case, or a number or its digits; 0 for anything else. */
export function severityAt(p: usize): u32 {
  const head = textHead(p)
  if (head == 0) {
    const t = load<u8>(p) as usize
    return t < 0x80 ? load<u8>(numbers + t) : 0
  }
  const size = textLength(p, head)
  if (size == 0 || size > MAX_WORD_BYTES) return 0
  const start = p + head
  if (size <= 2) {
    const first = (load<u8>(start) as u32) - 0x30
    const second = size == 1 ? 0 : (load<u8>(start + 1) as u32) - 0x30
    if (first <= 9 && second <= 9) return load<u8>(numbers + (size == 1 ? first : first * 10 + second))
  }
  return ofWord(lowered(start, size), size)
}

function ofWord(word: v128, size: usize): u32 {
  if (isRow(lastRow, word, size)) return load<u8>(lastRow, 17)
  for (let i: usize = 0; i < wordCount; i++) {
    const row = words + i * ROW_BYTES
    if (!isRow(row, word, size)) continue
    lastRow = row
    return load<u8>(row, 17)
  }
  return 0
}

@inline
function isRow(row: usize, word: v128, size: usize): bool {
  return (load<u8>(row, 16) as usize) == size && !v128.any_true(v128.xor(v128.load(row), word))
}

/** Returns up to 16 bytes with small letters, and zeros after them. */
function lowered(start: usize, size: usize): v128 {
  const places = i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
  const bytes = v128.and(v128.load(start), i8x16.lt_u(places, i8x16.splat(size as i8)))
  const isCapital = i8x16.lt_u(i8x16.sub(bytes, i8x16.splat(0x41)), i8x16.splat(26))
  return v128.or(bytes, v128.and(isCapital, i8x16.splat(0x20)))
}

/** Returns the severity number of a text that is a line of klog, `I0131 12:00:00.000000 ...`, else 0. */
export function klogSeverity(p: usize): u32 {
  const head = textHead(p)
  if (head == 0 || textLength(p, head) < MIN_KLOG_BYTES) return 0
  const start = p + head
  if (load<u8>(start + 5) != 0x20 || load<u8>(start + 8) != 0x3a) return 0
  for (let i: usize = 1; i <= 4; i++) if ((load<u8>(start + i) as u32) - 0x30 > 9) return 0
  const letter = load<u8>(start)
  return letter == 0x49 ? 9 : letter == 0x57 ? 13 : letter == 0x45 ? 17 : letter == 0x46 ? 21 : 0
}

import { WORDS } from './memory'
import { timeOf } from './time'

const BLANK: u8 = 0x20
/** Offset of the mark between date and time, which may be a blank. */
const MARK_AT: usize = 10

/**
 * Stores the spans of the time, stream, tag and text of the line [p, e) in WORDS, and reads the time (lib/parsing/cri-parser.ts). Returns
 * false for a line of another form.
 */
export function readCri(p: usize, e: usize): bool {
  let at = wordEnd(p, e)
  if (at == p + MARK_AT) at = wordEnd(at + 1, e)
  const stream = at + 1
  const streamEnd = wordEnd(stream, e)
  const tag = streamEnd + 1
  const tagEnd = wordEnd(tag, e)
  if (tagEnd >= e || streamEnd == stream || tagEnd == tag || !timeOf(p, at)) return false
  setSpan(0, p, at)
  setSpan(1, stream, streamEnd)
  setSpan(2, tag, tagEnd)
  setSpan(3, tagEnd + 1, e)
  return true
}

@inline
function setSpan(i: usize, from: usize, to: usize): void {
  store<u32>(WORDS + (i << 3), from as u32)
  store<u32>(WORDS + (i << 3) + 4, to as u32)
}

/** Returns the address of the next blank, or `e`. */
function wordEnd(p: usize, e: usize): usize {
  while (p < e && load<u8>(p) != BLANK) p++
  return p
}

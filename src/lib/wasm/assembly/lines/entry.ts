import { put32 } from '../common/bytes'

/** Writes `92 d7 00 sec nsec` and the head of a map of less than 16 pairs, 12 bytes; returns the address after them. */
@inline
export function putEntryHead(o: usize, pairs: u32, sec: u32, nsec: u32): usize {
  store<u8>(o, 0x92)
  store<u16>(o + 1, 0x00d7)
  put32(o + 3, sec)
  put32(o + 7, nsec)
  store<u8>(o + 11, (0x80 | pairs) as u8)
  return o + 12
}

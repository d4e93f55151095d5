import { put32 } from '../common/bytes'
import { nsec, sec } from './time'

/** True when the time of the line is that of the record; otherwise it is the time of reading. */
let readsTime: bool = true
let readSec: u32 = 0
let readNsec: u32 = 0

/** Sets which time entries have; `second` and `nanos` are the time of reading. */
export function setupTime(reads: bool, second: f64, nanos: f64): void {
  readsTime = reads
  readSec = second as u32
  readNsec = nanos as u32
}

/** Writes `92 d7 00 sec nsec` and the head of a map of less than 16 pairs, 12 bytes; returns the address after them. */
@inline
export function putEntryHead(o: usize, pairs: u32): usize {
  store<u8>(o, 0x92)
  store<u16>(o + 1, 0x00d7)
  put32(o + 3, readsTime ? sec : readSec)
  put32(o + 7, readsTime ? nsec : readNsec)
  store<u8>(o + 11, (0x80 | pairs) as u8)
  return o + 12
}

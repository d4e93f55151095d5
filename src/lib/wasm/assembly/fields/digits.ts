import { digitsIn, eightDigits } from '../common/digits'

const POW10 = memory.data<u64>([1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000])

/** Value of the digits read since `beginDigits`, modulo 2^64. */
export let value: u64 = 0

@inline
export function beginDigits(): void {
  value = 0
}

/** Reads eight digits at a time: a loop over single digits mispredicts its branch at the end of each number. */
@inline
export function readDigits(p: usize, end: usize): usize {
  let q = p
  let count: usize = 8
  while (count == 8) {
    const word = load<u64>(q)
    count = min<usize>(digitsIn(word), end - q)
    if (count == 0) break
    value = value * load<u64>(POW10 + (count << 3)) + (eightDigits(word << (64 - (count << 3))) as u64)
    q += count
  }
  return q
}

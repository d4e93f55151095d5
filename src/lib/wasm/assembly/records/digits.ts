import { div10, div100 } from './divide'

/** Writes the last `width` decimal digits; returns the address after them. */
export function digits(at: usize, value: u32, width: usize): usize {
  let rest = value
  let p = at + width
  // Two at a time: each step waits for the one before.
  while (p >= at + 2) {
    const hundredth = div100(rest)
    const pair = rest - hundredth * 100
    const tenth = div10(pair)
    p -= 2
    store<u16>(p, (0x3030 + tenth + ((pair - tenth * 10) << 8)) as u16)
    rest = hundredth
  }
  if (p > at) store<u8>(at, (0x30 + rest - div10(rest) * 10) as u8)
  return at + width
}

export function decimalSize(value: u32): usize {
  let size: usize = 1
  for (let rest = value; rest >= 10; rest = div10(rest)) size++
  return size
}

/** Writes an unsigned integer; returns the address after it. */
export function putDecimal(at: usize, number: u64): usize {
  if (number <= 0xffffffff) return digits(at, number as u32, decimalSize(number as u32))
  return digits(putDecimal(at, number / 1000000000), (number % 1000000000) as u32, 9)
}

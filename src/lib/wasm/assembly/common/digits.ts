const ZEROS: u64 = 0x3030303030303030

/** Returns how many of the eight bytes of a word, lowest first, are digits before the first other byte. */
@inline
export function digitsIn(word: u64): usize {
  const v = word ^ ZEROS
  const others = (v | (v + 0x7676767676767676)) & 0x8080808080808080
  return (ctz(others) >> 3) as usize
}

/** Returns the value of eight digits: adds up pairs, then fours, then all of them. Zero bytes count as digit 0. */
@inline
export function eightDigits(word: u64): u32 {
  let v = ((word & 0x0f0f0f0f0f0f0f0f) * 2561) >> 8
  v = ((v & 0x00ff00ff00ff00ff) * 6553601) >> 16
  return (((v & 0x0000ffff0000ffff) * 42949672960001) >> 32) as u32
}

/** Returns the byte that a JSON escape `\letter` stands for, or 0 when it is not one; `\u` is not handled here. */
export function unescaped(letter: u8): u8 {
  if (letter == 0x6e) return 10
  if (letter == 0x74) return 9
  if (letter == 0x22 || letter == 0x5c || letter == 0x2f) return letter
  if (letter == 0x72) return 13
  if (letter == 0x62) return 8
  return letter == 0x66 ? 12 : 0
}

/** Returns the value of four hexadecimal digits, or more than 0xffff when one of them is not a digit. */
export function hex4(p: usize): u32 {
  let value: u32 = 0
  for (let i: usize = 0; i < 4; i++) {
    const c = load<u8>(p + i) as u32
    const lower = c | 0x20
    const digit = c - 48 <= 9 ? c - 48 : lower - 97 <= 5 ? lower - 87 : 0x10000
    if (digit > 15) return 0xffffffff
    value = value * 16 + digit
  }
  return value
}

/** Writes a UTF-16 code unit that is not a surrogate as UTF-8; returns the address after it. */
export function putUnit(o: usize, unit: u32): usize {
  if (unit < 0x80) {
    store<u8>(o, unit as u8)
    return o + 1
  }
  if (unit < 0x800) {
    store<u8>(o, (0xc0 | (unit >> 6)) as u8)
    store<u8>(o + 1, (0x80 | (unit & 0x3f)) as u8)
    return o + 2
  }
  store<u8>(o, (0xe0 | (unit >> 12)) as u8)
  store<u8>(o + 1, (0x80 | ((unit >> 6) & 0x3f)) as u8)
  store<u8>(o + 2, (0x80 | (unit & 0x3f)) as u8)
  return o + 3
}

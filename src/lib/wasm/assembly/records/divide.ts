/** Divides by multiplication: the runtime divides by constants with an instruction of about thirty cycles. */

@inline
export function div10(n: u32): u32 {
  return (((n as u64) * 0xcccccccd) >> 35) as u32
}

@inline
export function divMillion(n: u32): u32 {
  return (((n as u64) * 0x431bde83) >> 50) as u32
}

@inline
export function div100(n: u32): u32 {
  return (((n as u64) * 0x51eb851f) >> 37) as u32
}

@inline
export function div1000(n: u32): u32 {
  return (((n as u64) * 0x10624dd3) >> 38) as u32
}

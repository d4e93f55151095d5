import { skip } from '../../../core/msgpack/encode.ts'

/** Longer ranges are copied by the runtime, whose call costs more than a loop over fewer bytes. */
const MAX_LOOP_BYTES = 48

/** `skip` with a fast path for strings of up to 255 bytes, of which most records consist. */
export function skipText(buf: Buffer, at: number, end: number): number {
  const t = at < end ? (buf[at] as number) : 0
  const next = t >= 0xa0 && t < 0xc0 ? at + 1 + (t & 31) : t === 0xd9 ? at + 2 + (buf[at + 1] as number) : -1
  if (next < 0) return skip(buf, at, end)
  return next <= end ? next : -1
}

/** Copies src[start, end) to out[to] and returns the offset after it. */
export function copyBytes(src: Buffer, start: number, end: number, out: Buffer, to: number): number {
  if (end - start > MAX_LOOP_BYTES) return to + src.copy(out, to, start, end)
  let o = to
  for (let p = start; p < end; p++) out[o++] = src[p] as number
  return o
}

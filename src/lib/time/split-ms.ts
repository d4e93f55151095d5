/** Splits a wall time in milliseconds into seconds and nanoseconds. */
export function splitMs(ms: number): { sec: number; nsec: number } {
  const sec = Math.floor(ms / 1000)
  return { sec, nsec: Math.floor((ms - sec * 1000) * 1e6) }
}

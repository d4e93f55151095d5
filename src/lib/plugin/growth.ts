/** Returns by how much a counter has grown. A smaller one began again: the device was made anew, or another got its name. */
export function growth(last: number, now: number): number {
  return now >= last ? now - last : now
}

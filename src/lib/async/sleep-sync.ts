/** Never signaled: `Atomics.wait` on it is a synchronous sleep. */
const CELL = new Int32Array(new SharedArrayBuffer(4))

/** Blocks the thread for `ms` milliseconds: only where the caller has nothing else to do, and briefly. */
export function sleepSync(ms: number): void {
  Atomics.wait(CELL, 0, 0, ms)
}

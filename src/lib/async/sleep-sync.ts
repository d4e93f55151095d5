/** Never signaled: `Atomics.wait` on it is a synchronous sleep. */
let cell: Int32Array | undefined

/** Blocks the thread for `ms` milliseconds: only where the caller has nothing else to do, and briefly. */
export function sleepSync(ms: number): void {
  cell ??= new Int32Array(new SharedArrayBuffer(4))
  Atomics.wait(cell, 0, 0, ms)
}

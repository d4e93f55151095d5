/** Factor of the thresholds from which the runtime compiles; the binary starts with it, see pkg.config.json. */
const LATE = 8

interface Bun {
  unsafe: { setJITPolicy(scale: number): void }
}

/**
 * Lets the runtime interpret for longer what it runs: at the start, and while there is little to do, most code runs a few times
 * only, and compiling it costs more than it saves. Does nothing under node.
 */
export function compileLate(): void {
  setPolicy(LATE)
}

/** Lets the runtime compile as early as it does by default: there is work. */
export function compileSoon(): void {
  setPolicy(1)
}

function setPolicy(scale: number): void {
  const { Bun: bun } = globalThis as { Bun?: Bun }
  bun?.unsafe.setJITPolicy(scale)
}

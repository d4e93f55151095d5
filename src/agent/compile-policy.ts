/** CPU time after which code is compiled as early as the runtime does by itself. */
const RELUCTANT_MS = 1000

interface Compiler {
  /** Makes the runtime this many times more reluctant to compile. */
  setPolicy(scale: number): void
  /** CPU time of the process so far in milliseconds. */
  cpuMs(): number
}

/**
 * Returns a function that ends the policy with which the binary starts, `--compile-jit-policy` of pkg.config.json, once the
 * process has used RELUCTANT_MS; to be called now and then while there is work. By itself the runtime compiles what has run
 * 70 times: some 300 functions, as nearly all of them run once per chunk. To drain 400 MB that takes a fifth of the CPU time,
 * more than it saves, and 5 MB of memory. An agent with little to do never needs it; one with much to do compiles them a
 * second later, which costs it 0.2 s of CPU once.
 */
export function endReluctance(compiler: Compiler | undefined = runtimeCompiler()): () => void {
  let isReluctant = compiler !== undefined
  return () => {
    if (!isReluctant || compiler === undefined || compiler.cpuMs() < RELUCTANT_MS) return
    isReluctant = false
    compiler.setPolicy(1)
  }
}

interface Runtime {
  unsafe?: { setJITPolicy?: (scale: number) => void }
}

/** The compiler of bun; undefined under node, which has no such setting. */
function runtimeCompiler(): Compiler | undefined {
  const { unsafe } = (globalThis as { Bun?: Runtime }).Bun ?? {}
  if (unsafe?.setJITPolicy === undefined) return undefined
  return {
    setPolicy: (scale) => unsafe.setJITPolicy?.(scale),
    cpuMs: () => {
      const { user, system } = process.cpuUsage()
      return (user + system) / 1000
    },
  }
}

/** The collections of bun that keep the memory for what comes next: giving it back takes as long as collecting. */
interface RuntimeGarbage {
  /** Collects all garbage; returns the bytes that are in use. */
  collect(): number
  /** Collects objects that were made since the last time, whatever else is in use. */
  collectYoung(): void
}

/** Returns undefined under node. */
export async function runtimeGarbage(): Promise<RuntimeGarbage | undefined> {
  if (process.versions.bun === undefined) return undefined
  const { edenGC, fullGC } = await import('bun:jsc')
  return { collect: () => fullGC(), collectYoung: () => void edenGC() }
}

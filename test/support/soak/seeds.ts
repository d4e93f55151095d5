import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Soak } from './soak.ts'

/** Folder with a subfolder for each seed that has failed: its trace and its files. */
const FAILED = resolve(import.meta.dirname, '../../../.cache/soak')

export interface SoakReport {
  seeds: number
  steps: number
  kills: number
  rotations: number
  faults: number
  lines: number
  duplicates: number
  /** Text for each seed that failed. */
  failures: string[]
}

/** Runs the seeds, some at a time, and reports each when it has ended. */
export async function runSeeds(
  seeds: readonly number[],
  o: { steps: number; parallel: number; tell: (text: string) => void },
): Promise<SoakReport> {
  const report = { seeds: 0, steps: 0, kills: 0, rotations: 0, faults: 0, lines: 0, duplicates: 0 }
  const failures: string[] = []
  const rest = [...seeds]
  const worker = async (): Promise<void> => {
    for (let seed = rest.shift(); seed !== undefined; seed = rest.shift()) {
      const { stats, text, failure } = await runSeed(seed, o.steps)
      report.seeds++
      for (const [key, n] of Object.entries(stats)) report[key as keyof typeof stats] += n
      if (failure !== undefined) failures.push(failure)
      o.tell(text)
    }
  }
  await Promise.all(Array.from({ length: o.parallel }, worker))
  return { ...report, failures }
}

async function runSeed(
  seed: number,
  steps: number,
): Promise<{ stats: Soak['stats']; text: string; failure: string | undefined }> {
  const dir = mkdtempSync(join(tmpdir(), 'shipper-soak-'))
  const soak = new Soak(dir, seed)
  const startMs = performance.now()
  try {
    await soak.run(steps)
    const text = `seed ${seed}: ${JSON.stringify(soak.stats)}, ${soak.plan.abilities}, ${elapsed(startMs)}`
    return { stats: soak.stats, text, failure: undefined }
  } catch (error) {
    const kept = keep(dir, seed, soak, error as Error)
    const failure = `seed ${seed} (${soak.plan.abilities}), step ${soak.stats.steps + 1}, see ${kept}: ${(error as Error).message}`
    return { stats: soak.stats, text: `FAILED after ${elapsed(startMs)}: ${failure}`, failure }
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

/** Copies what a failed seed has left. */
function keep(dir: string, seed: number, soak: Soak, error: Error): string {
  const kept = join(FAILED, `seed-${seed}`)
  rmSync(kept, { recursive: true, force: true })
  mkdirSync(kept, { recursive: true })
  writeFileSync(join(kept, 'trace.txt'), `${soak.trace.join('\n')}\n${error.stack}\n`)
  cpSync(dir, join(kept, 'files'), { recursive: true, verbatimSymlinks: true })
  return kept
}

function elapsed(startMs: number): string {
  return `${((performance.now() - startMs) / 1000).toFixed(1)} s`
}

/** Loads configurations from a temporary folder with the plugins of specs.ts. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Flags } from '../../src/config/flags.ts'
import { loadPlan } from '../../src/config/load.ts'
import type { PlanResult } from '../../src/config/plan.ts'
import { formatLocation } from '../../src/core/error.ts'
import type { Registry } from '../../src/core/plugin.ts'
import { tmp } from '../support/tmp.ts'
import { SPECS } from './specs.ts'

export const OUT = '[OUTPUT]\n    Name send\n    Match *\n'

export interface Given {
  files?: Record<string, string>
  env?: Record<string, string>
  flags?: (flags: Flags) => void
  checkUnused?: boolean
  /** Default: the plugins of specs.ts. */
  registry?: Registry
}

/** Loads a main file, `a.conf`, and removes the folder's path from problems and warnings. */
export async function load(
  text: string | undefined,
  given: Given = {},
): Promise<PlanResult & { reported: string[] }> {
  const dir = tmp()
  for (const [name, content] of Object.entries({ ...given.files, ...(text && { 'a.conf': text }) })) {
    mkdirSync(join(dir, name, '..'), { recursive: true })
    writeFileSync(join(dir, name), content)
  }
  const flags = new Flags()
  given.flags?.(flags)
  const result = await loadPlan({
    file: text === undefined ? undefined : join(dir, 'a.conf'),
    flags: flags.tree,
    registry: given.registry ?? SPECS,
    env: given.env ?? {},
    checkUnused: given.checkUnused ?? false,
  })
  const short = (line: string): string => line.replaceAll(`${dir}/`, '')
  return {
    ...result,
    warnings: result.warnings.map(short),
    reported: result.problems.map((p) => short(`${formatLocation(p.location)}: ${p.message}`)),
  }
}

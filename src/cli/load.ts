import { resolve } from 'node:path'
import type { Tree } from '../config/config-tree.ts'
import { loadPlan, loadTree } from '../config/load.ts'
import { buildPlan, type PlanResult } from '../config/plan.ts'
import type { Environment } from '../config/variables.ts'
import { ShipperError } from '../core/error.ts'
import { registry } from '../registry.ts'
import type { Request } from './arguments.ts'

/**
 * Loads the plan. Paths of the command line are relative to the current directory, those of the configuration to -w.
 */
export function load(request: Request, env: Environment = process.env): Promise<PlanResult> {
  return loadPlan({ ...sourceOf(request), registry, env, checkUnused: request.dryRun })
}

/** Loads the plan, and the tree that it is made from. */
export async function loadWithTree(request: Request): Promise<{ tree: Tree; result: PlanResult }> {
  const tree = await loadTree({ ...sourceOf(request), registry, env: process.env })
  return { tree, result: await buildPlan(tree, { registry, checkUnused: request.dryRun }) }
}

/** Returns where the configuration is; changes to the working directory of -w. */
function sourceOf({ flags, config, configFormat, parsersFiles, workdir, logLevel }: Request): {
  file: string | undefined
  format: Request['configFormat']
  flags: Tree
} {
  const absolute = (path: string): string => (workdir === undefined ? path : resolve(path))
  const file = config === undefined ? undefined : absolute(config)
  for (const parsers of parsersFiles) flags.service('parsers_file', absolute(parsers), `-R ${parsers}`)
  if (logLevel !== undefined) flags.service('log_level', logLevel)
  if (workdir !== undefined) changeDirectory(workdir)
  return { file, format: configFormat, flags: flags.tree }
}

function changeDirectory(workdir: string): void {
  try {
    process.chdir(workdir)
  } catch (err) {
    const message = `cannot change to directory ${workdir} of -w: ${(err as Error).message}`
    throw new ShipperError('E_CLI_USAGE', message, { hint: 'check the path and its permissions' })
  }
}

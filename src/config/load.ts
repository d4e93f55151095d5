import type { Registry } from '../core/plugin.ts'
import { append, emptyTree, type Tree } from './config-tree.ts'
import { readConfig, readParsersFiles } from './files.ts'
import { buildPlan, type PlanResult } from './plan.ts'
import { type Environment, expandSections } from './variables.ts'

export interface LoadOptions {
  /** The file of -c. */
  file: string | undefined
  /** Sections of the command line: they come behind those of the file. */
  flags: Tree | undefined
  registry: Registry
  env: Environment
  /** Check also what nobody uses: for --dry-run. */
  checkUnused?: boolean
}

/** From file and flags to a checked plan, or to all the problems there are. */
export async function loadPlan(options: LoadOptions): Promise<PlanResult> {
  const { file, flags, registry, env, checkUnused: thorough = false } = options
  const tree = emptyTree()
  if (file !== undefined) append(tree, readConfig(file, env))
  if (flags !== undefined) append(tree, flags)
  expandSections(tree, tree.sections, env)
  for (const parsers of readParsersFiles(tree, file, env)) {
    expandSections(parsers, parsers.sections, env)
    append(tree, parsers)
  }
  return buildPlan(tree, { registry, checkUnused: thorough })
}

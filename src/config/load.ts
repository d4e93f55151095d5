import type { Registry } from '../core/plugin.ts'
import { append, emptyTree, type Tree } from './config-tree.ts'
import { readConfig, readParsersFiles } from './files.ts'
import { buildPlan, type PlanResult } from './plan.ts'
import { type Environment, expandSections } from './variables.ts'

interface LoadOptions {
  /** Path given with -c. */
  file: string | undefined
  /** Sections from the command line; they follow those of the file. */
  flags: Tree | undefined
  registry: Registry
  env: Environment
  /** True to check also what is not used; for --dry-run. */
  checkUnused?: boolean
}

/** Reads file and flags into a checked plan, or returns all problems. */
export async function loadPlan(options: LoadOptions): Promise<PlanResult> {
  const { file, flags, registry, env, checkUnused = false } = options
  const tree = emptyTree()
  if (file !== undefined) append(tree, readConfig(file, env))
  if (flags !== undefined) append(tree, flags)
  expandSections(tree, tree.sections, env)
  for (const parsers of readParsersFiles(tree, file, env)) {
    expandSections(parsers, parsers.sections, env)
    append(tree, parsers)
  }
  return buildPlan(tree, { registry, checkUnused })
}

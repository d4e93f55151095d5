import type { Registry } from '../core/plugin.ts'
import { append, emptyTree, problem, propertyOf, type Section, type Tree } from './config-tree.ts'
import { readConfig, readParsersFiles } from './files.ts'
import type { ConfigFormat } from './format.ts'
import { buildPlan, type PlanResult } from './plan.ts'
import { type Environment, expandSections } from './variables.ts'

interface LoadOptions {
  /** Path given with -c. */
  file: string | undefined
  /** Format of this file; undefined: as its name and text say. */
  format?: ConfigFormat | undefined
  /** Sections from the command line; they follow those of the file. */
  flags: Tree | undefined
  registry: Registry
  env: Environment
  /** True to check also what is not used; for --dry-run. */
  checkUnused?: boolean
}

function namesUpstream(section: Section): boolean {
  return section.name.toLowerCase() === 'output' && propertyOf(section, 'upstream') !== undefined
}

/**
 * Reports filters and outputs of the command line next to a file of fluentd: its order of filters and matches decides who gets
 * records, and its last match usually takes what is left, so that they would get none. Inputs begin outside of any label.
 */
function refuseUnrouted(flags: Tree, tree: Tree): void {
  for (const { name, location } of flags.sections) {
    if (!['FILTER', 'OUTPUT'].includes(name)) continue
    const message =
      'it would get no records: a configuration of fluentd names its filters and matches in order'
    const hint =
      'write it into the file; `shipper try -c FILE --tag TAG < sample.log` shows the records after each of its steps'
    tree.problems.push(problem('E_CLI_USAGE', message, location, hint))
  }
}

/** Reads file and flags into a checked plan, or returns all problems. */
export async function loadPlan(options: LoadOptions): Promise<PlanResult> {
  const { registry, checkUnused = false } = options
  return buildPlan(await loadTree(options), { registry, checkUnused })
}

/** Reads file and flags into a tree, with the variables expanded. */
export async function loadTree(options: LoadOptions): Promise<Tree> {
  const { file, format, flags, env, registry } = options
  const tree = emptyTree()
  if (file !== undefined) {
    append(tree, await readConfig(file, env, 'main', format))
    tree.file = file
  }
  if (flags !== undefined) {
    append(tree, flags)
    if (tree.routing !== undefined) refuseUnrouted(flags, tree)
  }
  expandSections(tree, tree.sections, env)
  if (tree.sections.some(namesUpstream)) {
    const { readUpstreams } = await import('./upstreams.ts')
    await readUpstreams(tree, file, env, registry)
  }
  for (const parsers of await readParsersFiles(tree, file, env)) {
    expandSections(parsers, parsers.sections, env)
    append(tree, parsers)
  }
  return tree
}

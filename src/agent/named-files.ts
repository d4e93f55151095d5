import { ShipperError, type SourceLocation } from '../core/error.ts'
import { hasEffect } from '../core/options/needs.ts'
import { camelName, type Option, type OptionTable } from '../core/options/option.ts'
import type { Plan } from '../core/plan.ts'
import { FsFailure, stat } from '../lib/fs/file-system.ts'
import { nodeLocations, upstreamNodes } from '../lib/http-output/upstream-value.ts'

/**
 * Finds files and directories that options name (`Option.isFile`, `isFolder`) and that are not there: a start would fail. Nothing is opened, and who may not look
 * says nothing, as a check may run as another user.
 */
export function namedFileProblems({ inputs, outputs, filters }: Plan): ShipperError[] {
  const stages = [...inputs, ...filters, ...outputs].flatMap(
    ({ spec, options, optionLocations, location }) => {
      const values = options as Values
      const stage = { name: spec.name, table: spec.options, values, optionLocations, location }
      return [stage, ...(spec.kind === 'output' ? nodesOf(stage, spec.nodeOptions) : [])]
    },
  )
  return stages.flatMap(problemsOf)
}

type Values = Readonly<Record<string, unknown>>

/** Options with what they belong to. */
interface Stage {
  readonly name: string
  readonly table: OptionTable
  readonly values: Values
  readonly optionLocations: ReadonlyMap<string, SourceLocation>
  readonly location: SourceLocation
}

/** Returns the nodes of an output, each with the options that it has of its own or that have an effect by these alone. */
function nodesOf(output: Stage, table: OptionTable | undefined): Stage[] {
  const { upstream } = output.values
  if (table === undefined || typeof upstream !== 'string') return []
  const locations = nodeLocations(upstream)
  return upstreamNodes(upstream, table).map(({ options: own }, i) => {
    const at = locations[i] ?? {}
    const values = { ...output.values, ...own }
    const isNew = ([name, option]: [string, Option]): boolean =>
      camelName(name) in own || !hasEffect(option, output.table, output.values)
    return {
      ...{ name: output.name, values, location: at[''] ?? output.location },
      table: Object.fromEntries(Object.entries<Option>(table).filter(isNew)),
      optionLocations: new Map([...output.optionLocations, ...Object.entries(at)]),
    }
  })
}

function problemsOf({ name: stage, table, values, optionLocations, location }: Stage): ShipperError[] {
  const problems: ShipperError[] = []
  for (const [name, option] of Object.entries<Option>(table)) {
    const path = values[camelName(name)]
    if ((option.isFile ?? option.isFolder) !== true || typeof path !== 'string') continue
    if (!hasEffect(option, table, values)) continue
    const isFolder = option.isFolder === true
    const reason = whyNone(path, isFolder)
    if (reason === undefined) continue
    const what = isFolder ? 'directory' : 'file'
    problems.push(
      new ShipperError('E_CONFIG_BAD_VALUE', `[${stage}] the ${what} of ${name}, ${path}, ${reason}`, {
        hint: 'check the path; a relative one is looked up in the working directory',
        location: optionLocations.get(name) ?? location,
      }),
    )
  }
  return problems
}

/** Returns why there is no file or directory at the path; undefined when there is one, or nobody may look. */
function whyNone(path: string, isFolder: boolean): string | undefined {
  const found = stat(path)
  if (!(found instanceof FsFailure)) {
    if (found.isDirectory() === isFolder) return undefined
    return isFolder ? 'is no directory' : 'is a directory'
  }
  return found.code === 'ENOENT' || found.code === 'ENOTDIR' ? 'does not exist' : undefined
}

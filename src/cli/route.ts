import { type FindPath, inputsOf, MATCH_BEHIND, matchOf, wayOf } from '../agent/route-path.ts'
import { filtersOf, isRouted, outputsOf, type Way } from '../agent/way.ts'
import { tagsOf } from '../config/route-check.ts'
import { escapeControls } from '../core/escape-controls.ts'
import type { FilterPlan, InputPlan, OutputPlan, Plan } from '../core/plan.ts'
import { aligned } from './columns.ts'

type Stage = FilterPlan | OutputPlan

interface RouteReport {
  text: string
  /** True when an output gets records. */
  isRouted: boolean
}

/** Returns what the records of a tag pass, in order, and why not the other stages. */
export function routeReport(
  plan: Plan,
  find: FindPath,
  tag: string,
  chosen: InputPlan | undefined,
): RouteReport {
  const inputs = chosen === undefined ? inputsOf(plan, tag) : [chosen]
  // A filter may send records on with another tag.
  const reports =
    inputs.length > 0
      ? inputs.map((input) => inputReport(plan, find, tag, input))
      : [otherReport(plan, find, tag)]
  return {
    text: reports.map(({ text }) => text).join('\n'),
    isRouted: reports.some(({ isRouted }) => isRouted),
  }
}

/** Returns the report of a tag that no input has: records have it when a filter changes their tag. */
function otherReport(plan: Plan, find: FindPath, tag: string): RouteReport {
  const tags = plan.inputs.map((input) => `${input.name} has ${tagsOf(input).join(', ')}`).join(', ')
  const title = plan.inputs.length === 0 ? 'there is no input' : `tag ${tag}, which no input has: ${tags}`
  const [input] = plan.inputs
  if (input === undefined) return { text: `${escapeControls(title)}\n`, isRouted: false }
  const other = {
    ...input,
    name: '',
    processors: [],
    routes: [],
    common: { ...input.common, routable: true },
  }
  return inputReport(plan, find, tag, other, title)
}

function inputReport(
  plan: Plan,
  find: FindPath,
  tag: string,
  input: InputPlan,
  title = `tag ${tag}, records of ${input.name}`,
): RouteReport {
  const way = wayOf(plan, find, input, tag)
  const stages = new Map<string, { stage: Stage; place: string }>()
  const add = (stage: Stage, place: string): void => void stages.set(stage.name, { stage, place })
  const ofSteps = plan.routing !== undefined
  for (const stage of [...plan.filters, ...plan.outputs])
    add(stage, ofSteps ? placeOf(stage) : matchOf(stage))
  for (const stage of input.processors ?? []) add(stage, `processor of ${input.name}`)
  for (const output of plan.outputs)
    for (const stage of output.processors ?? []) add(stage, `processor of ${output.name}`)
  const reasonFor = (name: string): string => stages.get(name)?.place ?? ''
  const rows = wayRows(way, reasonFor, 0)
  if (!isRouted(way)) rows.push(['->', lostText(plan)])
  // With a match behind the name, where only some of the new tags reach it.
  const passed = new Set([...filtersOf(way), ...outputsOf(way)].map((name) => name.replace(MATCH_BEHIND, '')))
  const others = [...plan.filters, ...plan.outputs].filter(({ name }) => !passed.has(name))
  const reason = (stage: Stage): string => {
    if (!input.common.routable) return `Routable of ${input.name} is false`
    if (ofSteps) return `${placeOf(stage)}: not on the way of this tag`
    const match = matchOf(stage)
    return match === 'no Match' ? 'it has no Match' : `${match} does not match`
  }
  const rest = others.map((stage) => [stage.spec.kind, stage.name, reason(stage)])
  const text = `${escapeControls(title)}\n${aligned(rows, 2)}`
  return {
    text: rest.length === 0 ? text : `${text}not passed\n${aligned(rest, 2)}`,
    isRouted: isRouted(way),
  }
}

/** Says what becomes of records that go to no output. */
function lostText({ outputs }: Plan): string {
  return outputs.length === 0 ? 'no output: nothing is read' : 'no output: the records are discarded'
}

/** Returns a row for each stage of a way; those of a part are behind a row with its title. */
function wayRows(
  { title, filters, outputs, parts }: Way,
  reasonFor: (name: string) => string,
  before: number,
): string[][] {
  return [
    ...(title === undefined ? [] : [['', title]]),
    ...filters.map((name, i) => [`${before + i + 1}`.padStart(2), 'filter', name, reasonFor(name)]),
    ...outputs.map((name) => ['->', 'output', name, reasonFor(name)]),
    ...parts.flatMap((part) => wayRows(part, reasonFor, part.isSide === true ? 0 : before + filters.length)),
  ]
}

function placeOf({ location: { file, line } }: Stage): string {
  return line === undefined ? file : `${file}:${line}`
}

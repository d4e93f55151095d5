import { isTagOfSender, patternsMeet, tagsOf } from '../config/route-check.ts'
import { MASK } from '../core/mask-secrets.ts'
import {
  type Condition,
  type FilterPlan,
  type InputPlan,
  type OrderedRouting,
  type OutputPlan,
  type Plan,
  ROOT,
  ROOT_LABEL,
} from '../core/plan.ts'
import { isSecretPath } from '../core/secret-names.ts'
import { matchTag } from '../core/tag.ts'
import type { Path } from '../engine/path.ts'
import { matchesText } from '../lib/regex/string-matcher.ts'
import { sideLabelsOf } from './followed-labels.ts'
import { followNewTags, labelOfNewTag } from './followed-tags.ts'
import { sideWays, wayFrom } from './side-ways.ts'
import { filtersOf, type Way } from './way.ts'

/** Patterns of a step that takes every tag. */
const ANY_TAGS = '**'

/** Finds the path of the records of an input with a tag, as the engine takes it. */
export type FindPath = (input: string, tag: string) => Path

/**
 * Returns the way of the records of an input with this tag. In a tag `*` is any text, as in that of files which are not known
 * yet: the way then has every stage that some of these tags may match, with its match where not all of them do.
 */
export function wayOf(plan: Plan, find: FindPath, input: InputPlan, tag: string): Way {
  if (!input.common.routable) return { filters: [], outputs: [], parts: [] }
  if (!tag.includes('*')) {
    const way = wayOfPath(find(input.name, tag), input)
    const parts = [...way.parts, ...sideWays(plan, filtersOf(way), tag)]
    return withNewTags(plan, { ...way, parts }, tag)
  }
  const way = plan.routing === undefined ? wayOfPattern(plan, input, tag) : wayOfSteps(plan, input)
  return withNewTags(plan, way, tag.replace(GROUP, '*'))
}

/** Returns a way with those of the records to which its filters give another tag: one for each new tag. */
function withNewTags(plan: Plan, way: Way, tag: string): Way {
  const found: Way[] = []
  const names = filtersOf(way).map((name) => name.replace(MATCH_BEHIND, ''))
  followNewTags(plan, names, tag, (filter, newTag) => {
    const { pattern, label, records } = newTag
    const passed: string[] = []
    const start = labelOfNewTag(plan, filter, newTag)
    const next =
      plan.routing === undefined
        ? wayByMatch(plan, pattern, filter.name, passed)
        : pattern.includes('*')
          ? wayByPattern(plan.routing, start, passed)
          : wayFrom(plan.routing.labels, start, pattern, passed, new Set())
    const place = label === undefined ? '' : `, label ${label}`
    found.push({ ...next, title: `${records} in ${filter.name}: tag ${pattern}${place}`, isSide: true })
    return passed
  })
  return found.length === 0 ? way : { ...way, parts: [...way.parts, ...found] }
}

/** Returns a part for each match of a label, as tags of a pattern may be taken by any of them. */
function wayByPattern({ labels }: OrderedRouting, start: string, passed: string[]): Way {
  const steps = labels.get(start) ?? []
  passed.push(...steps.flatMap(({ filter }) => filter?.name ?? []))
  const parts = partsOf(labels, start, '', new Set())
  return { filters: [], outputs: [], parts }
}

/** What follows the name of a stage that only some tags reach. */
export const MATCH_BEHIND = / \(.*\)$/

/** Returns the way of records to which a filter has given a tag, and adds the other filters on it to `passed`. */
function wayByMatch({ filters, outputs }: Plan, tag: string, by: string, passed: string[]): Way {
  const passing = filters.filter((filter) => filter.name !== by && mayMatch(filter, tag))
  passed.push(...passing.map(({ name }) => name))
  const matching = outputs.filter((output) => mayMatch(output, tag))
  return { ...wayToOutputs(matching, tag), filters: passing.map((filter) => nameFor(filter, tag)) }
}

function wayOfPath({ filters, outputs, branches, split }: Path, input: InputPlan, title?: string): Way {
  const routes = input.routes ?? []
  const groups = split?.groups ?? []
  return {
    ...(title === undefined ? {} : { title }),
    filters: filters.map(({ name }) => name),
    outputs: outputs.map(({ name }) => name),
    parts: [
      ...branches.map((branch) => wayOfPath(branch, input)),
      ...groups.map(({ routes: indexes, path }) =>
        wayOfPath(path, input, indexes.map((i) => routeText(routes[i])).join('; ')),
      ),
    ],
  }
}

function wayOfPattern({ filters, outputs }: Plan, input: InputPlan, tag: string): Way {
  const routes = input.routes ?? []
  const routed = new Set(routes.flatMap((route) => route.outputs))
  const matching = outputs.filter((output) => !routed.has(output.name) && mayMatch(output, tag))
  const ofRoutes = routes.map((route) => ({
    title: routeText(route),
    ...wayToOutputs(
      outputs.filter(({ name }) => route.outputs.includes(name)),
      undefined,
    ),
  }))
  const way = wayToOutputs(matching, tag)
  return {
    filters: [
      ...(input.processors ?? []).map(({ name }) => name),
      ...filters.filter((filter) => mayMatch(filter, tag)).map((filter) => nameFor(filter, tag)),
    ],
    outputs: way.outputs,
    parts: [...way.parts, ...ofRoutes],
  }
}

/** `tag`: pattern of the tags, when the outputs get them by their match. */
function wayToOutputs(outputs: readonly OutputPlan[], tag: string | undefined): Way {
  const nameOf = (output: OutputPlan): string => (tag === undefined ? output.name : nameFor(output, tag))
  const plain = outputs.filter(({ processors = [] }) => processors.length === 0)
  const others = outputs.filter((output) => !plain.includes(output))
  return {
    filters: [],
    outputs: plain.map(nameOf),
    parts: others.map((output) => ({
      filters: (output.processors ?? []).map(({ name }) => name),
      outputs: [nameOf(output)],
      parts: [],
    })),
  }
}

/**
 * Returns a part for each match of the steps of an input, in their order: the first whose patterns fit takes a record. Those of
 * the labels to which records go follow.
 */
function wayOfSteps({ routing }: Plan, input: InputPlan): Way {
  const start = input.label ?? ROOT
  // Labels that are found while it is read are added to it.
  const labels = new Set([start])
  const parts: Way[] = []
  for (const label of labels) {
    const title = label === start ? '' : `label ${label}, `
    if (routing !== undefined) parts.push(...partsOf(routing.labels, label, title, labels))
  }
  return { filters: [], outputs: [], parts }
}

/** Returns a part for each match of a label, and adds the labels that get records to `labels`. */
function partsOf(all: OrderedRouting['labels'], start: string, title: string, labels: Set<string>): Way[] {
  const filters: { name: string; tags: string }[] = []
  const parts: Way[] = []
  for (const { patterns, filter, targets } of all.get(start) ?? []) {
    const tags = patterns.join(' ')
    if (filter !== undefined) {
      filters.push({ name: filter.name, tags })
      for (const { label } of sideLabelsOf(filter, all)) labels.add(label)
    }
    if (targets === undefined) continue
    for (const target of targets) if ('label' in target) labels.add(labelOf(target))
    parts.push({
      title: `${title}${tags === ANY_TAGS ? 'any tag' : `tags ${tags}`}`,
      filters: filters.map((one) =>
        one.tags === ANY_TAGS || one.tags === tags ? one.name : `${one.name} (${one.tags})`,
      ),
      outputs: targets.map((target) =>
        'output' in target ? target.output.name : `label ${labelOf(target) || ROOT_LABEL}`,
      ),
      parts: [],
    })
  }
  return parts
}

/** Returns the label of a target; empty for the steps outside of any label. */
function labelOf({ label }: { label: string }): string {
  return label === ROOT_LABEL ? ROOT : label
}

function routeText(route: NonNullable<InputPlan['routes']>[number] | undefined): string {
  return route === undefined ? 'route' : `route ${route.name}: ${conditionText(route.condition)}`
}

function conditionText(condition: Condition | 'default' | undefined): string {
  if (condition === undefined) return 'every record'
  if (condition === 'default') return 'what no other route takes'
  return condition.rules
    .map(({ field, op, values }) => `${field} ${op} ${isSecretPath(field) ? MASK : values.join(', ')}`)
    .join(` ${condition.op} `)
}

const GROUP = /<[^>]*>/g

/** Returns the inputs whose records may have this tag; those that have it only if a sender chooses it are the last. */
export function inputsOf({ inputs }: Plan, tag: string): InputPlan[] {
  const found = inputs.filter((input) => tagsOf(input).some((one) => matchTag(one.replace(GROUP, '*'), tag)))
  const mayHave = (input: InputPlan): boolean => isChosenTag(input, tag)
  return [...found.filter((input) => !mayHave(input)), ...found.filter(mayHave)]
}

/** Returns true for a tag that records of this input have only if a sender chooses it. */
export function isChosenTag(input: InputPlan, tag: string): boolean {
  return isTagOfSender(input) && !tagsOf(input).includes(tag)
}

type Stage = Pick<FilterPlan, 'name'> & { common: Pick<FilterPlan['common'], 'match' | 'matchRegex'> }

/** Returns false when no tag of this pattern is one that the stage gets. */
function mayMatch({ common: { match, matchRegex } }: Stage, tag: string): boolean {
  const pattern = tag.replace(GROUP, '*')
  if (matchRegex !== undefined) return pattern.includes('*') || matchesText(matchRegex, tag)
  return match !== undefined && patternsMeet(pattern, match)
}

/** Returns the name of a stage, with its match where only some of the tags of a pattern have it. */
function nameFor(stage: Stage, tag: string): string {
  const { match, matchRegex } = stage.common
  const isCertain = matchRegex === undefined && match !== undefined && matchTag(match, tag)
  return isCertain ? stage.name : `${stage.name} (${matchOf(stage)})`
}

/** Describes the tags that a stage gets: `Match kube.*`. */
export function matchOf({ common: { match, matchRegex } }: Pick<Stage, 'common'>): string {
  if (matchRegex !== undefined) return `Match_Regex ${matchRegex}`
  return match === undefined ? 'no Match' : `Match ${match}`
}

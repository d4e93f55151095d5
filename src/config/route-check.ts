import { resolve } from 'node:path'
import type { FilterPlan, InputPlan, OutputPlan, Plan } from '../core/plan.ts'
import type { ListenAddress } from '../core/plugin.ts'
import { matchesText } from '../lib/regex/string-matcher.ts'
import { type Diagnostics, problem, warn } from './config-tree.ts'

const GROUP = /<[^>]*>/g

/**
 * Gives an output without a match everything if it is the only one, as fluent-bit connects one input and one output; with several
 * outputs it is a problem. `declared` is the number of outputs with those that have no plan. An output that a route names
 * gets records by that.
 */
export function connectWithoutMatch(plan: Plan, declared: number, diagnostics: Diagnostics): void {
  const routed = new Set(plan.inputs.flatMap(({ routes }) => routes?.flatMap(({ outputs }) => outputs) ?? []))
  for (const { spec, name, common, location } of plan.outputs) {
    if (common.match !== undefined || common.matchRegex !== undefined || routed.has(name)) continue
    const message = `[${spec.name}] has no Match`
    if (declared === 1) {
      common.match = '*'
      warn(diagnostics, `${message}: as the only output it gets all records`, location)
    } else {
      const hint = 'set Match; `Match *` stands for all records'
      diagnostics.problems.push(
        problem('E_CONFIG_MISSING_OPTION', `${message}: it would get no records`, location, hint),
      )
    }
  }
}

/**
 * Warns of filters and outputs that cannot get any records: without a match, or with one that no input's tag matches, nor a tag
 * that a filter gives to records. `metricsTags`: tags under which filters show metrics, for the outputs that print them.
 */
export function checkMatches(
  inputs: readonly InputPlan[],
  stages: readonly (FilterPlan | OutputPlan)[],
  diagnostics: Diagnostics,
  newTags: readonly string[] = [],
  metricsTags: readonly string[] = [],
): void {
  if (inputs.length === 0) return
  const withRecords = inputs.filter(({ common, spec }) => common.routable && spec.makesMetrics !== true)
  const tags = [...withRecords.flatMap(tagsOf), ...newTags]
  for (const { spec, common, location, optionLocations } of stages) {
    const { match, matchRegex } = common
    const metrics = spec.kind === 'output' && spec.printsMetrics ? metricsTags : []
    if (match === undefined && matchRegex === undefined) {
      if (spec.kind === 'filter')
        warn(diagnostics, `[${spec.name}] has no Match: the filter has no effect`, location)
    } else if (![...tags, ...metrics].some((tag) => mayMatch(tag, match, matchRegex))) {
      const tagsText =
        tags.length === 0
          ? 'any tag of records'
          : tags.length === 1
            ? `the tag ${tags[0]}`
            : `any of the tags ${tags.join(', ')}`
      const what = matchRegex === undefined ? `Match ${match}` : `Match_Regex ${matchRegex}`
      const where = optionLocations.get(matchRegex === undefined ? 'match' : 'match_regex') ?? location
      warn(diagnostics, `[${spec.name}] ${what} does not match ${tagsText}: it gets no records`, where)
    }
  }
}

/**
 * Warns of an output that writes a file which an input reads whose records it gets, or that connects to one: each record would
 * be sent again, without an end. Not seen: links, host names of this machine, and loops over another agent. `reaches` says
 * whether an output may get records of an input; undefined: its Match or a route does.
 */
export function checkLoops(
  inputs: readonly InputPlan[],
  outputs: readonly OutputPlan[],
  diagnostics: Diagnostics,
  reaches = mayReach,
): void {
  for (const output of outputs) {
    const path = output.spec.writes?.(output.options as never)
    const address = output.spec.connectsTo?.(output.options as never)
    if (path === undefined && address === undefined && output.spec.mayWrite === undefined) continue
    for (const input of inputs) {
      // The match is looked at first: it is cheaper than the patterns of paths, and most pairs do not match.
      if (!reaches(input, output)) continue
      const loop = address === undefined ? fileLoop(input, output, path) : addressLoop(input, address)
      if (loop !== undefined) warn(diagnostics, `${output.name} ${loop}`, output.location)
    }
  }
}

/** Warns of a log of the agent that an input reads: each line that the agent logs about its work becomes a record. */
export function checkLogFile({ service, inputs }: Plan, diagnostics: Diagnostics): void {
  const { logFile } = service
  if (logFile === undefined) return
  for (const { spec, name, options, location } of inputs)
    if (spec.reads?.(options as never, resolve(logFile)) === true)
      warn(
        diagnostics,
        `${name} reads Log_File ${logFile}: a message about its records may become one of them; exclude it with Exclude_Path`,
        location,
      )
}

/** Says what a file is written by an output and read by an input; `path` is undefined when the configuration does not name it. */
function fileLoop(input: InputPlan, output: OutputPlan, path: string | undefined): string | undefined {
  const { spec, name, options } = input
  if (spec.reads === undefined) return undefined
  // A star in a tag is a part that is not known, such as a path of a file.
  const tag = (tagsOf(input)[0] ?? '').replace(GROUP, '*').replaceAll('*', 'x')
  const written = path ?? output.spec.mayWrite?.(output.options as never, tag)
  if (written === undefined || !spec.reads(options as never, resolve(written))) return undefined
  const what = path === undefined ? `may write files such as ${written}` : `writes ${written}`
  return `${what}, which ${name} reads: its lines may be written again without an end; exclude it with Exclude_Path, or write to another directory`
}

/** Addresses of this machine that need no name server. */
const OWN_HOST = /^(?:localhost|127(?:\.\d+){3}|0\.0\.0\.0|\[?::1?\]?|\[?::ffff:127(?:\.\d+){3}\]?)$/i
const WILDCARD = /^(?:0\.0\.0\.0|\[?::\]?)$/

function addressLoop(
  { spec, name, options }: InputPlan,
  { host, port, protocol }: ListenAddress,
): string | undefined {
  const listener = spec.listensOn?.(options as never)
  if (listener === undefined || listener.protocol !== protocol || listener.port !== port) return undefined
  const isSame = host.toLowerCase() === listener.host.toLowerCase()
  const isOwn = OWN_HOST.test(host) && (OWN_HOST.test(listener.host) || WILDCARD.test(listener.host))
  if (!isSame && !isOwn) return undefined
  return `sends to ${host} port ${port}, on which ${name} of this agent listens: its records may be sent again without an end; set another Host or Port, or a Match without the tags of ${name}`
}

function mayReach(input: InputPlan, { name, common: { match, matchRegex } }: OutputPlan): boolean {
  const isRouted = input.routes?.some(({ outputs }) => outputs.includes(name)) === true
  return isRouted || tagsOf(input).some((tag) => mayMatch(tag, match, matchRegex))
}

/** Returns the tags of an input's records, or patterns of those that their paths or senders choose. */
export function tagsOf({ spec, common, options, tag }: InputPlan): readonly string[] {
  return spec.ownTags?.(options as never, tag, common.tag !== undefined) ?? [tag]
}

/** Returns true when the senders of an input may choose the tags of their records. */
export function isTagOfSender(input: InputPlan): boolean {
  return input.spec.ownTags !== undefined && tagsOf(input).some((tag) => tag.includes('*'))
}

/** Returns the tags under which the filters and inputs of a plan show metrics. */
export function metricsTagsOf({ inputs, filters }: Plan): string[] {
  const ofInputs = inputs.filter(({ spec }) => spec.makesMetrics).flatMap(tagsOf)
  return [...ofInputs, ...filters.flatMap(({ spec, options }) => spec.metricsTag?.(options as never) ?? [])]
}

/** Returns false only when no tag can match. In a tag `*` is any text, e.g. the path of a file, and `<name>` a part of it. */
export function mayMatch(tag: string, match: string | undefined, matchRegex: string | undefined): boolean {
  const pattern = tag.replace(GROUP, '*')
  if (matchRegex === undefined) return patternsMeet(pattern, match ?? '')
  return pattern.includes('*') || matchesText(matchRegex, tag)
}

/**
 * Returns true when there is a text that both patterns match. Works from the ends to the beginnings; `row[j]` is the
 * result for a[i...] and b[j...].
 */
export function patternsMeet(a: string, b: string): boolean {
  // The texts before the first star of either decide most pairs, of which there are many.
  const [starOfA, starOfB] = [a.indexOf('*'), b.indexOf('*')]
  if (starOfA < 0 && starOfB < 0) return a === b
  const head = starOfA < 0 ? starOfB : starOfB < 0 ? starOfA : Math.min(starOfA, starOfB)
  if (a.slice(0, head) !== b.slice(0, head)) return false
  let row: boolean[] = Array.from(`${b}.`, (_, j) => onlyStars(b, j))
  for (let i = a.length - 1; i >= 0; i--) {
    const below = row
    row = []
    row[b.length] = onlyStars(a, i)
    for (let j = b.length - 1; j >= 0; j--) {
      // A star matches nothing, or one more character of the other pattern.
      const star = a[i] === '*' || b[j] === '*'
      row[j] = star ? below[j] === true || row[j + 1] === true : a[i] === b[j] && below[j + 1] === true
    }
  }
  return row[0] === true
}

function onlyStars(pattern: string, from: number): boolean {
  for (let i = from; i < pattern.length; i++) if (pattern[i] !== '*') return false
  return true
}

/** Returns the inputs with routes to these outputs only. */
export function withoutMissingOutputs(inputs: InputPlan[], outputs: readonly OutputPlan[]): InputPlan[] {
  const isThere = (wanted: string): boolean => outputs.some(({ name }) => name === wanted)
  return inputs.map((input) => {
    if (input.routes === undefined) return input
    return { ...input, routes: input.routes.map((r) => ({ ...r, outputs: r.outputs.filter(isThere) })) }
  })
}

import { memoryNeed } from '../agent/memory-need.ts'
import { type PreviewedInput, previewInputs } from '../agent/preview.ts'
import type { FindPath } from '../agent/route-path.ts'
import { isLocalByDefault, LOCAL_BY_DEFAULT } from '../agent/stage-place.ts'
import type { Tree } from '../config/config-tree.ts'
import { type EffectiveSection, effectiveSections } from '../config/effective.ts'
import type { MissingPlugin } from '../config/missing-plugins.ts'
import { foldWarnings } from '../config/repeated-messages.ts'
import { isTagOfSender, tagsOf } from '../config/route-check.ts'
import { formatLocation } from '../core/error.ts'
import { escapeControls } from '../core/escape-controls.ts'
import { maskValue } from '../core/mask-secrets.ts'
import { formatSize } from '../core/options/units.ts'
import type { FilterPlan, Plan } from '../core/plan.ts'
import { bytesText } from '../lib/text/bytes.ts'
import { counted } from '../lib/text/counted.ts'
import { countText } from '../lib/text/duration.ts'
import { registry } from '../registry.ts'
import { aligned, joined, PAGE_WIDTH } from './columns.ts'
import { routeLines } from './route-text.ts'
import { wrap } from './wrap.ts'

interface PlanTextOptions {
  plan: Plan
  tree: Tree
  missing: readonly MissingPlugin[]
  /** What differs from the program whose format the file has, each with its place. */
  notes: readonly string[]
  /** Memory limits of the inputs in bytes, by name. */
  inputLimits: ReadonlyMap<string, number>
  find: FindPath
  /** True when the plan is that of what is valid only. */
  isPartial: boolean
}

/** Files of an input that are named; the others are counted. */
const MAX_FILES = 10
const MAX_PLACES = 3
/** Further lines of a route begin below its first stage. */
const ROUTE_INDENT = 9
const NOTE_INDENT = 6

/** Returns a page about what a start would do: inputs, routes, memory, and what of the configuration has no effect. */
export async function planText(options: PlanTextOptions): Promise<string> {
  const { plan, tree, missing, notes, inputLimits, find, isPartial } = options
  const previews = await previewInputs(plan, MAX_FILES)
  const sections = await effectiveSections(tree, registry, process.env)
  const parts = [
    part('inputs', inputsText(previews)),
    part('routes', routesText(plan, find, previews, isPartial ? 'no valid output' : 'no output')),
    part('buffer', bufferText(plan)),
    part('http server', httpServerText(plan)),
    part('memory', memoryText(plan, previews, inputLimits)),
    part('no effect', noEffectText(sections, plan)),
    part(tree.routing === undefined ? 'differences' : 'differences from fluentd', notesText(notes)),
    part('missing', missingRows(missing)),
  ]
  return parts
    .filter((text) => text !== '')
    .map((text) => `${text}\n`)
    .join('')
}

function part(title: string, text: string): string {
  return text === '' ? '' : `${title}\n${text}`
}

function inputsText(previews: readonly PreviewedInput[]): string {
  const width = Math.max(0, ...previews.map(({ input }) => input.name.length))
  return previews.map((preview) => inputText(preview, width)).join('')
}

function inputText({ input, preview, failure, warnings }: PreviewedInput, width: number): string {
  const summary = input.spec.summary.replace(/\.$/, '')
  const source = failure === undefined ? (preview?.source ?? summary) : `not known: ${failure}`
  const rows = (preview?.sources ?? []).map(({ name, start }) => [
    escapeControls(name),
    escapeControls(start),
  ])
  const more = preview !== undefined && preview.more > 0 ? [`and ${countText(preview.more)} more`] : []
  const tags = preview?.tags ?? []
  const tagsLine = tags.length > 1 ? [`tags ${tags[0]} and ${countText(tags.length - 1)} more`] : []
  const local = isLocalByDefault(input) ? [`${LOCAL_BY_DEFAULT}; fluent-bit’s default is 0.0.0.0`] : []
  const notes = [...more, ...tagsLine, ...local, ...(preview?.notes ?? []), ...warnings].map((line) => [
    escapeControls(line),
  ])
  const head = `${maskValue('', source)}, tag ${tagText({ input, preview })}`
  return (
    aligned([[input.name.padEnd(width), escapeControls(head)]], 2) + aligned(rows, 6, 80) + aligned(notes, 6)
  )
}

/** Returns the tag of an input in a few words. */
function tagText({ input, preview }: Pick<PreviewedInput, 'input' | 'preview'>): string {
  const [only] = preview?.tags ?? []
  if (preview?.tags.length === 1 && only !== undefined) return only
  const tags = tagsOf(input)
  if (!isTagOfSender(input)) return tags.join(', ')
  const own = tags.filter((tag) => !tag.includes('*'))
  return [...own, 'chosen by the sender'].join(', or ')
}

/**
 * Returns a line for each way that tags of an input have: the tags that are known now, or their pattern. `nowhere` is the end of a way
 * without an output.
 */
function routesText(
  plan: Plan,
  find: FindPath,
  previews: readonly PreviewedInput[],
  nowhere: string,
): string {
  return aligned(
    previews.flatMap((preview) => routeRows(plan, find, preview, nowhere)),
    2,
  )
}

function routeRows(
  plan: Plan,
  find: FindPath,
  { input, preview }: PreviewedInput,
  nowhere: string,
): string[][] {
  const known = preview?.tags ?? []
  const tags = known.length > 0 ? known : tagsOf(input)
  const byWay = Map.groupBy(tags, (tag) => JSON.stringify(routeLines(plan, find, input, tag, nowhere)))
  const rows: string[][] = []
  for (const [lines, ofWay] of byWay) {
    const [first = ''] = ofWay
    const more = ofWay.length > 1 ? ` and ${countText(ofWay.length - 1)} more` : ''
    const any = ofWay.length === tags.length ? 'any tag' : 'other tags'
    const label = ofWay.includes('*') ? any : `${escapeControls(first)}${more}`
    for (const [i, stages] of (JSON.parse(lines) as string[][]).entries())
      rows.push([
        i === 0 ? input.name : '',
        i === 0 ? label : '',
        `-> ${joined(stages, ' -> ', ROUTE_INDENT)}`,
      ])
  }
  return rows
}

/** Returns where the chunks of inputs are kept on disk, how much of them, and which outputs have names that may change. */
function bufferText({ buffer, outputs }: Plan): string {
  if (buffer === undefined) return ''
  const { folder, inputs, limits } = buffer
  const source = inputs.length === 1 ? 'input' : 'inputs'
  const kept =
    inputs.length === 0 ? 'what an earlier run has left there' : `records of ${source} ${listed(inputs)}`
  const unnamed = outputs.filter(({ common }) => common.alias === undefined).map(({ name }) => name)
  const rows = [
    [escapeControls(folder), `${kept}, until their outputs have them`],
    ...[...limits].map(([output, bytes]) => [
      bytesText(bytes),
      `limit for output ${output}; beyond it, its oldest records are dropped`,
    ]),
  ]
  if (unnamed.length > 0)
    rows.push([
      'no Alias',
      `${listed(unnamed)}: set an Alias: a section added before ${unnamed.length === 1 ? 'it renames it' : 'them renames them'}`,
    ])
  return aligned(rows, 2)
}

/** Returns the first of these names, and how many more there are. */
function listed(names: readonly string[]): string {
  const more = names.length - MAX_FILES
  return more > 0 ? `${names.slice(0, MAX_FILES).join(', ')} and ${countText(more)} more` : names.join(', ')
}

/** Returns the address of the HTTP server, which a fluentd file may have by a source. */
function httpServerText({ service }: Plan): string {
  const { httpServer, httpListen, httpPort } = service
  if (!httpServer) return ''
  const host = httpListen.includes(':') ? `[${httpListen}]` : httpListen
  return aligned(
    [[escapeControls(`http://${host}:${httpPort}`), 'state and metrics, /api/v1/metrics/prometheus']],
    2,
  )
}

/** Returns where the memory limit of an input comes from. */
function limitName(configured: number, limit: number): string {
  if (configured <= 0) return 'an eighth of Memory_Limit'
  return configured > limit
    ? `Memory_Limit, below its Mem_Buf_Limit of ${formatSize(configured)}`
    : 'Mem_Buf_Limit'
}

function memoryText(
  plan: Plan,
  previews: readonly PreviewedInput[],
  limits: ReadonlyMap<string, number>,
): string {
  const files = previews.reduce((sum, { preview }) => sum + (preview?.files ?? 0), 0)

  const { bytes, programBytes, limitFactor, bytesPerFile, filters, records } = memoryNeed(plan, files)
  const rows = plan.inputs.flatMap(({ name, common }) => {
    const limit = limits.get(name)
    if (limit === undefined) return []
    return [[formatSize(limit), `${name}, ${limitName(common.memBufLimit, limit)}`]]
  })
  const { memoryLimit } = plan.service
  const ofFiles = files === 0 ? '' : `, ${formatSize(bytesPerFile)} for each of ${counted(files, 'file')}`
  const ofFilters = filters.length === 0 ? '' : ', and the filters'
  const ofRecords =
    records === undefined
      ? []
      : [
          [
            rounded(records.bytes),
            `${records.name}, a record of ${formatSize(records.recordBytes)} on its way, ${records.factor} times`,
          ],
        ]
  const ofLarge = records === undefined ? '' : ', and a large record'
  const need = `the whole process at most: ${formatSize(programBytes)} for the program, ${limitFactor} x Memory_Limit${ofFiles}${ofFilters}${ofLarge}`
  return aligned(
    [
      [formatSize(memoryLimit), 'all inputs together, Memory_Limit'],
      ...rows,
      ...ofRecords,
      ...filters.map((filter) => [rounded(filter.bytes), `${filter.name}, ${filter.what}`]),
      [rounded(bytes), need],
    ],
    2,
  )
}

function rounded(bytes: number): string {
  return `${Math.ceil(bytes / 1e6)}M`
}

/** Returns the options without effect, with their places, by the reason why they have none. */
/** Returns the options without effect, and the filters: one without a Match gets nothing, e.g. does not redact. */
function noEffectText(sections: readonly EffectiveSection[], plan: Plan): string {
  const found = sections.flatMap(({ options }) =>
    options.flatMap(({ key, origin, noEffect }) =>
      noEffect === undefined ? [] : [{ key, origin, noEffect }],
    ),
  )
  const unmatched = plan.routing !== undefined ? [] : plan.filters.filter(({ common }) => isUnmatched(common))
  const rows = unmatched.map(({ name, location }) => [
    name,
    formatLocation(location),
    'no Match: gets no records',
  ])
  for (const [reason, options] of Map.groupBy(found, ({ noEffect }) => noEffect))
    for (const [key, places] of Map.groupBy(options, (option) => option.key))
      rows.push([
        key,
        places
          .map(({ origin }) => origin)
          .slice(0, MAX_PLACES)
          .join(', '),
        reason,
      ])
  return aligned(rows, 2)
}

function isUnmatched({ match, matchRegex }: FilterPlan['common']): boolean {
  return match === undefined && matchRegex === undefined
}

const PLACED = /^(.*?:\d+:\d+): (.*)$/s

/** Returns the notes with their places; a text that does not fit the line begins on the next one. */
function notesText(notes: readonly string[]): string {
  return foldWarnings(notes)
    .map((note) => {
      const [, place = '', text = note] = PLACED.exec(escapeControls(note)) ?? []
      const line = `  ${place}  ${text}`
      return line.length <= PAGE_WIDTH ? `${line}\n` : `  ${place}\n${wrap(text, PAGE_WIDTH, NOTE_INDENT)}`
    })
    .join('')
}

/** Returns the plugins that are not there, each once, with what stands in for it. */
function missingRows(missing: readonly MissingPlugin[]): string {
  const rows = missing.map(({ kind, name, places, standIn = '' }) => [
    escapeControls(`${kind} ${name}`),
    counted(places.length, 'section'),
    standIn,
  ])
  return aligned(rows, 2)
}

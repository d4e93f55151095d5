import { readFileSync } from 'node:fs'
import { messageOf, ShipperError } from '../../../core/error.ts'
import type { LabelPair, LabelSource } from '../../../lib/loki/record-labels.ts'
import { RecordAccessor } from '../../../lib/records/accessor.ts'
import { labelName } from '../../../protocol/loki/labels.ts'

/** What the labels, the structured metadata and the line of a record are made of. */
export interface LabelPlan {
  fixed: LabelPair[]
  sources: LabelSource[]
  fixedMetadata: LabelPair[]
  metadata: LabelSource[]
  /** Keys that are not in the line, and the paths of keys below others that are not. */
  omitted: string[]
  trimmed: Buffer[][]
}

/** The options that a plan is made of. */
interface PlanOptions {
  labels?: string[] | undefined
  labelKeys?: string[] | undefined
  labelMapPath?: string | undefined
  structuredMetadata?: string[] | undefined
  structuredMetadataMapKeys?: string[] | undefined
  autoKubernetesLabels: boolean
  removeKeys?: string[] | undefined
}

/** Labels of a record that has none. */
export const DEFAULT_LABELS: readonly LabelPair[] = [['job', 'fluent-bit']]

const MAX_MAP_BYTES = 1_000_000
const MAX_MAP_DEPTH = 30

interface ParsedLabel {
  fixed?: LabelPair
  source?: LabelSource
  /** The field that it is the value of. */
  field?: RecordAccessor
}

/** Parses `name=value`, `name=$accessor` or `$accessor`. */
export function parseLabel(item: string): ParsedLabel {
  if (item.startsWith('$')) return parseLabelKey(item)
  const at = item.indexOf('=')
  const name = item.slice(0, at).trim()
  const value = item.slice(at + 1).trim()
  if (/^\{/.test(name) || /["}]$/.test(value)) throw badSelector(item)
  if (at < 0 || name === '' || value === '') throw badLabel(item)
  if (!value.startsWith('$')) return { fixed: [labelName(name), value] }
  return labelOf(labelName(name), value)
}

/** Parses `$accessor`, which is the name of the label as well. */
export function parseLabelKey(item: string): ParsedLabel {
  if (!item.startsWith('$')) throw badLabel(item)
  return labelOf(nameOfAccessor(item), item)
}

/** Parses a field that is not in the line. */
export function parseRemoved(item: string): RecordAccessor {
  return RecordAccessor.parseLoose(item)
}

function labelOf(name: string, text: string): ParsedLabel {
  const [, part] = /^\$TAG(?:\[(\d{1,5})\])?$/.exec(text) ?? []
  if (/^\$TAG(?:\[|$)/.test(text))
    return { source: { name, from: 'tag', ...(part === undefined ? {} : { part: Number(part) }) } }
  const accessor = RecordAccessor.parse(text)
  return { source: { name, from: 'field', accessor }, field: accessor }
}

/** Returns `kubernetes_labels_app` for `$kubernetes['labels']['app']`. */
function nameOfAccessor(text: string): string {
  const flat = text.slice(1).replace(/\[(?:'((?:[^']|'')*)'|"((?:[^"]|"")*)"|(\d+))\]/g, '_$1$2$3')
  return labelName(flat)
}

function badLabel(item: string): ShipperError {
  return new ShipperError('E_CONFIG_BAD_VALUE', `"${item}" has no name and value`, {
    hint: "write name=value, name=$key or $map['key']",
  })
}

/** Returns the error of a selector of LogQL, the form of Grafana's plugin and of promtail. */
function badSelector(item: string): ShipperError {
  return new ShipperError('E_CONFIG_BAD_VALUE', `"${item}" has braces or quotation marks`, {
    hint: 'write labels without them, with commas in between: job=x,env=prod',
  })
}

/** Returns the plan that the options describe; reads Label_Map_Path. */
export function labelPlan(options: PlanOptions): LabelPlan {
  const { structuredMetadataMapKeys = [], autoKubernetesLabels, removeKeys = [] } = options
  const plan: LabelPlan = {
    fixed: [],
    sources: [],
    fixedMetadata: [],
    metadata: [],
    omitted: [],
    trimmed: [],
  }
  const labels = options.labels?.map(parseLabel) ?? []
  for (const label of [...labels, ...(options.labelKeys?.map(parseLabelKey) ?? []), ...mapped(options)])
    addLabel(label, plan.fixed, plan.sources, plan)
  for (const label of options.structuredMetadata?.map(parseLabel) ?? [])
    addLabel(label, plan.fixedMetadata, plan.metadata, plan)
  for (const key of structuredMetadataMapKeys) {
    const accessor = RecordAccessor.parse(key)
    plan.metadata.push({ from: 'map', accessor, anyValues: true, nameOf: labelName })
    remove(accessor, plan)
  }
  if (autoKubernetesLabels) {
    const accessor = RecordAccessor.parse("$kubernetes['labels']")
    plan.sources.push({ from: 'map', accessor, anyValues: false, nameOf: labelName })
  }
  for (const key of removeKeys) remove(parseRemoved(key), plan)
  if (plan.fixed.length + plan.sources.length === 0) plan.fixed.push(...DEFAULT_LABELS)
  return plan
}

function addLabel(
  { fixed, source, field }: ParsedLabel,
  pairs: LabelPair[],
  sources: LabelSource[],
  plan: LabelPlan,
): void {
  if (fixed !== undefined) pairs.push(fixed)
  if (source !== undefined) sources.push(source)
  if (field !== undefined) remove(field, plan)
}

/** Leaves a field out of the line; an item of a list stays. */
function remove(accessor: RecordAccessor, plan: LabelPlan): void {
  const path: Buffer[] = []
  for (let step: RecordAccessor | undefined = accessor; step !== undefined; ) {
    const place: RecordAccessor['place'] = step.place
    if (place === undefined) return
    path.unshift(place.key)
    step = place.parent
  }
  const [first, ...rest] = path as [Buffer, ...Buffer[]]
  if (rest.length === 0) plan.omitted.push(first.toString())
  else plan.trimmed.push(path)
}

/** Returns the labels of Label_Map_Path. */
function mapped({ labelMapPath }: PlanOptions): ParsedLabel[] {
  if (labelMapPath === undefined) return []
  let map: unknown
  try {
    const text = readFileSync(labelMapPath, 'utf8')
    if (text.length > MAX_MAP_BYTES) throw new Error(`it is larger than ${MAX_MAP_BYTES} characters`)
    map = JSON.parse(text)
  } catch (error) {
    throw badMap(labelMapPath, messageOf(error))
  }
  const found: ParsedLabel[] = []
  collect(map, [], found, labelMapPath)
  return found
}

function collect(value: unknown, path: readonly Buffer[], found: ParsedLabel[], file: string): void {
  if (typeof value === 'string' && path.length > 0) {
    const accessor = new RecordAccessor(path)
    found.push({ source: { name: labelName(value), from: 'field', accessor }, field: accessor })
    return
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value) || path.length > MAX_MAP_DEPTH)
    throw badMap(file, `${path.join('.') || 'the whole'} is neither an object nor the name of a label`)
  for (const [key, inner] of Object.entries(value)) collect(inner, [...path, Buffer.from(key)], found, file)
}

function badMap(file: string, reason: string): ShipperError {
  return new ShipperError('E_CONFIG_BAD_VALUE', `Label_Map_Path ${file} cannot be used: ${reason}`, {
    option: 'label_map_path',
    hint: 'the file is a JSON object such as {"kubernetes": {"host": "node"}}, where "node" is the name of a label',
  })
}

import { inputsOf, isChosenTag } from '../agent/route-path.ts'
import type { Trace, TrialRecord, TrialStep } from '../agent/trial/trace.ts'
import { runTrial } from '../agent/trial/trial.ts'
import { tagsOf } from '../config/route-check.ts'
import { ShipperError } from '../core/error.ts'
import { escapeControls, truncate } from '../core/escape-controls.ts'
import { maskJson } from '../core/mask-secrets.ts'
import type { InputPlan, Plan } from '../core/plan.ts'
import { counted } from '../lib/text/counted.ts'
import { countText } from '../lib/text/duration.ts'
import type { Request } from './arguments.ts'
import { aligned } from './columns.ts'
import { readSample } from './sample.ts'
import { print } from './stdout.ts'
import { VERSION } from './version.ts'

const DEFAULT_LINES = 1000
const MAX_NOTE_CHARS = 500
const MAX_LINES = 100_000
const ZEROS = /\.?0+$/

/** Prints what each stage makes of the lines of standard input; `chosen` is the input as which they come. */
export async function tryLines(plan: Plan, request: Request, chosen: InputPlan | undefined): Promise<number> {
  const maxLines = limitOf(request)
  const { tag, input, notes } = sourceOf(plan, request, chosen)
  const sample = await readSample(maxLines)
  const nowMs = Date.now()
  const { json: isJson } = request
  const result = await runTrial(plan, {
    lines: sample.lines,
    tag,
    input,
    isJson,
    nowMs,
    version: VERSION.version,
  })
  for (const note of [...notes, ...sample.notes, ...result.notes, ...result.ends])
    process.stderr.write(`shipper: ${escapeControls(truncate(note, MAX_NOTE_CHARS))}\n`)
  const { traces } = result
  let given = 0
  for (const trace of traces) {
    if (trace.sentOn === undefined) given++
    // Where messages make the tags, the tag says which way a record takes.
    const own = tag.includes('*') && trace.sentOn === undefined ? `, tag ${escapeControls(trace.tag)}` : ''
    await print(traceText(trace, `${titleOf(trace, given)}${own}`, nowMs))
  }
  return print(summary(traces))
}

/** Finds the tag of the sample, and the input as which its lines come. */
function sourceOf(
  plan: Plan,
  { tag: given, json: isJson }: Request,
  chosen: InputPlan | undefined,
): { tag: string; input: InputPlan | undefined; notes: string[] } {
  if (given === undefined && chosen !== undefined && fillsTag(chosen)) {
    const { name } = chosen
    if (isJson) throw usage(`${name} makes its tag from each message: --json needs the tag, --tag TAG`)
    return { tag: chosen.tag, input: chosen, notes: [] }
  }
  const tag = given?.value ?? onlyTag(chosen === undefined ? plan.inputs : [chosen])
  const filling = plan.inputs.find((one) => one.tag === tag && fillsTag(one))
  if (filling !== undefined)
    throw usage(`${filling.name} makes its tag from each message: use --input ${filling.name}`)
  if (tag.includes('*')) throw usage(`--tag needs a tag, and "${tag}" is a pattern`)
  if (chosen !== undefined) return { tag, input: chosen, notes: [] }
  const matching = inputsOf(plan, tag)
  // An input whose senders choose the tags has any tag.
  const certain = matching.filter((one) => !isChosenTag(one, tag))
  const [input, ...others] = certain.length > 0 ? certain : matching
  const lines = isJson ? 'each line is a record' : 'each line is the field "log" of a record'
  if (input === undefined) return { tag, input, notes: [`no input has the tag ${tag}: ${lines}`] }
  const notes =
    others.length === 0
      ? []
      : [`several inputs have the tag ${tag}: the lines are read as by ${input.name}, --input names another`]
  return { tag, input, notes }
}

/** Returns true when the tag of each record depends on the message. */
function fillsTag({ spec, tag }: InputPlan): boolean {
  return spec.fillsTag === true && tag.includes('*')
}

function onlyTag(inputs: readonly InputPlan[]): string {
  const [input] = inputs
  const [tag = '*'] = input === undefined ? [] : tagsOf(input)
  if (input !== undefined && inputs.length === 1 && fillsTag(input)) return tag
  if (inputs.length === 1 && !tag.includes('*') && !tag.includes('<')) return tag
  throw usage('usage: shipper try -c FILE --tag TAG [--input NAME] [--json] [--limit N] < SAMPLE')
}

function limitOf({ limit }: Request): number {
  if (limit === undefined) return DEFAULT_LINES
  const n = Number(limit)
  if (!Number.isInteger(n) || n < 1 || n > MAX_LINES)
    throw usage(`--limit must be a number from 1 to ${MAX_LINES}, not "${limit}"`)
  return n
}

/** Returns the title of a trace; `i` is its number among those of the sample. */
function titleOf({ from, sentOn }: Trace, i: number): string {
  if (sentOn === undefined) return `record ${i}`
  return `sent on by ${from}${sentOn === true ? '' : `, to ${sentOn}`}`
}

function traceText({ from, record, steps }: Trace, title: string, nowMs: number): string {
  const isTimed = Math.abs(Number(record.time) - nowMs / 1000) > 0.001
  const rows = [[from, maskJson(record.json)], ...steps.flatMap(stepRows)]
  if (steps.length === 0) rows.push(['', 'no filter and no output matches: discarded'])
  return `${title}${isTimed ? `, ${dateOf(record)}` : ''}\n${aligned(rows, 2)}`
}

function stepRows({ stage, effect, records, note }: TrialStep): string[][] {
  const suffix = note === undefined ? '' : `  (${note})`
  if (effect === 'output') return [[`-> ${stage}`, '']]
  if (effect === 'refused') return [[`-> ${stage}`, note ?? '']]
  if (effect === 'skipped') return [[stage, 'condition not met']]
  if (effect === 'held') return [[stage, 'held, until records that belong to it have come']]
  if (effect === 'dropped' || effect === 'unchanged') return [[stage, `${effect}${suffix}`]]
  if (effect === 'failed') return [[stage, `fails on it: ${note}`]]
  if (effect === 'sent') return records.map(({ json }) => [stage, `sent to ${note}: ${maskJson(json)}`])
  return records.map(({ json }, i) => [i === 0 ? stage : '', `${maskJson(json)}${suffix}`])
}

function dateOf({ time }: TrialRecord): string {
  const [seconds = '0', nanoseconds = ''] = time.split('.')
  const date = new Date(Number(seconds) * 1000).toISOString().replace('.000Z', '')
  return `${date}${`.${nanoseconds}`.replace(ZEROS, '')}Z`
}

/** Counts records by where they ended. */
function summary(traces: readonly Trace[]): string {
  const counts = new Map<string, number>()
  const count = (what: string, n = 1): void => void counts.set(what, (counts.get(what) ?? 0) + n)
  const sentOn = new Map<string, number>()
  for (const { from, steps, sentOn: isSentOn } of traces) {
    if (isSentOn !== undefined) sentOn.set(from, (sentOn.get(from) ?? 0) + 1)
    const sent = steps.filter(({ effect }) => effect === 'output')
    for (const { stage, records } of sent) count(`to ${stage}`, records.length)
    const refused = steps.filter(({ effect }) => effect === 'refused')
    for (const { stage, records } of refused) count(`not taken by ${stage}`, records.length)
    const last = steps.at(-1)
    if (last?.effect === 'dropped' || last?.effect === 'held') count(`${last.effect} by ${last.stage}`)
    else if (last?.effect === 'failed') count(`given up by ${last.stage}`)
    else if (sent.length === 0 && refused.length === 0) count('to no output')
  }
  const total = counted(traces.filter((trace) => trace.sentOn === undefined).length, 'record')
  const later = [...sentOn].map(([stage, n]) => `; ${stage} sent on ${counted(n, 'record')}`)
  const parts = [...counts].map(([what, n]) => `${countText(n)} ${what}`)
  const ends = [total, parts.join(', ')].filter((part) => part !== '').join(': ')
  return `${escapeControls(`${ends}${later.join('')}`)}\n`
}

function usage(message: string): ShipperError {
  return new ShipperError('E_CLI_USAGE', message)
}

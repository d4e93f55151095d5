import type { InputPlan, Plan } from '../core/plan.ts'
import type { Assembly } from '../engine/assembly.ts'
import type { RunningInput } from '../engine/stages.ts'
import { counted } from '../lib/text/counted.ts'
import { countText } from '../lib/text/duration.ts'
import { reachedOutputs } from './reached-outputs.ts'
import { isLocalByDefault, LOCAL_BY_DEFAULT, placeOf } from './stage-place.ts'

/** The first and the last line of a run: what it does, and what it has done. */

/** Maximum number of stages and routes that the first line names. */
const MAX_NAMED = 8

/**
 * Returns `shipper 0.1.0, shipper.conf: tail.0 6 files, 741 KB to read -> forward.0 10.0.0.5:24224`. Inputs whose records
 * go to the same outputs stand together.
 */
export async function startLine(
  plan: Plan,
  inputs: readonly RunningInput[],
  version: string,
  config?: string,
): Promise<string> {
  const program = `shipper ${version}${config === undefined ? '' : `, ${config}`}`
  if (plan.inputs.length === 0) return `${program}: no input, nothing to send`
  const routes = new Map<string, string[]>()
  for (const input of plan.inputs) {
    const to = named(
      (await reachedOutputs(plan, input)).map((output) => described(output.name, placeOf(output))),
    )
    const found = inputs.find(({ name }) => name === input.name)?.input.found?.()
    const from = routes.get(to) ?? []
    from.push(described(input.name, found ?? placeOf(input)))
    routes.set(to, from)
  }
  if (plan.outputs.length === 0)
    return `${program}: no output, ${[...routes.values()].map(named).join(', ')} not read`
  const texts = [...routes]
    .map(([to, from]) => `${named(from)} -> ${to === '' ? 'no output' : to}`)
    .slice(0, MAX_NAMED)
  const local = plan.inputs.filter(isLocalByDefault).map(({ name }) => name)
  if (local.length > 0) texts.push(`${named(local)} ${LOCAL_BY_DEFAULT}`)
  return `${program}: ${texts.join('; ')}`
}

function named(parts: string[]): string {
  const rest = parts.length - MAX_NAMED
  return rest > 0 ? `${parts.slice(0, MAX_NAMED).join(', ')} and ${rest} more` : parts.join(', ')
}

function described(name: string, what: string | undefined): string {
  return what === undefined ? name : `${name} ${what}`
}

/**
 * Returns `8,408 records sent, all acknowledged`, or what is missing and what becomes of it. `isEndedByFilter`: records that are not
 * acknowledged may be delivered nevertheless, see `FilterContext.endRun`.
 */
export function stopLine(plan: Plan, assembly: Assembly, isEndedByFilter: boolean): string {
  const { outputs, filters, buffer } = assembly.snapshot()
  if (outputs.length === 0) return 'nothing was read or sent'
  const counts = outputs.map(({ name, procRecords }) => ({ name, records: procRecords }))
  const [first] = counts
  const sent =
    counts.length === 1 && first !== undefined
      ? counted(first.records, 'record')
      : counts.map(({ name, records }) => `${name} ${counted(records, 'record')}`).join(', ')
  const failed = filters.filter(({ counters }) => counters.dead_letters !== undefined)
  const dropped =
    outputs.reduce((sum, output) => sum + output.droppedRecords, 0) +
    failed.reduce((sum, { counters }) => sum + (counters.dropped_records ?? 0), 0)
  const letters = [...failed, ...outputs].reduce((sum, { counters }) => sum + (counters.dead_letters ?? 0), 0)
  const open = assembly.inputs.filter(({ stage }) => stage.abortedRecords > 0)
  const aborted = open.reduce((sum, { stage }) => sum + stage.abortedRecords, 0)
  const unread = unreadTexts(assembly.inputs)
  const parts = [`${sent} sent`]
  if (letters > 0) parts.push(`${countText(letters)} given up and kept as dead letters`)
  if (dropped > 0) parts.push(`${countText(dropped)} dropped`)
  const kept = (buffer?.outputs ?? []).filter(({ records }) => records > 0)
  const lost = assembly.buffer?.lostText
  if (lost !== undefined) parts.push(`${lost} lost in damaged files of the buffer`)
  if (kept.length > 0) parts.push(`${keptText(kept)} in the buffer, to be sent by the next run`)
  if (aborted > 0)
    parts.push(
      `${countText(aborted)} not acknowledged: ${fateOf(plan, open, isEndedByFilter ? HELD_BACK : LOST)}`,
    )
  else if (
    dropped + letters + kept.length === 0 &&
    lost === undefined &&
    counts.some(({ records }) => records > 0)
  )
    setWay(parts, plan, counts, unread.length > 0)
  return [...parts, ...unread].join(', ')
}

/** Says in the parts of the line how all records were delivered: some peers acknowledge nothing. `isPart`: others were not read. */
function setWay(
  parts: string[],
  { outputs }: Plan,
  counts: readonly { name: string; records: number }[],
  isPart: boolean,
): void {
  const silent = outputs.filter(({ spec }) => spec.hasAcknowledgements === false).map(({ name }) => name)
  if (silent.length === 0) parts.push(`all ${isPart ? 'of these ' : ''}acknowledged`)
  else if (silent.length === outputs.length) parts.push('without acknowledgements')
  else
    parts[0] = counts
      .map(({ name, records }) => {
        const way = silent.includes(name) ? 'sent (no acknowledgements)' : 'acknowledged'
        return `${name}: ${counted(records, 'record')} ${way}`
      })
      .join('; ')
}

/** Returns what senders without acknowledgements have sent and inputs have not kept, as far as it is known. */
function unreadTexts(inputs: Assembly['inputs']): string[] {
  const sum = (name: string, reason?: string): number =>
    inputs.reduce((total, { counters }) => total + counters.get(name, reason), 0)
  const bytes = sum('lost_bytes', 'memory')
  const connections = sum('cut_connections')
  const texts = bytes > 0 ? [`${countText(bytes)} bytes from senders dropped at the memory limit`] : []
  if (connections > 0) texts.push(`what ${counted(connections, 'connection')} sent last may be lost`)
  return texts
}

function keptText(outputs: readonly { name: string; records: number }[]): string {
  return named(outputs.map(({ name, records }) => `${counted(records, 'record')} for ${name}`))
}

/** Returns what becomes of records that these inputs have read and that are not acknowledged when the agent ends. */
export function fateOf(plan: Plan, inputs: readonly { name: string }[], lost: string = LOST): string {
  const byFate = new Map<string, string[]>()
  for (const { name } of inputs) {
    const input = plan.inputs.find((other) => other.name === name)
    const fate = input === undefined ? lost : inputFate(input, lost)
    byFate.set(fate, [...(byFate.get(fate) ?? []), name])
  }
  return [...byFate].map(([fate, names]) => `${named(names)} ${fate}`).join('; ')
}

const LOST = 'cannot read them again: those that were not sent are lost'
const HELD_BACK = 'cannot read them again; those that are among the sent ones are not lost'

function inputFate({ spec, options }: InputPlan, lost: string): string {
  if (spec.resends === true) return 'has not acknowledged them, so senders that wait for it send them again'
  if (spec.statePath === undefined) return lost
  if (spec.statePath(options as never) !== undefined) return 'reads them again after the next start'
  if (spec.rereads === true) return 'has no DB: the next start reads again what its source has kept'
  const { readFromHead, readFromTail } = options as { readFromHead?: boolean; readFromTail?: boolean }
  return readFromHead === true || readFromTail === false
    ? 'has no DB: the next start reads everything from the beginning'
    : 'has no DB: the next start does not send them'
}

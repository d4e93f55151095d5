import { escapeControls } from '../../core/escape-controls.ts'
import type { FileStatus } from '../../core/plugin.ts'
import type {
  BufferedOutput,
  BufferSnapshot,
  CounterSnapshot,
  FilterSnapshot,
  InputSnapshot,
  OutputSnapshot,
  Snapshot,
} from '../../core/snapshot.ts'
import { bytesText } from '../../lib/text/bytes.ts'
import { counted } from '../../lib/text/counted.ts'
import { durationText } from '../../lib/text/duration.ts'
import { localTime } from '../log/format.ts'
import { timeText } from './human-units.ts'

/**
 * Formats the snapshot for people, for SIGUSR1, SIGCONT and `shipper status`: every input with its files, every filter,
 * every output. Files with the largest lag come first, the others are only counted. The format may change; programs
 * should use `/api/v1/snapshot`.
 */
export function formatDump(snapshot: Snapshot): string {
  return `${dumpLines(snapshot).join('\n')}\n`
}

/** Returns the lines of the dump, without control characters. */
export function dumpLines(snapshot: Snapshot): string[] {
  const { version, hostname, startedMs, nowMs, memory, buffer } = snapshot
  const lines = [
    `--- shipper ${version} on ${hostname}, ${localTime(nowMs)}, up ${timeText(nowMs - startedMs)}`,
    `memory  ${bytesText(memory.used)} of ${bytesText(memory.limit)}`,
  ]
  if (buffer !== undefined) lines.push(...bufferLines(buffer, nowMs))
  for (const input of snapshot.inputs) lines.push(...inputLines(input))
  for (const filter of snapshot.filters) lines.push(...filterLines(filter, nowMs))
  for (const output of snapshot.outputs) lines.push(...outputLines(output, nowMs))
  lines.push('---')
  return lines.map(escapeControls)
}

function bufferLines(buffer: BufferSnapshot, nowMs: number): string[] {
  const { folder, bytes, segments, problem, unwrittenChunks, unwrittenBytes } = buffer
  const age = problem === undefined ? '' : durationText(nowMs - problem.sinceMs)
  const lines = ['', `buffer  ${folder}  ${bytesText(bytes)} in ${counted(segments, 'file')}`]
  if (problem !== undefined)
    lines.push(`  NOT WRITABLE for ${age}, records wait: ${problem.reason}`, `    ${problem.hint}`)
  const { readProblem } = buffer
  if (readProblem !== undefined)
    lines.push(
      `  NOT READABLE for ${durationText(nowMs - readProblem.sinceMs)}, records wait: ${readProblem.reason}`,
      `    ${readProblem.hint}`,
    )
  if (unwrittenChunks > 0)
    lines.push(`  ${counted(unwrittenChunks, 'chunk')}, ${bytesText(unwrittenBytes)}, not on disk yet`)
  const { lostRecords, damagedParts } = buffer
  if (lostRecords > 0) lines.push(`  LOST ${counted(lostRecords, 'record')} in damaged files`)
  if (damagedParts > 0)
    lines.push(`  LOST an unknown number of records in damaged files, parts: ${damagedParts}`)
  const unknown = buffer.unknownOutputs.map(
    ({ name, records, bytes: size }) =>
      `  for ${name}: ${counted(records, 'record')}, ${bytesText(size)}, KEPT: no output in the configuration has this name`,
  )
  return [...lines, ...buffer.outputs.map(bufferedLine), ...unknown]
}

function bufferedLine({ name, chunks, records, bytes, ...output }: BufferedOutput): string {
  const { chunksInMemory, droppedRecords, limitBytes } = output
  const limit = limitBytes === undefined ? '' : ` of ${bytesText(limitBytes)}`
  const dropped = droppedRecords === 0 ? '' : `, DROPPED ${counted(droppedRecords, 'record')} at the limit`
  const inChunks = counted(chunks, 'chunk')
  return `  for ${name}: ${counted(records, 'record')}, ${bytesText(bytes)}${limit}, in ${inChunks}, ${chunksInMemory} in memory${dropped}`
}

function inputLines(input: InputSnapshot): string[] {
  const limit = input.memoryLimit > 0 ? ` of ${bytesText(input.memoryLimit)}` : ''
  const files = input.status?.files
  return [
    '',
    `input   ${titleOf(input)}  ${counted(input.records, 'record')}, ${bytesText(input.bytes)}`,
    `  memory ${bytesText(input.memory)}${limit}${input.paused ? ', PAUSED at its limit' : ''}`,
    ...counterLines(input),
    ...(files === undefined ? [] : fileLines(files)),
  ]
}

function fileLines(files: FileStatus[]): string[] {
  const lag = files.reduce((sum, file) => sum + file.lag, 0)
  const title = `  ${counted(files.length, 'file')}, lag ${bytesText(lag)}`
  if (files.length === 0) return [title]
  const sorted = [...files].sort((a, b) => b.lag - a.lag)
  const hidden = sorted.splice(MAX_FILES).length
  const rows = sorted.map((f) => [
    f.state,
    String(f.lag),
    String(f.size),
    String(f.read),
    String(f.acked),
    `${f.device}:${f.inode}`,
    f.path,
  ])
  const table = alignColumns([['STATE', 'LAG', 'SIZE', 'READ', 'ACKED', 'DEV:INODE', 'PATH'], ...rows])
  return [title, ...table, ...(hidden > 0 ? [`    ${hidden} more with no more lag: see /api/v1/files`] : [])]
}

/** Files that are listed per input: a dump of thousands would fill the log. */
const MAX_FILES = 200

function filterLines(filter: FilterSnapshot, nowMs: number): string[] {
  const changes = `dropped ${filter.dropRecords}, added ${filter.addRecords}`
  return [
    '',
    `filter  ${titleOf(filter)}  ${counted(filter.records, 'record')}, ${bytesText(filter.bytes)}, ${changes}`,
    ...unkeptLines(filter, nowMs),
    ...counterLines(filter),
  ]
}

function outputLines(output: OutputSnapshot, nowMs: number): string[] {
  const next =
    output.retryAtMs === undefined ? '' : `, next retry in ${secondsUntil(output.retryAtMs, nowMs)}`
  const retries = `retries ${output.retries} (${counted(output.retriedRecords, 'record')})`
  const dropped = `retries exhausted for ${counted(output.retriesFailed, 'chunk')}, dropped ${counted(output.droppedRecords, 'record')}`
  return [
    '',
    `output  ${titleOf(output)}  ${counted(output.procRecords, 'record')}, ${bytesText(output.procBytes)}`,
    `  chunks waiting ${output.waiting}, in flight ${output.inFlight}, retrying ${output.retrying}${next}`,
    `  errors ${output.errors}, ${retries}, ${dropped}`,
    ...heldLines(output),
    ...unkeptLines(output, nowMs),
    ...downLines(output, nowMs),
    ...(output.lastError === undefined ? [] : [`  last error: ${output.lastError}`]),
    ...counterLines(output),
  ]
}

function heldLines({ held }: OutputSnapshot): string[] {
  if (held === undefined) return []
  return [`  ${counted(held.records, 'record')}, ${bytesText(held.bytes)}, ${held.where}`]
}

function unkeptLines({ unkept }: OutputSnapshot | FilterSnapshot, nowMs: number): string[] {
  if (unkept === undefined) return []
  const age = durationText(nowMs - unkept.sinceMs)
  return [`  DEAD LETTERS cannot be kept for ${age}, records wait: ${unkept.reason}`, `    ${unkept.hint}`]
}

function downLines({ down, lastDeliveryMs }: OutputSnapshot, nowMs: number): string[] {
  const last = lastDeliveryMs === undefined ? 'never' : `${durationText(nowMs - lastDeliveryMs)} ago`
  if (down === undefined) return [`  last delivery ${last}`]
  const attempts = counted(down.attempts, 'attempt')
  return [`  DOWN for ${durationText(nowMs - down.sinceMs)}, ${attempts}; last delivery ${last}`]
}

function titleOf({ name, plugin }: { name: string; plugin: string }): string {
  return name === plugin || name.startsWith(`${plugin}.`) ? name : `${name} (${plugin})`
}

function counterLines({ counters, counterReasons }: CounterSnapshot): string[] {
  const text = (counts: Readonly<Record<string, number>>, describe: (name: string) => string): string =>
    Object.entries(counts)
      .filter(([, value]) => value !== 0)
      .map(([name, value]) => `${name} ${value}${describe(name)}`)
      .join(', ')
  const reasonsOf = (name: string): string => {
    const reasons = text(counterReasons[name] ?? {}, () => '')
    return reasons === '' ? '' : ` (${reasons})`
  }
  const line = text(counters, reasonsOf)
  return line === '' ? [] : [`  ${line}`]
}

function secondsUntil(atMs: number, nowMs: number): string {
  return `${(Math.max(0, atMs - nowMs) / 1000).toFixed(1)} s`
}

/** Pads columns to their widest cell; numbers are aligned right, the last column is not padded. */
function alignColumns(rows: string[][]): string[] {
  const widths: number[] = []
  for (const row of rows) {
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, cell.length)
    })
  }
  return rows.map((row) => {
    const cells = row.map((cell, i) => {
      if (i === row.length - 1) return cell
      const width = widths[i] as number
      return NUMERIC_COLUMNS.has(i) ? cell.padStart(width) : cell.padEnd(width)
    })
    return `    ${cells.join('  ')}`
  })
}

/** Columns LAG, SIZE, READ and ACKED. */
const NUMERIC_COLUMNS = new Set([1, 2, 3, 4])

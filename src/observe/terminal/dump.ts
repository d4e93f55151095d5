import { escapeControls } from '../../core/escape-controls.ts'
import type { FileStatus } from '../../core/plugin.ts'
import type {
  CounterSnapshot,
  FilterSnapshot,
  InputSnapshot,
  OutputSnapshot,
  Snapshot,
} from '../../core/snapshot.ts'
import { localTime } from '../log/format.ts'
import { bytesText, timeText } from './human-units.ts'

/**
 * Formats the snapshot for people, for SIGUSR1 and SIGCONT: every input with its files, every filter, every
 * output. Files with the largest lag come first. The format may change; programs should use `/api/v1/files`.
 */
export function formatDump(snapshot: Snapshot): string {
  const { version, hostname, startedMs, nowMs, memory } = snapshot
  const lines = [
    `--- shipper ${version} on ${hostname}, ${localTime(nowMs)}, up ${timeText(nowMs - startedMs)}`,
    `memory  ${bytesText(memory.used)} of ${bytesText(memory.limit)}`,
  ]
  for (const input of snapshot.inputs) lines.push(...inputLines(input))
  for (const filter of snapshot.filters) lines.push(...filterLines(filter))
  for (const output of snapshot.outputs) lines.push(...outputLines(output, nowMs))
  lines.push('---')
  return `${lines.map(escapeControls).join('\n')}\n`
}

function inputLines(input: InputSnapshot): string[] {
  const limit = input.memoryLimit > 0 ? ` of ${bytesText(input.memoryLimit)}` : ''
  const files = input.status?.files
  return [
    '',
    `input   ${titleOf(input)}  ${input.records} records, ${bytesText(input.bytes)}`,
    `  memory ${bytesText(input.memory)}${limit}${input.paused ? ', PAUSED at its limit' : ''}`,
    ...counterLines(input),
    ...(files === undefined ? [] : fileLines(files)),
  ]
}

function fileLines(files: FileStatus[]): string[] {
  const lag = files.reduce((sum, file) => sum + file.lag, 0)
  const title = `  ${files.length} ${files.length === 1 ? 'file' : 'files'}, lag ${bytesText(lag)}`
  if (files.length === 0) return [title]
  const sorted = [...files].sort((a, b) => b.lag - a.lag)
  const rows = sorted.map((f) => [
    f.state,
    String(f.lag),
    String(f.size),
    String(f.read),
    String(f.acked),
    `${f.device}:${f.inode}`,
    f.path,
  ])
  return [title, ...alignColumns([['STATE', 'LAG', 'SIZE', 'READ', 'ACKED', 'DEV:INODE', 'PATH'], ...rows])]
}

function filterLines(filter: FilterSnapshot): string[] {
  const changes = `dropped ${filter.dropRecords}, added ${filter.addRecords}`
  return [
    '',
    `filter  ${titleOf(filter)}  ${filter.records} records, ${bytesText(filter.bytes)}, ${changes}`,
    ...counterLines(filter),
  ]
}

function outputLines(output: OutputSnapshot, nowMs: number): string[] {
  const next =
    output.retryAtMs === undefined ? '' : `, next retry in ${secondsUntil(output.retryAtMs, nowMs)}`
  const retries = `retries ${output.retries} (${output.retriedRecords} records)`
  const dropped = `retries exhausted for ${output.retriesFailed} chunks, dropped ${output.droppedRecords} records`
  return [
    '',
    `output  ${titleOf(output)}  ${output.procRecords} records, ${bytesText(output.procBytes)}`,
    `  chunks waiting ${output.waiting}, in flight ${output.inFlight}, retrying ${output.retrying}${next}`,
    `  errors ${output.errors}, ${retries}, ${dropped}`,
    ...(output.lastError === undefined ? [] : [`  last error: ${output.lastError}`]),
    ...counterLines(output),
  ]
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

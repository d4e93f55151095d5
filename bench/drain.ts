import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Dataset } from './data.ts'
import { floorCommand } from './floor-program.ts'
import { measure, median, type Usage } from './measure.ts'
import { PeerProcess } from './peer-process.ts'
import { apiOfPods, kubernetesFilter } from './pods.ts'
import type { Summary } from './sink.ts'
import { type Agent, drainCommand, WORKLOADS, type Workload } from './workloads.ts'

/** Measurements of one workload. */
export interface DrainResult {
  name: string
  title: string
  bytes: number
  records: number
  floor: Usage[]
  runs: Usage[]
  /** Runs of the same with a quarter of the data, which tell the cost of the start from that of the bytes. */
  quarter: { bytes: number; floor: Usage[]; runs: Usage[] }
  peer: Usage[]
  /** Runs of an older binary. */
  before: Usage[]
  /** Records that did not arrive as expected, in words; empty if all did. */
  problems: string[]
}

export interface DrainOptions {
  agent: Agent
  peer: Agent | undefined
  before?: Agent | undefined
  runs: number
  lines: number
}

/**
 * Runs one workload: once against the checking sink, which inspects every record (and warms the page cache), then
 * `runs` times alternating between floor and agent, so that both see the same noise of the machine.
 */
export async function drain(workload: Workload, options: DrainOptions): Promise<DrainResult> {
  const data = workload.data(options.lines)
  const part = workload.data(options.lines / 4)
  const { bytes, records } = data
  const { name, title } = workload
  const quarter = { bytes: part.bytes, floor: [], runs: [] }
  const result: DrainResult = {
    ...{ name, title, bytes, records, quarter },
    ...{ floor: [], runs: [], peer: [], before: [], problems: [] },
  }
  const sinks = await Promise.all([
    PeerProcess.start<Summary>(SINK, 'check'),
    PeerProcess.start<Summary>(SINK, 'count'),
    PeerProcess.start<Summary>(SINK, 'discard'),
  ])
  const [check, count, discard] = sinks
  const api = workload.pods === undefined ? undefined : await apiOfPods(workload.pods, workload.annotations)
  const once = (agent: Agent, port: number, from = data) => {
    const filter = api === undefined ? [] : kubernetesFilter(api, from, agent.kubernetes)
    return drainOnce(agent, workload, from, { port, filter })
  }
  const floor = ({ files }: Dataset) => measure([...floorCommand().command, String(discard.port), ...files])
  try {
    if (workload.output === 'forward') {
      await once(options.agent, check.port)
      const summary = await check.take()
      verify(result, summary, 'checked')
      verifySize(result, summary, workload)
    }
    for (let i = 0; i < options.runs; i++) {
      result.floor.push(await floor(data))
      result.runs.push(await once(options.agent, count.port))
      if (workload.output === 'forward') verify(result, await count.take(), 'counted')
      result.quarter.floor.push(await floor(part))
      result.quarter.runs.push(await once(options.agent, count.port, part))
      if (options.before !== undefined) result.before.push(await once(options.before, count.port))
      await count.take()
      if (options.peer === undefined) continue
      result.peer.push(await once(options.peer, count.port))
      const summary = await count.take()
      if (workload.output === 'forward') verify(result, summary, 'of the peer')
      verifySize(result, summary, workload)
    }
  } finally {
    for (const sink of sinks) sink.close()
    await api?.down()
  }
  return result
}

const SINK = resolve(import.meta.dirname, 'sink.ts')

async function drainOnce(
  agent: Agent,
  workload: Workload,
  data: Dataset,
  sink: { port: number; filter: string[] },
): Promise<Usage> {
  const directory = mkdtempSync(join(tmpdir(), 'shipper-bench-'))
  try {
    return await measure(drainCommand(agent, workload, data.path, { ...sink, db: join(directory, 'pos.db') }))
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Reports records that are too small to have the metadata of the filter. */
function verifySize({ name, problems }: DrainResult, summary: Summary, { entryBytes = 0 }: Workload): void {
  if (summary.payloadBytes >= summary.records * entryBytes) return
  problems.push(`${name}: ${(summary.payloadBytes / summary.records).toFixed(0)} bytes per record`)
}

/** `run`: which run it was. The sink has looked at each record only if it was checked. */
function verify(result: DrainResult, summary: Summary, run: 'checked' | 'counted' | 'of the peer'): void {
  const of = run === 'of the peer' ? ' of the peer' : ''
  const report = (what: string) => result.problems.push(`${result.name}: ${what}${of}`)
  for (const error of summary.errors) report(error)
  if (summary.records !== result.records) report(`${summary.records} of ${result.records} records arrived`)
  if (summary.acks !== summary.frames)
    report(`${summary.frames - summary.acks} chunks did not request an ack`)
  if (run !== 'checked') return
  if (summary.distinct !== result.records)
    report(`${result.records - summary.distinct} record numbers are missing`)
  if (summary.repeated !== 0) report(`${summary.repeated} record numbers arrived more than once`)
}

/** Medians of a series of runs, in the units of the tables. */
export interface Figures {
  mbPerCpuS: number
  wallMbS: number
  peakRssMb: number
}

/** Returns the CPU time of fluent-bit as a multiple of the floor: of the same run, or of the earlier one that the workload states. */
export function fluentBitFloors({ name, bytes, peer, floor }: DrainResult): number | undefined {
  if (peer.length === 0) return WORKLOADS.find((workload) => workload.name === name)?.fluentBit
  return figures(bytes, floor).mbPerCpuS / figures(bytes, peer).mbPerCpuS
}

/** CPU time of a run in ms: of its start, with all that is done once, and of each further GB. */
export interface Costs {
  startMs: number
  msPerGb: number
}

/** Returns the line through the medians of the runs with all of the data and with a quarter of it. */
export function costs(bytes: number, runs: Usage[], quarter: { bytes: number; runs: Usage[] }): Costs {
  const [all, part] = [runs, quarter.runs].map((each) => median(each.map((run) => run.cpuMs))) as [
    number,
    number,
  ]
  const msPerGb = ((all - part) / (bytes - quarter.bytes)) * 1e9
  return { startMs: all - (msPerGb * bytes) / 1e9, msPerGb }
}

/** Returns the medians of runs that each read `bytes`. */
export function figures(bytes: number, runs: Usage[]): Figures {
  return {
    mbPerCpuS: bytes / 1e3 / median(runs.map((run) => run.cpuMs)),
    wallMbS: bytes / 1e3 / median(runs.map((run) => run.wallMs)),
    peakRssMb: median(runs.map((run) => run.peakRssMb)),
  }
}

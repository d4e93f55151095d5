import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { type Dataset, dataset } from './data.ts'
import { measure, type Usage } from './measure.ts'
import { PeerProcess } from './peer-process.ts'
import { apiOfPods, datasetOfPods, kubernetesFilter } from './pods.ts'
import type { StoreSummary } from './store.ts'
import { type Agent, tailArguments } from './workloads.ts'

/** A file, or the logs of a node, sent to a store over HTTP. */
interface StoreWorkload {
  name: string
  title: string
  output: string[]
  /** Number of pods that wrote the data. */
  pods?: number
  goal: StoreGoal
}

interface StoreGoal {
  mbPerCpuS: number
  peakRssMb: number
}

export interface StoreResult {
  name: string
  title: string
  goal: StoreGoal
  bytes: number
  records: number
  runs: Usage[]
  /** Runs of an older binary, and of fluent-bit. */
  before: Usage[]
  peer: Usage[]
  problems: string[]
}

const PEAK_RSS_MB = 100
const STORE = resolve(import.meta.dirname, 'store.ts')
const PODS = 110

function goal(mbPerCpuS: number): StoreGoal {
  return { mbPerCpuS, peakRssMb: PEAK_RSS_MB }
}

const JSON_LINES = ['http', 'uri=/', 'format=json_lines']

export const STORE_WORKLOADS: readonly StoreWorkload[] = [
  { name: 'es', title: 'tail → es', output: ['es'], goal: goal(300) },
  { name: 'es-gzip', title: 'tail → es, gzip', output: ['es', 'compress=gzip'], goal: goal(170) },
  { name: 'es-zstd', title: 'tail → es, zstd', output: ['es', 'compress=zstd'], goal: goal(170) },
  { name: 'http', title: 'tail → http, json_lines', output: JSON_LINES, goal: goal(300) },
  { name: 'loki', title: 'tail → loki, protobuf and snappy', output: ['loki'], goal: goal(150) },
  { name: 'otlp', title: 'tail → opentelemetry', output: ['opentelemetry'], goal: goal(300) },
  {
    name: 'kube-es',
    title: `CRI of ${PODS} pods, kubernetes, Merge_Log → es`,
    output: ['es'],
    pods: PODS,
    goal: goal(150),
  },
]

interface StoreOptions {
  agent: Agent
  before: Agent | undefined
  peer: Agent | undefined
  runs: number
  lines: number
}

/** Runs one workload: once against the store that looks at each record, then `runs` times, alternating between the agents. */
export async function toStore(workload: StoreWorkload, options: StoreOptions): Promise<StoreResult> {
  const { lines, agent, before, peer } = options
  const { name, title, pods } = workload
  const data = pods === undefined ? dataset('raw', lines) : datasetOfPods(pods, lines)
  const { bytes, records } = data
  const result: StoreResult = {
    ...{ name, title, goal: workload.goal, bytes, records },
    ...{ runs: [], before: [], peer: [], problems: [] },
  }
  const stores = await Promise.all([
    PeerProcess.start<StoreSummary>(STORE, 'check'),
    PeerProcess.start<StoreSummary>(STORE, 'count'),
  ])
  const [check, count] = stores
  const api = pods === undefined ? undefined : await apiOfPods(pods)
  const once = (each: Agent, port: number): Promise<Usage> => {
    const filter = api === undefined ? [] : kubernetesFilter(api, data, each.kubernetes)
    return sendAll(each, workload, data, { port, filter })
  }
  try {
    await once(agent, check.port)
    verify(result, await check.take())
    for (let i = 0; i < options.runs; i++) {
      result.runs.push(await once(agent, count.port))
      if (before !== undefined) result.before.push(await once(before, count.port))
      if (peer !== undefined) result.peer.push(await once(peer, count.port))
    }
  } finally {
    for (const store of stores) store.close()
    await api?.down()
  }
  return result
}

async function sendAll(
  agent: Agent,
  { output, pods }: StoreWorkload,
  data: Dataset,
  { port, filter }: { port: number; filter: string[] },
): Promise<Usage> {
  const directory = mkdtempSync(join(tmpdir(), 'shipper-bench-'))
  const [name = '', ...properties] = output
  const tail = [
    'exit_on_eof=on',
    ...agent.tail,
    ...(pods === undefined ? [] : ['multiline.parser=docker,cri']),
  ]
  const tag = pods === undefined ? 'app' : 'kube.*'
  try {
    return await measure([
      ...agent.command,
      ...tailArguments(data.path, join(directory, 'pos.db'), tail, tag),
      ...filter,
      ...['-o', name, '-m', '*'],
      ...['host=127.0.0.1', `port=${port}`, ...properties].flatMap((property) => ['-p', property]),
      ...['-f', agent.flush],
    ])
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

function verify({ name, records, problems }: StoreResult, summary: StoreSummary): void {
  for (const error of summary.errors) problems.push(`${name}: ${error}`)
  const { distinct, repeated } = summary
  if (distinct !== records) problems.push(`${name}: ${records - distinct} record numbers are missing`)
  if (repeated !== 0) problems.push(`${name}: ${repeated} record numbers arrived more than once`)
}

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type Dataset, DIRECTORY, dataset, datasetOfFiles } from './data.ts'
import { datasetOfPods, NODE } from './pods.ts'

/** Files that a process reads once from start to end. */
export interface Workload {
  name: string
  title: string
  data(lines: number): Dataset
  /** Options of the tail input other than path, database and Exit_On_Eof. */
  tail: string[]
  parser?: string
  /** Number of pods that wrote the data: the kubernetes filter requests them from an API server. */
  pods?: number
  /** Annotations of these pods. */
  annotations?: Record<string, string>
  /** Minimum average length of an entry in bytes, which shows that the filter has added the metadata. */
  entryBytes?: number
  output: 'forward' | 'null'
  forward: string[]
  goal: Goal
  /** Result of fluent-bit 5.1.1 with its best settings, in an earlier run on a similar machine, as n in floor / n. */
  fluentBit?: number
}

export interface Goal {
  /** Maximum CPU time as a multiple of the floor. */
  floors?: number
  wallMbS?: number
  peakRssMb: number
}

const PEAK_RSS_MB = 58
const FLUSH_S = '1'
export const PARSERS = resolve(import.meta.dirname, 'parsers.conf')

export function oneFile(shape: 'raw' | 'cri' | 'docker' | 'nginx' | 'json'): (lines: number) => Dataset {
  return (lines) => dataset(shape, lines)
}

const PLAIN: Pick<Workload, 'tail' | 'output' | 'forward'> = { tail: [], output: 'forward', forward: [] }

/** Returns a workload with the logs of a node: records grow from 190 to about 870 bytes. */
function node(pods: number): Pick<Workload, 'data' | 'tail' | 'output' | 'forward' | 'pods' | 'entryBytes'> {
  const tail = ['multiline.parser=docker,cri']
  return { ...PLAIN, tail, pods, entryBytes: 800, data: (lines) => datasetOfPods(pods, lines) }
}

export const WORKLOADS: Workload[] = [
  {
    ...PLAIN,
    name: 'raw',
    title: 'raw lines → forward, acks, SQLite',
    data: oneFile('raw'),
    goal: { floors: 2, peakRssMb: PEAK_RSS_MB },
    fluentBit: 9,
  },
  {
    ...PLAIN,
    name: 'cri',
    title: 'CRI, multiline.parser cri → forward',
    data: oneFile('cri'),
    tail: ['multiline.parser=docker,cri'],
    goal: { floors: 3, peakRssMb: PEAK_RSS_MB },
    fluentBit: 32,
  },
  {
    ...PLAIN,
    name: 'cri-regex',
    title: "CRI, a user's regex → forward",
    data: oneFile('cri'),
    parser: 'user-cri',
    goal: { floors: 3, peakRssMb: PEAK_RSS_MB },
    fluentBit: 32,
  },
  {
    ...PLAIN,
    name: 'docker',
    title: 'docker JSON, parser docker → forward',
    data: oneFile('docker'),
    parser: 'docker',
    goal: { floors: 2.8, peakRssMb: PEAK_RSS_MB },
    fluentBit: 17,
  },
  {
    ...PLAIN,
    name: 'nginx',
    title: 'nginx access lines, parser nginx → forward',
    data: oneFile('nginx'),
    parser: 'nginx',
    goal: { floors: 6, peakRssMb: PEAK_RSS_MB + 6 },
    fluentBit: 46,
  },
  {
    ...PLAIN,
    name: 'nginx-stock',
    title: "nginx access lines, fluent-bit's expression → forward",
    data: oneFile('nginx'),
    parser: 'stock-nginx',
    goal: { floors: 8, peakRssMb: PEAK_RSS_MB + 6 },
    fluentBit: 46,
  },
  {
    ...PLAIN,
    name: 'json',
    title: 'JSON lines of 12 keys, parser json → forward',
    data: oneFile('json'),
    parser: 'app-json',
    goal: { floors: 6, peakRssMb: PEAK_RSS_MB + 6 },
  },
  {
    ...PLAIN,
    name: 'files',
    title: '500 files of 2,000 lines → forward',
    data: (lines) => datasetOfFiles(500, lines / 1000),
    goal: { floors: 3, peakRssMb: PEAK_RSS_MB },
    fluentBit: 11,
  },
  {
    ...PLAIN,
    name: 'files-10k',
    title: '10,000 files of 100 lines → forward',
    data: (lines) => datasetOfFiles(10_000, lines / 20_000),
    goal: { peakRssMb: 80 },
  },
  {
    ...PLAIN,
    name: 'limit',
    title: 'raw, Mem_Buf_Limit 5MB, Flush 1 → forward',
    data: oneFile('raw'),
    tail: ['mem_buf_limit=5MB'],
    goal: { wallMbS: 400, peakRssMb: PEAK_RSS_MB },
  },
  {
    ...node(110),
    name: 'kube',
    title: 'CRI of 110 pods, kubernetes, Merge_Log → forward',
    goal: { floors: 6, peakRssMb: 72 },
    fluentBit: 77,
  },
  {
    ...node(110),
    name: 'kube-nginx',
    title: 'CRI of 110 pods with fluentbit.io/parser: nginx → forward',
    data: (lines) => datasetOfPods(110, lines, 'kube-nginx'),
    annotations: { 'fluentbit.io/parser': 'nginx' },
    goal: { peakRssMb: 72 },
  },
  {
    ...node(500),
    name: 'kube-500',
    title: 'CRI of 500 pods, kubernetes, Merge_Log → forward',
    goal: { floors: 6, peakRssMb: 80 },
  },
  {
    ...node(110),
    name: 'kube-limit',
    title: 'CRI of 110 pods, kubernetes, Mem_Buf_Limit 5MB → forward',
    tail: [...node(110).tail, 'mem_buf_limit=5MB'],
    goal: { wallMbS: 150, peakRssMb: 72 },
  },
  {
    ...PLAIN,
    name: 'gzip',
    title: 'raw → forward, Compress gzip',
    data: oneFile('raw'),
    forward: ['compress=gzip'],
    goal: { peakRssMb: PEAK_RSS_MB },
  },
  {
    ...PLAIN,
    name: 'null',
    title: 'raw → null (arrival not checked)',
    data: oneFile('raw'),
    output: 'null',
    goal: { peakRssMb: PEAK_RSS_MB },
    fluentBit: 3.6,
  },
]

export interface Agent {
  /** Program and leading arguments. */
  command: string[]
  /** Flush in seconds, the file with [PARSER] sections, and further options of this agent. */
  flush: string
  parsers: string
  tail: string[]
  forward: string[]
  kubernetes: string[]
  kafkaRaw: string[]
}

export function shipper(command: string[], parsers: string): Agent {
  const kubernetes = [`kube_node_name=${NODE}`]
  return { command, flush: FLUSH_S, parsers, tail: [], forward: [], kubernetes, kafkaRaw: [] }
}

/**
 * Returns fluent-bit with acks on and with the two settings changed that cost it most: its best figures. It asks the API server
 * nothing without a token, and sends nothing in the format raw without the name of the key. What is in conf/parsers.conf of
 * shipper is built into shipper: `parsers` gets fluent-bit's own definitions of the same names.
 */
export function fluentBit(command: string[], parsers: string): Agent {
  const token = generated('token', 'bench')
  const namespace = generated('namespace', 'bench')
  const own = resolve(import.meta.dirname, 'peer-parsers.conf')
  return {
    command,
    flush: '0.2',
    parsers: generated('peer-parsers.conf', `${readFileSync(parsers, 'utf8')}\n${readFileSync(own, 'utf8')}`),
    tail: ['file_cache_advise=off'],
    forward: ['require_ack_response=on', 'retry_limit=no_limits'],
    kubernetes: [`kube_token_file=${token}`, `kube_namespace_file=${namespace}`],
    kafkaRaw: ['raw_log_key=log'],
  }
}

/** Writes a small file next to the data; returns its path. */
function generated(name: string, text: string): string {
  mkdirSync(DIRECTORY, { recursive: true })
  const path = join(DIRECTORY, name)
  writeFileSync(path, text)
  return path
}

export interface Destination {
  port: number
  /** Path of the offset database. */
  db: string
  /** Arguments of a filter between input and output. */
  filter?: string[]
}

/** Returns the command line that drains the workload. */
export function drainCommand(
  agent: Agent,
  workload: Workload,
  path: string,
  destination: Destination,
): string[] {
  const parser = workload.parser === undefined ? [] : [`parser=${workload.parser}`]
  return [
    ...agent.command,
    ...(workload.parser === undefined ? [] : ['-R', agent.parsers]),
    ...tailArguments(
      path,
      destination.db,
      ['exit_on_eof=on', ...parser, ...agent.tail, ...workload.tail],
      workload.pods === undefined ? 'app' : 'kube.*',
    ),
    ...(destination.filter ?? []),
    ...outputArguments(workload.output, destination.port, [...agent.forward, ...workload.forward]),
    ...['-f', agent.flush],
  ]
}

/** Returns a command line that follows files until it is stopped. */
export function followCommand(
  agent: Agent,
  path: string,
  destination: Destination,
  { flush, tag = 'app' }: { flush: string; tag?: string },
): string[] {
  return [
    ...agent.command,
    ...tailArguments(path, destination.db, agent.tail, tag),
    ...outputArguments('forward', destination.port, agent.forward),
    ...['-f', flush],
  ]
}

export function tailArguments(path: string, db: string, properties: string[], tag = 'app'): string[] {
  const all = [`path=${path}`, 'read_from_head=on', `db=${db}`, ...properties]
  return ['-i', 'tail', '-t', tag, ...all.flatMap((property) => ['-p', property])]
}

function outputArguments(output: 'forward' | 'null', port: number, properties: string[]): string[] {
  if (output === 'null') return ['-o', 'null', '-m', '*']
  const all = ['host=127.0.0.1', `port=${port}`, ...properties]
  return ['-o', 'forward', '-m', '*', ...all.flatMap((property) => ['-p', property])]
}

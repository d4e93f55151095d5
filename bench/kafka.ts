import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { KafkaBroker } from '../test/support/kafka/brokers.ts'
import { cleanUp } from '../test/support/tmp.ts'
import { until } from '../test/support/until.ts'
import { dataset } from './data.ts'
import { Child, measure, type Usage } from './measure.ts'
import { rsyslog } from './rsyslog.ts'
import type { Agent } from './workloads.ts'

/** One file sent to one partition of a real broker (acks=all, idempotent) by shipper and other installed clients. */
export interface KafkaResult {
  bytes: number
  records: number
  clients: { title: string; goal: KafkaGoal | undefined; runs: Usage[] }[]
  problems: string[]
}

export interface KafkaGoal {
  mbPerCpuS: number
  peakRssMb: number
}

interface Job {
  file: string
  bootstrap: string
  topic: string
  directory: string
}

interface Client {
  title: string
  goal?: KafkaGoal
  command(job: Job): string[]
  /** True if it follows the file: it is stopped when the broker has all records. */
  follows?: boolean
}

const LIMIT_MS = 60_000
const PEAK_RSS_MB = 80

export async function kafka(
  agents: { agent: Agent; peer: Agent | undefined },
  runs: number,
  lines: number,
): Promise<KafkaResult> {
  const data = dataset('value', lines)
  const clients = installed(agents)
  const result: KafkaResult = {
    bytes: data.bytes,
    records: data.records,
    clients: clients.map(({ title, goal }) => ({ title, goal, runs: [] })),
    problems: [],
  }
  try {
    const broker = await KafkaBroker.start({ props: { 'log.segment.delete.delay.ms': 0 } })
    // The first run only warms the broker and the page cache.
    for (let i = -1; i < runs; i++) {
      for (const [n, client] of clients.entries()) {
        if (i < 0 && n > 0) break
        const topic = `bench-${n}-${i + 1}`
        await broker.createTopic(topic)
        const usage = await once(client, broker, data.path, topic, lines)
        const { records, missing, duplicates } = await broker.numbers(topic, lines)
        await broker.deleteTopic(topic)
        if (records !== lines || missing > 0)
          result.problems.push(
            `kafka, ${client.title}: ${records} records, ${missing} missing, ${duplicates} duplicates`,
          )
        if (i >= 0) result.clients[n]?.runs.push(usage)
      }
    }
  } finally {
    await cleanUp()
  }
  return result
}

async function once(
  client: Client,
  broker: KafkaBroker,
  file: string,
  topic: string,
  lines: number,
): Promise<Usage> {
  const directory = mkdtempSync(join(tmpdir(), 'shipper-bench-'))
  const command = client.command({ file, bootstrap: broker.bootstrap, topic, directory })
  try {
    if (!client.follows) return await measure(command)
    const child = new Child(command, LIMIT_MS)
    const what = () => `${lines} records of ${client.title}: ${child.stderr}`
    const died = child.ended.then(() => Promise.reject(new Error(`ended: ${child.stderr}`)))
    const all = until(async () => (await broker.records(topic)) >= lines, {
      limitMs: LIMIT_MS,
      everyMs: 20,
      what,
    })
    // The second rejection is not of interest.
    for (const promise of [all, died]) promise.catch(() => {})
    await Promise.race([all, died])
    const wallMs = performance.now() - child.startedMs
    return { ...(await child.stop()), wallMs }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

function installed({ agent, peer }: { agent: Agent; peer: Agent | undefined }): Client[] {
  const clients: Client[] = [
    {
      title: 'shipper, tail → kafka, raw',
      goal: { mbPerCpuS: 400, peakRssMb: PEAK_RSS_MB },
      command: (job) => tailToKafka(agent, job, ['format=raw']),
    },
    {
      title: 'shipper, tail → kafka, json',
      goal: { mbPerCpuS: 200, peakRssMb: PEAK_RSS_MB },
      command: (job) => tailToKafka(agent, job, ['format=json']),
    },
  ]
  if (peer !== undefined) {
    for (const format of ['raw', 'json']) {
      const own = format === 'raw' ? peer.kafkaRaw : []
      const properties = [`format=${format}`, 'rdkafka.request.required.acks=-1', ...own]
      clients.push({ title: `fluent-bit, ${format}`, command: (job) => tailToKafka(peer, job, properties) })
    }
  }
  if (spawnSync('kcat', ['-V']).error === undefined) clients.push({ title: 'kcat -P', command: kcat })
  const log = rsyslog()
  if (log !== undefined)
    clients.push({ title: 'rsyslog, imfile → omkafka', follows: true, command: (job) => log(job) })
  return clients
}

function tailToKafka(agent: Agent, job: Job, properties: string[]): string[] {
  const tail = [
    `path=${job.file}`,
    'read_from_head=on',
    `db=${join(job.directory, 'pos.db')}`,
    'exit_on_eof=on',
  ]
  const kafka = [`brokers=${job.bootstrap}`, `topics=${job.topic}`, ...properties]
  const options = (all: string[]) => all.flatMap((property) => ['-p', property])
  return [
    ...agent.command,
    ...['-i', 'tail', '-t', 'app', ...options([...tail, ...agent.tail])],
    ...['-o', 'kafka', '-m', '*', ...options(kafka), '-f', agent.flush],
  ]
}

/** Returns the command of librdkafka's own client, which stores no positions and sends lines as values. */
function kcat({ bootstrap, topic, file }: Job): string[] {
  const settings = ['enable.idempotence=true', 'acks=all'].flatMap((setting) => ['-X', setting])
  return ['kcat', '-P', '-b', bootstrap, '-t', topic, ...settings, '-l', file]
}

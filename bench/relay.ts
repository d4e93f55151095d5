import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { KafkaBroker } from '../test/support/kafka/brokers.ts'
import { connected, freePorts } from '../test/support/ports.ts'
import { cleanUp } from '../test/support/tmp.ts'
import { until } from '../test/support/until.ts'
import { Load } from './load.ts'
import { Child, memoryOf, sleep, threadsOf, usedBetween } from './measure.ts'
import type { Agent } from './workloads.ts'

/** Measurements of conf/relay.conf between a sender and a real Kafka, one per second. */
export interface RelayResult {
  seconds: number
  steps: RelayStep[]
  /** Records acknowledged to the sender, and records found in Kafka. */
  acked: number
  records: number
}

export interface RelayStep {
  /** Target rate in records per second; 0: as fast as records are acknowledged. */
  wanted: number
  /** One value of each per second. */
  acked: number[]
  cpuPercent: number[]
  rssMb: number[]
}

const RATES = [10_000, 50_000, 100_000, 0]
const CONF = resolve(import.meta.dirname, '../conf/relay.conf')
const TIMEOUT_MS = 20_000

export async function relay(agent: Agent, seconds: number): Promise<RelayResult> {
  const directory = mkdtempSync(join(tmpdir(), 'shipper-bench-'))
  let child: Child | undefined
  try {
    const broker = await KafkaBroker.start()
    await broker.createTopic('app')
    const [port = 0] = await freePorts(1)
    const conf = join(directory, 'relay.conf')
    writeFileSync(conf, configuration(port, broker.bootstrap))
    child = new Child([...agent.command, '-c', conf], (RATES.length * (seconds + 3) + 60) * 1000)
    const { pid } = child
    await until(() => connected(port), { limitMs: TIMEOUT_MS, everyMs: 50, what: 'the relay' })
    const load = await Load.to(port)
    const steps: RelayStep[] = []
    for (const wanted of RATES) {
      load.rate = wanted === 0 ? Number.POSITIVE_INFINITY : wanted
      // The first second after a change of the rate is not counted.
      await sleep(1000)
      steps.push(await sample(pid, load, wanted, seconds))
    }
    load.rate = 0
    await until(() => load.acked === load.sent, { limitMs: TIMEOUT_MS, what: 'the last acks' })
    load.close()
    return { seconds, steps, acked: load.acked, records: await broker.records('app') }
  } finally {
    await child?.stop()
    await cleanUp()
    rmSync(directory, { recursive: true, force: true })
  }
}

async function sample(pid: number, load: Load, wanted: number, seconds: number): Promise<RelayStep> {
  const step: RelayStep = { wanted, acked: [], cpuPercent: [], rssMb: [] }
  for (let i = 0; i < seconds; i++) {
    const [from, before, acked] = [performance.now(), threadsOf(pid), load.acked]
    await sleep(1000)
    const elapsedMs = performance.now() - from
    step.acked.push(((load.acked - acked) * 1000) / elapsedMs)
    step.cpuPercent.push((usedBetween(before, threadsOf(pid)).cpuMs * 100) / elapsedMs)
    step.rssMb.push(memoryOf(pid).rssMb)
  }
  return step
}

function configuration(port: number, bootstrap: string): string {
  return readFileSync(CONF, 'utf8')
    .replace('0.0.0.0', '127.0.0.1')
    .replace('24224', String(port))
    .replace('127.0.0.1:9092', bootstrap)
}

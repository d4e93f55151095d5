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

/** conf/relay.conf between a sender and a real Kafka, looked at each second. */
export interface RelayResult {
  seconds: number
  steps: RelayStep[]
  /** Acknowledged to the sender, and found in Kafka. */
  acked: number
  records: number
}

export interface RelayStep {
  /** Records per second that were to be sent; 0: as many as were acknowledged. */
  wanted: number
  /** One of each per second. */
  acked: number[]
  cpuPercent: number[]
  rssMb: number[]
}

const RATES = [10_000, 50_000, 100_000, 0]
const CONF = resolve(import.meta.dirname, '../conf/relay.conf')
const LIMIT_MS = 20_000

export async function relay(agent: Agent, seconds: number): Promise<RelayResult> {
  const folder = mkdtempSync(join(tmpdir(), 'shipper-bench-'))
  let child: Child | undefined
  try {
    const broker = await KafkaBroker.start()
    await broker.createTopic('app')
    const [port = 0] = await freePorts(1)
    const conf = join(folder, 'relay.conf')
    writeFileSync(conf, configuration(port, broker.bootstrap))
    child = new Child([...agent.command, '-c', conf], (RATES.length * (seconds + 3) + 60) * 1000)
    const { pid } = child
    await until(() => connected(port), { limitMs: LIMIT_MS, everyMs: 50, what: 'the relay' })
    const load = await Load.to(port)
    const steps: RelayStep[] = []
    for (const wanted of RATES) {
      load.rate = wanted === 0 ? Number.POSITIVE_INFINITY : wanted
      // The first second of a rate is that of the change, and not counted.
      await sleep(1000)
      steps.push(await sample(pid, load, wanted, seconds))
    }
    load.rate = 0
    await until(() => load.acked === load.sent, { limitMs: LIMIT_MS, what: 'the last acks' })
    load.close()
    return { seconds, steps, acked: load.acked, records: await broker.records('app') }
  } finally {
    await child?.stop()
    await cleanUp()
    rmSync(folder, { recursive: true, force: true })
  }
}

async function sample(pid: number, load: Load, wanted: number, seconds: number): Promise<RelayStep> {
  const step: RelayStep = { wanted, acked: [], cpuPercent: [], rssMb: [] }
  for (let i = 0; i < seconds; i++) {
    const [from, before, acked] = [performance.now(), threadsOf(pid), load.acked]
    await sleep(1000)
    const passed = performance.now() - from
    step.acked.push(((load.acked - acked) * 1000) / passed)
    step.cpuPercent.push((usedBetween(before, threadsOf(pid)).cpuMs * 100) / passed)
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

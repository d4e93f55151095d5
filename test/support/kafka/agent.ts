import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Running, start } from '../process.ts'
import { until } from '../until.ts'
import type { KafkaBroker } from './brokers.ts'
import type { Numbers } from './tool.ts'

type Options = Record<string, string | number>

export interface Leaf {
  /** Folder of the configuration, the database and `a.log`. */
  dir: string
  broker: KafkaBroker
  /** Default: `t`. */
  topic?: string
  service?: Options
  tail?: Options
  kafka?: Options
}

/** Starts the binary: it follows `a.log` from the beginning with an offset database, one record per line. */
export function leafTo({ dir, broker, topic = 't', service, tail, kafka }: Leaf): Running {
  const follows = { tag: 'app', path: join(dir, 'a.log'), db: join(dir, 'pos.db'), read_from_head: 'on' }
  // Retries failed flushes soon.
  const retries = { 'scheduler.base': 1, 'scheduler.cap': 2 }
  const text = [
    section('SERVICE', { flush: 0.1, ...retries, ...service }),
    section('INPUT', { name: 'tail', ...follows, ...tail }),
    section('OUTPUT', {
      name: 'kafka',
      match: '*',
      brokers: broker.bootstrap,
      topics: topic,
      format: 'raw',
      ...kafka,
    }),
  ]
  const conf = join(dir, 'agent.conf')
  writeFileSync(conf, text.join('\n'))
  return start(['-c', conf])
}

export function section(name: string, options: Options): string {
  const lines = Object.entries(options).map(([key, value]) => `    ${key}  ${value}\n`)
  return `[${name}]\n${lines.join('')}`
}

/** Waits until the topic has at least `lines` records, then returns the statistics of their numbers. */
export async function numbersIn(
  broker: KafkaBroker,
  agent: Running,
  lines: number,
  topic = 't',
  limitMs = 120_000,
): Promise<Numbers> {
  const what = () => `${lines} records in ${topic}; ${agent.stderr.slice(-3000)}`
  // The end of a topic is unknown while one of its brokers is down.
  const records = () => broker.records(topic).catch(() => 0)
  for (;;) {
    await until(async () => (await records()) >= lines, { limitMs, everyMs: 100, what })
    const numbers = await broker.numbers(topic, lines)
    // Duplicates may arrive before the last record.
    if (numbers.missing === 0) return numbers
    const seen = numbers.records
    try {
      await until(async () => (await records()) > seen, { limitMs: 120_000, everyMs: 100, what })
    } catch {
      return broker.numbers(topic, lines)
    }
  }
}

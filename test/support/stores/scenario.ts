import { appendFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { section } from '../kafka/agent.ts'
import { type Running, start } from '../process.ts'
import { seeded } from '../shipping.ts'
import { until, untilReaches } from '../until.ts'

type Options = Record<string, string | number>

export interface StoreAgent {
  /** Folder of the configuration, the database and `a.log`. */
  dir: string
  /** Options of the output, `name` among them. */
  output: Options
  service?: Options
  tail?: Options
  env?: Record<string, string>
}

const PARSERS =
  '[PARSER]\n    Name numbers\n    Format json\n    Time_Key t\n    Time_Format %s\n' +
  '[PARSER]\n    Name untimed\n    Format json\n'
/** Retries come soon, and chunks are small: many requests, so that some are under way at every fault. */
const SMALL = { flush: 0.1, 'scheduler.base': 1, 'scheduler.cap': 2, chunk_size: 65_536 }
const TEXT = 'the quick brown fox jumps over the lazy dog '.repeat(3)

/** Starts the binary: it follows `a.log*` from the head with an offset database, and reads the lines of `writeRecords`. */
export function agentTo({ dir, output, service, tail, env = {} }: StoreAgent): Running {
  writeFileSync(join(dir, 'parsers.conf'), PARSERS)
  const follows = {
    tag: 'app',
    path: join(dir, 'a.log'),
    db: join(dir, 'pos.db'),
    read_from_head: 'on',
    parser: 'numbers',
  }
  const text = [
    section('SERVICE', { parsers_file: join(dir, 'parsers.conf'), ...SMALL, ...service }),
    section('INPUT', { name: 'tail', ...follows, ...tail }),
    section('OUTPUT', { match: '*', ...output }),
  ]
  const conf = join(dir, 'agent.conf')
  writeFileSync(conf, text.join('\n'))
  return start(['-c', conf], { env })
}

/**
 * Appends records with the numbers from `from` to `to`, all of one second. After every `equal` of them comes a line that is
 * always the same: to a store that tells records apart by their content it is there once. Returns the number of equal lines.
 */
export function writeRecords(path: string, from: number, to: number, equal = 0): number {
  let count = 0
  for (let at = from; at < to; at += 5000) {
    const lines: string[] = []
    for (let n = at; n < Math.min(to, at + 5000); n++) {
      lines.push(`{"t":1700000000,"n":${n},"text":"${TEXT}"}\n`)
      if (equal === 0 || n % equal !== equal - 1) continue
      lines.push('{"t":1700000000,"same":"an equal line"}\n')
      count++
    }
    appendFileSync(path, lines.join(''))
  }
  return count
}

export interface KillsInit extends StoreAgent {
  /** Numbers to be written. */
  numbers: number
  /** A line that is always the same comes after as many. */
  equal: number
  /** Number of times that the agent is killed with SIGKILL. */
  kills: number
  seed: number
  /** Requests so far that the store, or what stands in front of it, has had. */
  requests: () => number
  /** Records that the store has now. */
  records: () => Promise<number>
}

/** Returns the first number of a part of the records. */
function partAt(numbers: number, kills: number, part: number): number {
  return Math.floor((numbers * part) / (kills + 1))
}

/** Returns the first number of the file that `killAgain` begins at the rotation. */
export function rotatedAt(numbers: number, kills: number): number {
  return partAt(numbers, kills, kills >> 1)
}

/**
 * Writes numbered records, a part of them before each start of the agent, and kills the agent after some requests. The log is
 * rotated after half of the kills. Returns when the store has as many records as were written and the agent has ended in order.
 */
export async function killAgain(init: KillsInit): Promise<{ records: number; equal: number }> {
  const { dir, kills, numbers, requests } = init
  const random = seeded(init.seed)
  const path = join(dir, 'a.log')
  const bounds = Array.from({ length: kills + 2 }, (_, i) => partAt(numbers, kills, i))
  let equal = 0
  let arrived = 0
  for (let part = 0; part <= kills; part++) {
    if (part > 0 && part === kills >> 1) renameSync(path, `${path}.1`)
    equal += writeRecords(path, bounds[part] ?? 0, bounds[part + 1] ?? 0, init.equal)
    const agent = agentTo({ ...init, tail: { path: `${path}*`, ...init.tail } })
    if (part === kills) {
      await untilReaches(numbers + equal, init.records, {
        everyMs: 500,
        what: () => agent.stderr.slice(-3000),
      })
      await agent.stop()
      break
    }
    const written = (bounds[part + 1] ?? 0) + equal
    // Every other time the store has what was written before, so that the kills are spread over all of the log.
    if (part % 2 === 1)
      await untilReaches(bounds[part] ?? 0, init.records, {
        everyMs: 500,
        what: () => agent.stderr.slice(-3000),
      })
    const target = requests() + 1 + Math.floor(random() * 3)
    const isTime = async (): Promise<boolean> => {
      if (requests() >= target) return true
      // Few requests may be enough for a part.
      arrived = await init.records()
      return arrived >= written
    }
    await until(isTime, {
      limitMs: 120_000,
      everyMs: 2,
      what: () =>
        `request ${target}, not ${requests()}; ${arrived} of ${written}; ${agent.stderr.slice(-3000)}`,
    })
    await agent.stop('SIGKILL')
  }
  return { records: numbers + equal, equal }
}

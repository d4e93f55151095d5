import { expect, test } from 'bun:test'
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  readFileSync,
  renameSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join, resolve } from 'node:path'
import { gzipSync } from 'node:zlib'
import { type Running, start } from '../support/process.ts'
import { seeded } from '../support/shipping.ts'
import { storedOffset } from '../support/tail/stored-offset.ts'
import { tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

const AGENT = [process.execPath, resolve(import.meta.dirname, '../support/ids/agent.ts')]
const SEED = Number(process.env.SHIPPER_SEED ?? Date.now() % 100_000)
process.stdout.write(`record-ids.test.ts: SHIPPER_SEED=${SEED}\n`)

interface Setup {
  dir: string
  /** Lines of the input section and of further sections before the output. */
  input?: string
  filters?: string
  service?: string
  output?: string
}

/** Starts an agent that tails `*.log` of the folder. */
function ship({ dir, input = '', filters = '', service = '', output = '' }: Setup): Running {
  const config = `
[SERVICE]
    Flush      0.05
    Log_Level  warn
    Parsers_File parsers.conf
    ${service}
[INPUT]
    Name              tail
    Path              ${dir}/*.log
    DB                ${dir}/pos.db
    Tag               app
    Read_from_Head    on
    Refresh_Interval  0.2
    Rotate_Wait       1
    ${input}
${filters}
[OUTPUT]
    Name   ids
    Match  *
    Path   ${dir}/ids
    Retry_Limit no_limits
    ${output}
`
  const parsers =
    '[MULTILINE_PARSER]\n    name m\n    type regex\n    flush_timeout 300\n' +
    '    rule "start_state" "/^[^ ]/" "cont"\n    rule "cont" "/^ /" "cont"\n'
  writeFileSync(join(dir, 'parsers.conf'), parsers)
  writeFileSync(join(dir, 'agent.conf'), config)
  return start(['-c', join(dir, 'agent.conf')], { command: AGENT, cwd: dir })
}

interface Stored {
  /** What the store has, by id. */
  byId: Map<string, string>
  /** Number of records that came with an id that was there. */
  repeated: number
}

/** Returns what a store with these ids would have; fails when two different records have one id. */
function stored(dir: string): Stored {
  const byId = new Map<string, string>()
  let repeated = 0
  const text = existsSync(join(dir, 'ids')) ? readFileSync(join(dir, 'ids'), 'utf8') : ''
  for (const line of text.split('\n')) {
    if (!line.endsWith(' .')) continue
    const [id, record] = [line.slice(0, 26), line.slice(27, -2)]
    const before = byId.get(id)
    if (before === undefined) byId.set(id, record)
    else {
      repeated++
      if (before !== record) throw new Error(`${id} is the id of ${before} and of ${record}`)
    }
  }
  return { byId, repeated }
}

async function holds(dir: string, agent: Running, records: number): Promise<Stored> {
  await until(
    () => {
      if (agent.exit !== undefined) throw new Error(`the agent has ended: ${agent.stderr}`)
      return stored(dir).byId.size >= records
    },
    { what: () => `${stored(dir).byId.size} of ${records} records; ${agent.stderr}` },
  )
  return stored(dir)
}

/** Kills the agent after a random number of further records, again and again; returns the last one. */
async function killAgain(
  setup: Setup,
  kills: number,
  perRun: number,
  isOver = () => false,
): Promise<Running> {
  const random = seeded(SEED)
  for (let kill = 0; kill < kills && !isOver(); kill++) {
    const size = (): number =>
      existsSync(join(setup.dir, 'ids')) ? readFileSync(join(setup.dir, 'ids')).length : 0
    const agent = ship(setup)
    const until9 = size() + 1 + random() * perRun
    await until(() => size() >= until9 || isOver() || agent.exit !== undefined)
    await agent.stop('SIGKILL')
  }
  return ship(setup)
}

/** Lines of one length; of each ten, five are equal. */
const line = (i: number): string =>
  i % 2 === 0 ? 'an equal line........' : `line ${String(i).padStart(16, '0')}`
const lines = (from: number, to: number): string =>
  Array.from({ length: to - from }, (_, i) => `${line(from + i)}\n`).join('')

test('a store keeps each line once over twenty kill -9, equal lines among them', async () => {
  const dir = tmp()
  const count = 200_000
  writeFileSync(join(dir, 'a.log'), lines(0, count))
  const agent = await killAgain({ dir }, 20, 400_000)
  const { byId, repeated } = await holds(dir, agent, count)
  await agent.stop()
  expect(stored(dir).byId.size).toBe(count)
  expect(repeated).toBeGreaterThan(0)
  expect([...byId.values()].filter((record) => record.includes('an equal line'))).toHaveLength(count / 2)
})

test('all of 1,000 lines of equal length are kept after each copytruncate, also with kill -9 at any time', async () => {
  const dir = tmp()
  const path = join(dir, 'a.log')
  const random = seeded(SEED)
  writeFileSync(path, '')
  let agent = ship({ dir })
  let total = 0
  for (let round = 0; round < 6; round++) {
    // Files with nothing but the same lines could not be told apart.
    appendFileSync(path, `round ${round} begins.\n${'an equal line..\n'.repeat(999)}`)
    total += 1000
    if (round % 2 === 1) {
      await until(() => stored(dir).byId.size > total - 1000 + random() * 900)
      await agent.stop('SIGKILL')
      agent = ship({ dir })
    }
    await holds(dir, agent, total)
    await until(() => storedOffset(join(dir, 'pos.db'), path) === 16_000)
    copyFileSync(path, join(dir, `a.log.${round}`))
    truncateSync(path)
    if (round % 3 === 2) {
      await agent.stop('SIGKILL')
      agent = ship({ dir })
    }
    // A file that has the same bytes again before anybody has looked was not truncated, as far as can be known.
    await until(() => storedOffset(join(dir, 'pos.db'), path) === 0)
  }
  await agent.stop()
  expect(stored(dir).byId.size).toBe(total)
})

test('files that are renamed, and compressed afterwards, keep the ids of their lines', async () => {
  const dir = tmp()
  const path = join(dir, 'a.log')
  let written = 0
  const random = seeded(SEED)
  let agent = ship({ dir, input: `Exclude_Path ${dir}/none` })
  for (let round = 0; round < 8; round++) {
    for (let part = 0; part < 10; part++) {
      appendFileSync(path, lines(written, written + 300))
      written += 300
      await Bun.sleep(5)
    }
    await holds(dir, agent, round * 3000 + 1)
    if (random() < 0.6) {
      await agent.stop('SIGKILL')
      agent = ship({ dir })
    }
    renameSync(path, `${path}.${round}`)
    if (round > 0) {
      const before = `${path}.${round - 1}`
      await holds(dir, agent, round * 3000)
      writeFileSync(`${before}.gz`, gzipSync(readFileSync(before)))
    }
  }
  await holds(dir, agent, written)
  await agent.stop()
  expect(stored(dir).byId.size).toBe(written)
})

const FILTERS = `
[FILTER]
    Name     grep
    Match    *
    Exclude  log ^dropped
[FILTER]
    Name   lua
    Match  *
    Call   f
    Code   function f(tag, ts, r) if string.sub(r.log, 1, 3) == "two" then return 2, ts, {{log=r.log, part=1}, {log=r.log, part=2}} end if string.sub(r.log, 1, 4) == "none" then return -1, 0, 0 end return 0, 0, 0 end
[FILTER]
    Name   rewrite_tag
    Match  app
    Rule   $log ^both copy true
    Rule   $log ^moved other false
[FILTER]
    Name   modify
    Match  *
    Set    x y
`

/** A group of lines, of which six records are made: see FILTERS and the parser m. */
const GROUP = 'plain\n and more\ndropped\ntwo\nnone\nboth\nmoved\nplain\n and more\n'
const PER_GROUP = 7

test('records of several lines, of a script and under other tags have ids of their own, the same after kill -9', async () => {
  const dir = tmp()
  const groups = 8000
  writeFileSync(join(dir, 'a.log'), `${GROUP.repeat(groups)}plain\n`)
  const setup = { dir, input: 'multiline.parser m', filters: FILTERS }
  const agent = await killAgain(setup, 10, 700_000)
  const { repeated } = await holds(dir, agent, groups * PER_GROUP + 1)
  await agent.stop()
  expect(stored(dir).byId.size).toBe(groups * PER_GROUP + 1)
  expect(repeated).toBeGreaterThan(0)
})

test('the filter multiline gives a record the id of its first line, the same after kill -9', async () => {
  const dir = tmp()
  const records = 30_000
  const text = Array.from({ length: records }, () => 'first\n second\n third\n').join('')
  writeFileSync(join(dir, 'a.log'), `${text}last\n`)
  const filters =
    '[FILTER]\n    Name multiline\n    Match *\n    multiline.key_content log\n    multiline.parser m\n    flush_ms 120000\n'
  const agent = await killAgain({ dir, filters }, 10, 300_000)
  // The last record is open until the end: a shorter flush_ms would end others on a busy machine.
  await holds(dir, agent, records)
  await agent.stop()
  const { byId } = stored(dir)
  const whole = [...byId.values()].filter((record) => record.includes('first\\n second\\n third'))
  expect(whole).toHaveLength(records)
})

test('records that wait on disk keep their ids', async () => {
  const dir = tmp()
  const groups = 4000
  writeFileSync(join(dir, 'a.log'), `${GROUP.repeat(groups)}plain\n`)
  const setup = {
    dir,
    input: 'multiline.parser m\n    storage.type filesystem',
    service: `storage.path ${dir}/buffer`,
    filters: FILTERS,
    output: 'Fails 3',
  }
  const down = ship({ ...setup, output: 'Down on' })
  await until(() => existsSync(join(dir, 'buffer')))
  await Bun.sleep(1500)
  await down.stop('SIGKILL')
  const agent = await killAgain(setup, 8, 300_000)
  const { repeated } = await holds(dir, agent, groups * PER_GROUP + 1)
  await agent.stop()
  expect(stored(dir).byId.size).toBe(groups * PER_GROUP + 1)
  expect(repeated).toBeGreaterThan(0)
})

import { expect, test } from 'bun:test'
import { appendFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { IdStore } from '../support/doubles/id-store.ts'
import { section } from '../support/kafka/agent.ts'
import { shortOrLong } from '../support/long.ts'
import { type Running, start } from '../support/process.ts'
import { seeded } from '../support/shipping.ts'
import { tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

const SEED = Number(process.env.SHIPPER_SEED ?? Date.now() % 100_000)
process.stdout.write(`joined-ids.test.ts: SHIPPER_SEED=${SEED}\n`)

const KILLS = shortOrLong(8, 20)

const PARSER = `[MULTILINE_PARSER]
    name m
    type regex
    flush_timeout 100
    rule "start_state" "/^N/" "cont"
    rule "cont" "/^ C/" "cont"
`

/** Where lines that begin with a space are joined to the one before them. */
const PLACES = {
  'the input tail': { input: { 'multiline.parser': 'm' }, filters: [] },
  'the filter multiline': {
    input: { path_key: 'path' },
    filters: [
      section('FILTER', {
        name: 'multiline',
        match: '*',
        'multiline.key_content': 'log',
        'multiline.parser': 'm',
        group_key: 'path',
        flush_ms: 100,
      }),
    ],
  },
}

class Agent {
  readonly #dir: string
  readonly #config: string
  #running: Running | undefined

  constructor(dir: string, port: number, { input, filters }: (typeof PLACES)[keyof typeof PLACES]) {
    this.#dir = dir
    writeFileSync(join(dir, 'parsers.conf'), PARSER)
    const tail = { name: 'tail', path: join(dir, '*.log'), db: join(dir, 'pos.db'), tag: 'app', ...input }
    const es = { name: 'es', match: '*', host: '127.0.0.1', port, suppress_type_name: 'on' }
    this.#config = [
      section('SERVICE', { flush: 0.05, log_level: 'warn', grace: 5, parsers_file: 'parsers.conf' }),
      section('INPUT', { ...tail, read_from_head: 'on', refresh_interval: 0.2, rotate_wait: 1 }),
      ...filters,
      section('OUTPUT', es),
    ].join('\n')
    writeFileSync(join(dir, 'agent.conf'), this.#config)
  }

  start(): void {
    this.#running = start(['-c', join(this.#dir, 'agent.conf')], { cwd: this.#dir })
  }

  async kill(): Promise<void> {
    await this.#running?.stop('SIGKILL')
  }

  async stop(): Promise<void> {
    await this.#running?.stop()
  }
}

/** Returns how often the store has each line, alone or in a record. */
function linesIn(store: IdStore): Map<string, number> {
  const counts = new Map<string, number>()
  for (const record of store.byId.values())
    for (const line of record.split('\n')) counts.set(line, (counts.get(line) ?? 0) + 1)
  return counts
}

for (const [where, place] of Object.entries(PLACES)) {
  test(`${where} joins lines after the first of them was sent alone, and kill -9: all are in the store`, async () => {
    const dir = tmp()
    const path = join(dir, 'a.log')
    const store = await IdStore.start()
    const agent = new Agent(dir, store.port, place)
    writeFileSync(path, '')
    agent.start()
    for (let round = 0; round < 5; round++) {
      appendFileSync(path, `N${round}\n`)
      await until(() => linesIn(store).has(`N${round}`))
      await agent.kill()
      appendFileSync(path, ` C${round}\n`)
      agent.start()
      await until(() => linesIn(store).has(` C${round}`), {
        what: () => `C${round}; ${store.conflicts} conflicts`,
      })
    }
    await agent.stop()
  })

  test(`${where}: kill -9 again and again at any time, and rotation: no line is lost, and single lines are there once`, async () => {
    const dir = tmp()
    const path = join(dir, 'a.log')
    const store = await IdStore.start()
    const agent = new Agent(dir, store.port, place)
    const random = seeded(SEED)
    const written: string[] = []
    for (let kill = 0; kill < KILLS; kill++) {
      agent.start()
      const from = store.byId.size
      for (let part = 0; part < 4; part++) {
        const lines: string[] = []
        for (let i = 0; i < 50; i++) {
          const n = written.length + lines.length
          lines.push(i % 3 === 0 ? `single ${n}` : `N${n}`)
          if (i % 3 === 1) lines.push(` C${n}.1`, ` C${n}.2`)
        }
        written.push(...lines)
        const fresh = `${lines.join('\n')}\n`
        // A record may be cut anywhere, also within a line.
        const half = Math.floor(random() * fresh.length)
        appendFileSync(path, fresh.slice(0, half))
        await until(() => store.byId.size > from + random() * 20)
        appendFileSync(path, fresh.slice(half))
        if (part === 1 && kill % 4 === 3) renameSync(path, join(dir, `a-${kill}.log`))
      }
      await agent.kill()
    }
    agent.start()
    const missing = (): string[] => {
      const counts = linesIn(store)
      return written.filter((line) => !counts.has(line))
    }
    await until(() => missing().length === 0, {
      what: () => `${missing().slice(0, 5).join(', ')}; ${store.conflicts} conflicts`,
    })
    await agent.stop()
    const counts = linesIn(store)
    expect(written.filter((line) => line.startsWith('single') && counts.get(line) !== 1)).toEqual([])
    expect(store.conflicts).toBeGreaterThan(0)
  })
}

import { expect } from 'bun:test'
import { join } from 'node:path'
import { Sink } from '../support/forward/sink.ts'
import {
  cursorsIn,
  followJournal,
  isAlive,
  Journal,
  journalctlOf,
  numberedEntries,
  storedCursor,
  untilIdle,
} from '../support/journal/journal.ts'
import { journalTools } from '../support/journal/tools.ts'
import type { Running } from '../support/process.ts'
import { allArrive, kill9At, peakBytes, seeded } from '../support/shipping.ts'
import { peerOrSkip } from '../support/skip.ts'
import { tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

const tools = journalTools()
const testJournal = peerOrSkip('the journal', tools.reason === '', tools.reason)
const ENTRIES = 100_000

const SEED = Number(process.env.SHIPPER_SEED ?? Date.now() % 100_000)
process.stdout.write(`journal.test.ts: SHIPPER_SEED=${SEED}\n`)

/** Journal of many entries for all tests, because it takes seconds to write. */
const large = tools.reason === '' ? new Journal(tools, join(tmp(), 'large')) : undefined
large?.write(numberedEntries(0, ENTRIES))

/** Waits for `more` entries, or for all that there are. */
async function someArrive(sink: Sink, agent: Running, more: number): Promise<void> {
  const { distinct } = await sink.summary()
  const target = Math.min(ENTRIES, distinct + 1 + more)
  const what = (): string => `${target} entries after ${distinct}; ${agent.stderr}`
  await until(async () => (await sink.summary()).distinct >= target, { everyMs: 1, what })
}

testJournal('ten kills of the agent with SIGKILL while it reads 100,000 entries lose none', async () => {
  const dir = tmp()
  const sink = await Sink.start('lines')
  const random = seeded(SEED)
  const follow = (exit: string): Running =>
    followJournal({
      dir,
      path: large?.dir ?? '',
      ports: [sink.port],
      tools,
      systemd: { exit_on_eof: exit },
    })
  for (let kill = 0; kill < 10; kill++) {
    const { distinct } = await sink.summary()
    await kill9At(follow('off'), sink, Math.min(ENTRIES, distinct + 1 + random() * 3000))
    // The first three kills at least come in the drain, whatever is in flight.
    if (kill < 3) expect((await sink.summary()).distinct).toBeLessThan(ENTRIES)
  }
  expect(await follow('on').ended()).toEqual({ code: 0, signal: null })
  expect(await sink.missing(ENTRIES)).toEqual({ missing: 0, first: [] })
  expect((await sink.summary()).disorder).toBe(0)
  expect(storedCursor(dir)).toBe(cursorsIn(large as Journal).at(-1) as string)
})

/** Kills a journalctl of the agent. One that looks up a cursor may end by itself before the signal: then the next one. */
async function killJournalctl(agent: Running, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
  const killed = async (): Promise<number> => {
    const pid = await journalctlOf(agent)
    try {
      process.kill(pid, signal)
      return pid
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
      return 0
    }
  }
  const pid = await until(killed)
  await until(() => !isAlive(pid), { what: 'the end of journalctl' })
}

testJournal('no entry is lost or duplicated when journalctl is killed repeatedly', async () => {
  const dir = tmp()
  const sink = await Sink.start('lines')
  const agent = followJournal({ dir, path: large?.dir ?? '', ports: [sink.port], tools })
  const random = seeded(SEED)
  for (let kill = 0; kill < 8; kill++) {
    await someArrive(sink, agent, random() * 6000)
    await killJournalctl(agent, kill % 2 === 0 ? 'SIGKILL' : 'SIGTERM')
  }
  await allArrive(sink, agent, ENTRIES)
  expect(await sink.missing(ENTRIES)).toEqual({ missing: 0, first: [] })
  const { duplicates, disorder } = await sink.summary()
  expect([duplicates, disorder]).toEqual([0, 0])
  expect(agent.stderr).toContain('restarting journalctl')
  expect(agent.stderr).not.toContain('no longer in the journal')
})

testJournal(
  'the cursor does not move while a peer does not acknowledge, even if another one does',
  async () => {
    const dir = tmp()
    const journal = new Journal(tools, join(dir, 'j'))
    journal.write(numberedEntries(0, 100))
    const [one, two] = [await Sink.start('lines'), await Sink.start('lines')]
    const ports = [one.port, two.port]
    const first = followJournal({ dir, path: journal.dir, ports, tools, systemd: { exit_on_eof: 'on' } })
    expect(await first.ended()).toEqual({ code: 0, signal: null })
    const [last] = cursorsIn(journal).slice(-1)
    expect(storedCursor(dir)).toBe(last as string)

    journal.write(numberedEntries(100, 300))
    await two.ask('ack off')
    const service = { grace: '1' }
    const second = followJournal({ dir, path: journal.dir, ports, tools, service })
    await allArrive(one, second, 300)
    await until(async () => (await two.summary()).distinct === 300)
    // An agent stores its cursor when it stops.
    expect(await second.stop('SIGTERM')).toEqual({ code: 0, signal: null })
    expect(storedCursor(dir)).toBe(last as string)

    await two.ask('ack on')
    await until(async () => (await two.summary()).open === 0)
    await two.ask('reset')
    const third = followJournal({ dir, path: journal.dir, ports, tools, systemd: { exit_on_eof: 'on' } })
    expect(await third.ended()).toEqual({ code: 0, signal: null })
    const { min, max, distinct } = await two.summary()
    expect([min, max, distinct]).toEqual([100, 299, 200])
  },
)

testJournal(
  'a peer that does not read pauses journalctl within bounded memory, and every entry arrives once when it reads again',
  async () => {
    const dir = tmp()
    const sink = await Sink.start('lines')
    await sink.ask('read off')
    const agent = followJournal({ dir, path: large?.dir ?? '', ports: [sink.port], tools })
    const child = await journalctlOf(agent)
    // It waits to write into its pipe.
    await untilIdle(child)
    expect((await sink.summary()).distinct).toBe(0)
    await sink.ask('read on')
    await allArrive(sink, agent, ENTRIES)
    expect((await sink.summary()).duplicates).toBe(0)
    expect(peakBytes(agent)).toBeLessThan(120_000_000)
  },
)

testJournal(
  'journalctl ends when the agent is killed, whether it writes, waits for the pipe or waits for entries',
  async () => {
    const dir = tmp()
    const journal = new Journal(tools, join(dir, 'j'))
    journal.write(numberedEntries(0, 10))
    const sink = await Sink.start('lines')
    for (const [path, prepare] of [
      [journal.dir, 'read on'],
      [large?.dir ?? '', 'read off'],
    ] as const) {
      await sink.ask(prepare)
      const agent = followJournal({ dir: tmp(), path, ports: [sink.port], tools })
      if (prepare === 'read on') await allArrive(sink, agent, 10)
      const child = await journalctlOf(agent)
      agent.kill('SIGKILL')
      await agent.exited
      await until(() => !isAlive(child), { what: 'journalctl to end' })
    }
  },
)

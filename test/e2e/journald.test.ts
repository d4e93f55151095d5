import { expect } from 'bun:test'
import { cpSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { entriesOf, forwardPeer } from '../support/forward/peer.ts'
import { Sink } from '../support/forward/sink.ts'
import {
  cursorsIn,
  followJournal,
  Journal,
  journalctlOf,
  numberedEntries,
  storedCursor,
  untilIdle,
} from '../support/journal/journal.ts'
import { Journald, journaldUnavailable } from '../support/journal/journald.ts'
import { journalTools } from '../support/journal/tools.ts'
import type { Running } from '../support/process.ts'
import { allArrive } from '../support/shipping.ts'
import { peerOrSkip } from '../support/skip.ts'
import { tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

const tools = journalTools()
const absent = tools.reason || journaldUnavailable()
const testJournald = peerOrSkip('journald', absent === '', absent)
const testJournal = peerOrSkip('the journal', tools.reason === '', tools.reason)

const lines = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, i) => `line ${from + i}`)

/** Resolves when `count` records have arrived. The sink reads a line number from `log`, which is not set here, so records are counted. */
async function arrive(sink: Sink, agent: Running, count: number): Promise<void> {
  const what = (): string => agent.stderr.slice(-2000)
  await until(async () => (await sink.summary()).records >= count, { what })
}

/** Returns the first E_JOURNAL_CURSOR log line. */
function loss(agent: Running): Record<string, unknown> {
  const [line = '{}'] = agent.stderr.split('\n').filter((text) => text.includes('E_JOURNAL_CURSOR'))
  return JSON.parse(line)
}

testJournald('no entry is lost or duplicated while journald rotates and vacuums', async () => {
  const dir = tmp()
  const journald = await Journald.start(dir)
  await journald.send(lines(0, 50))
  const sink = await Sink.start('count')
  const filter = 'SYSLOG_IDENTIFIER=test'
  const agent = followJournal({
    dir,
    path: journald.path,
    ports: [sink.port],
    tools,
    systemd: { systemd_filter: filter },
  })
  for (let n = 1; n <= 6; n++) {
    await arrive(sink, agent, n * 50)
    await journald.rotate()
    await journald.send(lines(n * 50, n * 50 + 50))
    if (n % 2 === 0) await journald.vacuum(1)
  }
  await arrive(sink, agent, 350)
  expect(await agent.stop()).toEqual({ code: 0, signal: null })
  expect((await sink.summary()).records).toBe(350)
  expect(agent.stderr).not.toContain('E_JOURNAL_CURSOR')
})

testJournald(
  'entries vacuumed while the agent was not running are reported, and reading continues with the oldest one',
  async () => {
    const dir = tmp()
    const journald = await Journald.start(dir)
    await journald.send(lines(0, 100))
    const sink = await Sink.start('count')
    const options = { dir, path: journald.path, ports: [sink.port], tools }
    const first = followJournal({ ...options, systemd: { exit_on_eof: 'on' } })
    expect(await first.ended()).toEqual({ code: 0, signal: null })
    await sink.ask('reset')

    await journald.send(lines(100, 150))
    await journald.rotate()
    await journald.send(lines(150, 180))
    await journald.rotate()
    await journald.send(lines(180, 200))
    await journald.rotate()
    const before = cursorsIn(new Journal(tools, journald.path))
    const read = before.indexOf(storedCursor(dir) ?? '') + 1
    await journald.vacuum(1)
    const left = cursorsIn(new Journal(tools, journald.path))

    const second = followJournal({ ...options, systemd: { exit_on_eof: 'on' } })
    expect(await second.ended()).toEqual({ code: 0, signal: null })
    expect(left.length).toBeLessThan(before.length - read)
    expect((await sink.summary()).records).toBe(left.length)
    expect(loss(second)).toMatchObject({
      level: 'error',
      lost_entries: `at most ${before.length - read - left.length}`,
    })
    expect(String(loss(second).message)).toContain('continuing with the oldest entry after it (20')
    expect(storedCursor(dir)).toBe(left.at(-1) as string)
  },
)

testJournald('entries vacuumed while a peer did not read are reported, and all others arrive', async () => {
  const dir = tmp()
  const journald = await Journald.start(dir)
  const filler = 'x'.repeat(1000)
  const long = (from: number, to: number) => lines(from, to).map((line) => `${line} ${filler}`)
  await journald.send(long(0, 6000))
  const peer = await forwardPeer()
  peer.onConnect = (socket) => socket.pause()
  const service = { memory_limit: '2M' }
  const agent = followJournal({ dir, path: journald.path, ports: [peer.port], tools, service })
  const child = await journalctlOf(agent)
  await untilIdle(child)
  // Two files are created and deleted.
  for (const from of [6000, 6100]) {
    await journald.rotate()
    await journald.send(lines(from, from + 100))
  }
  await journald.rotate()
  await journald.vacuum(1)
  await journald.send(lines(6200, 6250))
  const all = cursorsIn(new Journal(tools, journald.path))
  expect(all.length).toBeLessThan(300)
  peer.onConnect = () => {}
  for (const socket of peer.sockets) socket.resume()
  await until(() => storedCursor(dir) === all.at(-1), { what: () => agent.stderr })
  // journalctl waited in the middle of an entry, whose rest was zeros when it continued: that is no longer the export
  // format if it was in the middle of a name, and then another journalctl finds the gap.
  const [gap, restart] = [
    'they were vacuumed while outputs were behind',
    'continuing with the oldest entry after it',
  ]
  expect(String(loss(agent).message)).toContain(
    agent.stderr.includes('restarting journalctl') ? restart : gap,
  )
  const lost = Number(String(loss(agent).lost_entries).replace('at most ', ''))
  const records = peer.arrivals.flatMap(entriesOf) as [unknown, Record<string, unknown>][]
  // Includes some entries of journald itself.
  expect(records.length + lost).toBeGreaterThanOrEqual(6250)
  expect(records.length + lost).toBeLessThan(6300)
  const texts = records.map(([, { message }]) => message)
  expect(texts).toEqual(expect.arrayContaining(lines(6200, 6250)))
  // The entry in which journalctl waited is lost; its fields are in no other one.
  expect(records.filter(([, record]) => Object.values(record).some(Array.isArray))).toEqual([])
  const written = new Set<unknown>([...long(0, 6000), ...lines(6000, 6250)])
  const ours = texts.filter((text) => String(text).startsWith('line '))
  expect(ours.filter((text) => !written.has(text))).toEqual([])
})

testJournal('when the file with the cursor is deleted, reading continues with later entries', async () => {
  const dir = tmp()
  const journal = new Journal(tools, join(dir, 'j'))
  journal.write(numberedEntries(100, 200), 'b.journal')
  const sink = await Sink.start('lines')
  const options = { dir, path: journal.dir, ports: [sink.port], tools, systemd: { exit_on_eof: 'on' } }
  expect(await followJournal(options).ended()).toEqual({ code: 0, signal: null })
  await sink.ask('reset')
  // Entries older than the cursor were sent, or are not to be read.
  journal.write(numberedEntries(0, 100), 'a.journal')
  journal.write(numberedEntries(200, 300), 'c.journal')
  rmSync(join(journal.dir, 'b.journal'))
  const agent = followJournal(options)
  expect(await agent.ended()).toEqual({ code: 0, signal: null })
  const { min, max, distinct } = await sink.summary()
  expect([min, max, distinct]).toEqual([200, 299, 100])
  expect(loss(agent)).toMatchObject({ level: 'error', lost_entries: 'unknown' })
})

testJournal('new entries that reuse sequence numbers are read after the journal lost its end', async () => {
  const dir = tmp()
  const journal = new Journal(tools, join(dir, 'j'))
  journal.write(numberedEntries(0, 50))
  const cut = new Journal(tools, join(dir, 'cut'))
  cpSync(journal.dir, cut.dir, { recursive: true })
  journal.write(numberedEntries(50, 80))
  const sink = await Sink.start('lines')
  const options = { dir, ports: [sink.port], tools, systemd: { exit_on_eof: 'on' } }
  expect(await followJournal({ ...options, path: journal.dir }).ended()).toEqual({
    code: 0,
    signal: null,
  })
  await sink.ask('reset')
  // Entries 50 to 79 were not on disk when the power failed; 100 to 119 reuse their sequence numbers.
  cut.write(numberedEntries(100, 120).map((e) => ({ ...e, boot: 'c'.repeat(32) })))
  const agent = followJournal({ ...options, path: cut.dir })
  expect(await agent.ended()).toEqual({ code: 0, signal: null })
  const { min, max, distinct } = await sink.summary()
  expect([min, max, distinct]).toEqual([100, 119, 20])
})

testJournal('an empty journal that replaces the known one is read from its first entry', async () => {
  const dir = tmp()
  const journal = new Journal(tools, join(dir, 'j'))
  journal.write(numberedEntries(100, 150))
  const sink = await Sink.start('lines')
  const options = { dir, path: journal.dir, ports: [sink.port], tools }
  const first = followJournal({ ...options, systemd: { exit_on_eof: 'on' } })
  expect(await first.ended()).toEqual({ code: 0, signal: null })
  await sink.ask('reset')
  for (const name of readdirSync(journal.dir)) rmSync(join(journal.dir, name))
  const agent = followJournal(options)
  await agent.waitForStderr('E_JOURNAL_CURSOR')
  // Their times are before the cursor.
  journal.write(numberedEntries(0, 20))
  await allArrive(sink, agent, 20)
})

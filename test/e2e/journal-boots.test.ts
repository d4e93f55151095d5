import { Database } from 'bun:sqlite'
import { expect } from 'bun:test'
import { cpSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Sink } from '../support/forward/sink.ts'
import {
  bootEntries,
  followJournal,
  HOUR_US,
  Journal,
  journalctlOf,
  storedCursor,
} from '../support/journal/journal.ts'
import { journalTools } from '../support/journal/tools.ts'
import type { Running } from '../support/process.ts'
import { allArrive } from '../support/shipping.ts'
import { peerOrSkip } from '../support/skip.ts'
import { tmp } from '../support/tmp.ts'

const tools = journalTools()
const testJournal = peerOrSkip('the journal', tools.reason === '', tools.reason)

interface Bench {
  dir: string
  journal: Journal
  sink: Sink
  follow: (systemd?: Record<string, string>) => Running
  /** Reads everything, and returns the agent after it has ended with status 0. */
  readAll: () => Promise<Running>
}

async function bench(): Promise<Bench> {
  const dir = tmp()
  const journal = new Journal(tools, join(dir, 'j'))
  const sink = await Sink.start('lines')
  const follow = (systemd: Record<string, string> = {}): Running =>
    followJournal({ dir, path: journal.dir, ports: [sink.port], tools, systemd })
  const readAll = async (): Promise<Running> => {
    const agent = follow({ exit_on_eof: 'on' })
    expect({ ...(await agent.ended()), stderr: agent.stderr }).toMatchObject({ code: 0, signal: null })
    return agent
  }
  return { dir, journal, sink, follow, readAll }
}

/** Returns the log lines with this code. */
function logged(agent: Running, code: string): Record<string, unknown>[] {
  return agent.stderr
    .split('\n')
    .filter((line) => line.includes(code))
    .map((line) => JSON.parse(line))
}

testJournal('after a reboot of a volatile journal with the clock set back every entry arrives', async () => {
  const { journal, sink, readAll } = await bench()
  journal.write(bootEntries('1', 0, 50), 'one.journal')
  await readAll()
  rmSync(join(journal.dir, 'one.journal'))
  journal.write(bootEntries('2', 50, 100, HOUR_US), 'two.journal')
  const agent = await readAll()
  expect(await sink.summary()).toMatchObject({ distinct: 100, duplicates: 0, disorder: 0 })
  const lines = logged(agent, 'E_JOURNAL_CURSOR')
  expect(lines.map(({ level }) => level)).toEqual(['warn'])
  expect(String(lines[0]?.message)).toContain('volatile journal')
  expect(agent.stderr).not.toContain('"level":"error"')
})

testJournal(
  'boots whose clocks were behind arrive once next to the boot that was read, over restarts',
  async () => {
    const { journal, sink, readAll } = await bench()
    journal.write(bootEntries('1', 0, 50), 'one.journal')
    await readAll()
    // Two reboots with a new sequence, as after a power failure; the clock is earlier each time.
    journal.write(bootEntries('2', 50, 100, HOUR_US), 'two.journal')
    journal.write(bootEntries('3', 100, 150, 2 * HOUR_US), 'three.journal')
    const agent = await readAll()
    expect(await sink.summary()).toMatchObject({ distinct: 150, duplicates: 0 })
    expect(agent.stderr).not.toContain('E_JOURNAL_CURSOR')
    await readAll()
    journal.write(bootEntries('4', 150, 200, 3 * HOUR_US), 'four.journal')
    await readAll()
    expect(await sink.summary()).toMatchObject({ distinct: 200, duplicates: 0 })
  },
)

testJournal('a first run reads boots of overlapping clocks and sequences completely', async () => {
  const { journal, sink, readAll } = await bench()
  // One sequence of two boots, and a file of a third whose times are those of the first: merged by time it hides the second.
  journal.write([...bootEntries('1', 0, 50), ...bootEntries('2', 50, 100, HOUR_US)], 'a.journal')
  journal.write(bootEntries('3', 100, 150, 60_000), 'b.journal')
  await readAll()
  expect(await sink.summary()).toMatchObject({ distinct: 150, duplicates: 0 })
})

testJournal(
  'a boot with an earlier clock that begins while the agent follows arrives, and grows',
  async () => {
    const { journal, sink, follow } = await bench()
    journal.write(bootEntries('1', 0, 50), 'one.journal')
    const agent = follow()
    await allArrive(sink, agent, 50)
    const writer = journal.writer('two.journal')
    writer.write(bootEntries('2', 50, 100, HOUR_US))
    await allArrive(sink, agent, 100)
    writer.write(bootEntries('2', 100, 120, HOUR_US))
    await allArrive(sink, agent, 120)
    expect(await agent.stop()).toEqual({ code: 0, signal: null })
    writer.write(bootEntries('2', 120, 150, HOUR_US))
    const next = follow()
    await allArrive(sink, next, 150)
    await writer.end()
    expect(await sink.summary()).toMatchObject({ distinct: 150, duplicates: 0, disorder: 0 })
  },
)

testJournal(
  'after a power failure took the end of a boot, later boots with an earlier clock arrive',
  async () => {
    const { dir, journal, sink, readAll } = await bench()
    journal.write(bootEntries('1', 0, 30))
    const cut = new Journal(tools, join(dir, 'cut'))
    cpSync(journal.dir, cut.dir, { recursive: true })
    journal.write(bootEntries('1', 30, 50))
    await readAll()
    cut.write(bootEntries('2', 50, 90, HOUR_US))
    for (const name of readdirSync(journal.dir)) rmSync(join(journal.dir, name))
    cpSync(cut.dir, journal.dir, { recursive: true })
    const agent = await readAll()
    expect(await sink.summary()).toMatchObject({ distinct: 90, duplicates: 0 })
    expect(logged(agent, 'E_JOURNAL_CURSOR').map(({ level }) => level)).toEqual(['warn'])
  },
)

testJournal(
  'with a database of fluent-bit, boots before the cursor are not read, and later ones are',
  async () => {
    const { dir, journal, sink, readAll } = await bench()
    journal.write(bootEntries('2', 50, 100), 'two.journal')
    await readAll()
    const db = new Database(join(dir, 'pos.db'))
    db.exec('DROP TABLE shipper_finished_boots')
    db.close()
    journal.write(bootEntries('1', 0, 50, HOUR_US), 'one.journal')
    journal.write(bootEntries('3', 100, 150), 'three.journal')
    await readAll()
    expect(await sink.summary()).toMatchObject({ min: 50, distinct: 100, duplicates: 0 })
  },
)

testJournal(
  'a file that journalctl leaves out is named in a warning, and Exit_On_Eof ends with status 1',
  async () => {
    const { dir, journal, sink, follow } = await bench()
    journal.write(bootEntries('1', 0, 50), 'one.journal')
    journal.write(bootEntries('2', 50, 100), 'two.journal')
    truncateSync(join(journal.dir, 'two.journal'), 4096)
    const agent = follow({ exit_on_eof: 'on' })
    expect(await agent.ended()).toEqual({ code: 1, signal: null })
    const lines = agent.stderr.split('\n').filter((line) => line.includes('is truncated, ignoring file'))
    expect(
      lines.map((line) => JSON.parse(line)).filter(({ code }) => code === 'E_JOURNAL_READ'),
    ).toHaveLength(1)
    expect(await sink.summary()).toMatchObject({ distinct: 50, duplicates: 0 })
    expect(storedCursor(dir)).toBeDefined()
    const following = follow()
    await following.waitForStderr('is truncated, ignoring file')
  },
)

testJournal('what journalctl says is bounded, logged once, and cannot control a terminal', async () => {
  const { journal, follow } = await bench()
  journal.write(bootEntries('1', 0, 5), 'one.journal')
  for (let i = 0; i < 60; i++)
    writeFileSync(join(journal.dir, `\x1b[31m${'x'.repeat(180)}\n${i}.journal`), 'no journal')
  const agent = follow({ exit_on_eof: 'on' })
  expect(await agent.ended()).toEqual({ code: 1, signal: null })
  expect(agent.stderr).toContain('\\\\x1b[31m')
  expect(agent.stderr).not.toContain('\x1b')
  expect(agent.stderr.split('\n').filter((line) => line.includes('E_JOURNAL_READ')).length).toBeLessThan(60)
})

testJournal('an empty journal is no fault', async () => {
  const { readAll } = await bench()
  const agent = await readAll()
  expect(agent.stderr).not.toContain('"level":"warn"')
})

testJournal('the journal of one boot is followed by one journalctl without a limit to the boot', async () => {
  const { journal, sink, follow } = await bench()
  journal.write(bootEntries('1', 0, 50))
  const agent = follow()
  await allArrive(sink, agent, 50)
  const pid = await journalctlOf(agent)
  // A later boot in the same sequence comes from the same process.
  journal.write(bootEntries('2', 50, 100))
  await allArrive(sink, agent, 100)
  expect(await journalctlOf(agent)).toBe(pid)
})

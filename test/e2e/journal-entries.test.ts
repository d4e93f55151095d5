import { Database } from 'bun:sqlite'
import { expect } from 'bun:test'
import { join } from 'node:path'
import { decodeMulti, ExtensionCodec } from '@msgpack/msgpack'
import { type Arrival, type ForwardPeer, forwardPeer } from '../support/forward/peer.ts'
import { Sink } from '../support/forward/sink.ts'
import type { EntryInit } from '../support/journal/export.ts'
import {
  cursorsIn,
  followJournal,
  Journal,
  numberedEntries,
  START_US,
  storedCursor,
} from '../support/journal/journal.ts'
import { journalTools } from '../support/journal/tools.ts'
import { start } from '../support/process.ts'
import { allArrive } from '../support/shipping.ts'
import { peerOrSkip } from '../support/skip.ts'
import { tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

const tools = journalTools()
const testJournal = peerOrSkip('the journal', tools.reason === '', tools.reason)

interface ReceivedRecord {
  tag: string
  /** Time in microseconds. */
  us: number
  /** Strings as latin1, which preserves every byte. */
  map: Record<string, string | string[] | boolean>
}

/** Decodes times to microseconds. Strings are decoded as raw bytes, because they contain whatever the journal had. */
const times = new ExtensionCodec()
times.register({
  type: 0,
  encode: () => null,
  decode: (data) => {
    const bytes = Buffer.from(data)
    return bytes.readUInt32BE(0) * 1e6 + bytes.readUInt32BE(4) / 1000
  },
})

function recordsOf({ tag, entries }: Arrival): ReceivedRecord[] {
  const options = {
    extensionCodec: times,
    rawStrings: true,
    mapKeyConverter: (key: unknown) => latin1(key) as string,
  }
  return [...decodeMulti(entries, options)].map((entry) => {
    const [us, map] = entry as [number, Record<string, unknown>]
    const texts = Object.entries(map).map(([key, value]) => [key, latin1(value)])
    return { tag, us, map: Object.fromEntries(texts) as ReceivedRecord['map'] }
  })
}

function latin1(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(latin1)
  return value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value
}

const all = (peer: ForwardPeer): ReceivedRecord[] => peer.arrivals.flatMap(recordsOf)

/** Sends a complete journal and returns the records that arrived. */
async function send(
  path: string,
  systemd: Record<string, string | string[]> = {},
  dir = tmp(),
): Promise<ReceivedRecord[]> {
  const peer = await forwardPeer()
  const more = { exit_on_eof: 'on', lowercase: 'off', ...systemd }
  const agent = followJournal({ dir, path, ports: [peer.port], tools, systemd: more })
  expect({ ...(await agent.ended()), hasLoggedError: agent.stderr.includes('"level":"error"') }).toEqual({
    code: 0,
    signal: null,
    hasLoggedError: false,
  })
  return all(peer)
}

function journalOf(entries: EntryInit[]): Journal {
  const journal = new Journal(tools, join(tmp(), 'j'))
  journal.write(entries)
  return journal
}

testJournal('binary values, multiline values, repeated fields and times arrive byte for byte', async () => {
  const binary = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
  const lines = 'first\nsecond\n\nA=1\n\nlast'
  const long = Buffer.alloc(70_000, 'é\n')
  const us = START_US + 123_456
  const journal = journalOf([
    {
      us,
      fields: { MESSAGE: lines, BINARY: binary, LONG: long, EMPTY: '', UNIT: ['a', 'b\n', 'c'], _PID: '7' },
    },
    { us: us + 1, fields: { MESSAGE: 'next' } },
  ])
  const [one, two] = await send(journal.dir)
  expect([one?.tag, one?.us, two?.us]).toEqual(['j', us, us + 1])
  const { UNIT, ...map } = one?.map ?? {}
  expect((UNIT as string[]).toSorted()).toEqual(['a', 'b\n', 'c'])
  expect(map).toEqual({
    _BOOT_ID: 'b'.repeat(32),
    MESSAGE: lines,
    BINARY: binary.toString('latin1'),
    LONG: long.toString('latin1'),
    EMPTY: '',
    _PID: '7',
  })
})

testJournal('Lowercase and Strip_Underscores change field names', async () => {
  const journal = journalOf([{ us: START_US, fields: { MESSAGE: 'x', _PID: '7', PID: '8' } }])
  const [record] = await send(journal.dir, { lowercase: 'on', strip_underscores: 'on' })
  const { pid, ...map } = record?.map ?? {}
  expect(map).toEqual({ boot_id: 'b'.repeat(32), message: 'x' })
  expect((pid as string[]).toSorted()).toEqual(['7', '8'])
})

testJournal('values beyond the limits are truncated and marked, and the rest arrives', async () => {
  const journal = journalOf([
    {
      us: START_US,
      fields: { MESSAGE: 'x'.repeat(1_000_000), CORE: Buffer.alloc(20_000_000, 'core'), A: '1' },
    },
    { us: START_US + 1, fields: { MESSAGE: 'complete' } },
  ])
  const [truncated, complete] = await send(journal.dir, { max_field_size: '1K' })
  const { MESSAGE, CORE, ...map } = truncated?.map ?? {}
  expect([String(MESSAGE).length, String(CORE).length]).toEqual([1000, 1000])
  expect(map).toEqual({ _BOOT_ID: 'b'.repeat(32), A: '1', truncated: true })
  expect(complete?.map).toEqual({ _BOOT_ID: 'b'.repeat(32), MESSAGE: 'complete' })
})

testJournal('entries of earlier boots arrive, in order', async () => {
  const boots = ['1', '2', '3'].map((n) => n.repeat(32))
  const entries = boots.flatMap((boot, b) =>
    numberedEntries(b * 100, b * 100 + 100).map((e) => ({
      ...e,
      boot,
      monotonicUs: e.us - START_US - b * 100_000 + 1,
    })),
  )
  const journal = journalOf(entries)
  const sink = await Sink.start('lines')
  // In follow mode, because with -f alone journalctl would show only the last boot.
  const agent = followJournal({ dir: tmp(), path: journal.dir, ports: [sink.port], tools })
  await allArrive(sink, agent, 300)
  expect(await sink.summary()).toMatchObject({ distinct: 300, duplicates: 0, disorder: 0 })
})

testJournal('the * in Tag is replaced by the unit, or by unknown', async () => {
  const units = ['a.service', 'b.service', undefined, 'a.service', 'session-1.scope']
  const entries = units.map((unit, i) => ({
    us: START_US + i,
    fields: { MESSAGE: `${i}`, ...(unit === undefined ? {} : { _SYSTEMD_UNIT: unit }) },
  }))
  const journal = journalOf(entries)
  for (const strip of ['on', 'off']) {
    const records = await send(journal.dir, { tag: 'host.*.log', strip_underscores: strip })
    expect(records.map(({ tag, map }) => `${map.MESSAGE} ${tag}`).toSorted()).toEqual(
      units.map((unit, i) => `${i} host.${unit ?? 'unknown'}.log`),
    )
  }
})

testJournal('entries that match any filter are read, or only those that match all', async () => {
  const fields = [{ A: '1' }, { B: '1' }, { A: '1', B: '1' }, { A: '2', B: '1' }, { C: '1' }]
  const journal = journalOf(
    fields.map((f, i) => ({ us: START_US + i, fields: { MESSAGE: `${i}`, ...f } as EntryInit['fields'] })),
  )
  const sent = async (filters: string[], type: string): Promise<unknown[]> =>
    (await send(journal.dir, { systemd_filter: filters, systemd_filter_type: type })).map(
      ({ map }) => map.MESSAGE,
    )
  expect(await sent(['A=1', 'B=1'], 'or')).toEqual(['0', '1', '2', '3'])
  expect(await sent(['A=1', 'B=1'], 'and')).toEqual(['2'])
  expect(await sent(['A=1', 'A=2'], 'and')).toEqual(['0', '2', '3'])
  expect(await sent(['C=9'], 'or')).toEqual([])
})

testJournal('a filter that excludes the entry at the cursor is not reported as a loss', async () => {
  const dir = tmp()
  const journal = journalOf(numberedEntries(0, 10, { KIND: 'a' }))
  expect(await send(journal.dir, {}, dir)).toHaveLength(10)
  journal.write(numberedEntries(10, 20, { KIND: 'b' }))
  const records = await send(journal.dir, { systemd_filter: 'KIND=b' }, dir)
  expect(records.map(({ map }) => map.LOG)).toEqual(
    numberedEntries(10, 20).map(({ fields }) => fields.LOG) as string[],
  )
})

testJournal('reading continues at the cursor in fluent-bit’s database, which keeps its format', async () => {
  const dir = tmp()
  const journal = journalOf(numberedEntries(0, 100))
  const cursors = cursorsIn(journal)
  const db = new Database(join(dir, 'pos.db'))
  db.exec('CREATE TABLE IF NOT EXISTS in_systemd_cursor (  cursor  TEXT NOT NULL,  updated INTEGER);')
  db.query('INSERT INTO in_systemd_cursor VALUES (?, ?)').run(cursors[49] as string, 1_700_000_000)
  db.close()
  const records = await send(journal.dir, {}, dir)
  expect(records.map(({ map }) => map.LOG)).toEqual(
    numberedEntries(50, 100).map(({ fields }) => fields.LOG) as string[],
  )
  const after = new Database(join(dir, 'pos.db'), { readonly: true })
  expect(after.query('SELECT * FROM in_systemd_cursor LIMIT 1;').all()).toEqual([
    { cursor: cursors[99] as string, updated: expect.any(Number) },
  ])
  after.close()
})

testJournal(
  'Read_From_Tail starts at the end, and a SIGKILL before the first ack loses no later entry',
  async () => {
    const dir = tmp()
    const journal = journalOf(numberedEntries(0, 100))
    const sink = await Sink.start('lines')
    await sink.ask('ack off')
    const options = { dir, path: journal.dir, ports: [sink.port], tools, systemd: { read_from_tail: 'on' } }
    const agent = followJournal(options)
    await until(() => storedCursor(dir) === cursorsIn(journal).at(-1), {
      what: () => agent.stderr,
    })
    journal.write(numberedEntries(100, 150), 'more.journal')
    await until(async () => (await sink.summary()).distinct === 50, {
      what: () => agent.stderr,
    })
    await agent.stop('SIGKILL')
    await until(async () => (await sink.summary()).open === 0)
    await sink.ask('reset')
    await sink.ask('ack on')
    const next = followJournal(options)
    await until(async () => (await sink.summary()).distinct === 50, {
      what: () => next.stderr,
    })
    expect(await sink.summary()).toMatchObject({ min: 100, max: 149, duplicates: 0 })
  },
)

testJournal('entries arrive as they are written, also from files created later', async () => {
  const dir = tmp()
  const journal = new Journal(tools, join(dir, 'j'))
  const sink = await Sink.start('lines')
  const agent = followJournal({ dir, path: journal.dir, ports: [sink.port], tools })
  let count = 0
  for (const file of ['a.journal', 'b.journal']) {
    const writer = journal.writer(file)
    for (let i = 0; i < 5; i++) {
      writer.write(numberedEntries(count, count + 10))
      count += 10
      await allArrive(sink, agent, count)
    }
    await writer.end()
  }
  expect(await sink.summary()).toMatchObject({ distinct: 100, duplicates: 0, disorder: 0 })
})

testJournal('a missing directory is an error, and is read once it exists', async () => {
  const dir = tmp()
  const path = join(dir, 'j')
  const sink = await Sink.start('lines')
  const agent = followJournal({ dir, path, ports: [sink.port], tools })
  await agent.waitForStderr('No such file or directory')
  expect(agent.stderr).toContain('E_JOURNAL_READ')
  new Journal(tools, path).write(numberedEntries(0, 10))
  await allArrive(sink, agent, 10)
})

testJournal('without journalctl the agent exits with one clear line', async () => {
  const dir = tmp()
  const args = ['-i', 'systemd', '-p', `path=${dir}`, '-o', 'null', '-m', '*']
  const agent = start(args, { env: { PATH: dir } })
  expect(await agent.ended()).toEqual({ code: 1, signal: null })
  const lines = agent.stderr.split('\n').filter((line) => line.includes('E_JOURNAL_MISSING'))
  expect(lines).toHaveLength(1)
  expect(lines[0]).toContain('cannot start journalctl: ENOENT')
  expect(lines[0]).toContain('install systemd')
})

testJournal('an invalid filter is rejected at the start', async () => {
  const agent = start(['-i', 'systemd', '-p', 'systemd_filter=ssh.service', '-o', 'null', '-m', '*'])
  expect(await agent.ended()).toEqual({ code: 1, signal: null })
  expect(agent.stderr).toContain('must be FIELD=VALUE')
})

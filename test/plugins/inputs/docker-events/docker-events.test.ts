import { describe, expect, test } from 'bun:test'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { uptime } from 'node:os'
import { join } from 'node:path'
import { ShipperError } from '../../../../src/core/error.ts'
import type { InputContext } from '../../../../src/core/plugin.ts'
import { httpError } from '../../../../src/lib/http/http-error.ts'
import { connectionError } from '../../../../src/plugins/inputs/docker-events/connection-error.ts'
import { spec } from '../../../../src/plugins/inputs/docker-events/index.ts'
import { DockerDaemon, eventLine } from '../../../support/docker/daemon.ts'
import { InputRun, type MadeRecord } from '../../../support/engine/input-run.ts'
import { tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

const SECOND = 1_000_000_000n
/** Time of the manual clock of a run, at which it asks for events first. */
const NOW = BigInt(Date.UTC(2026, 10, 21, 6, 0, 0, 123)) * 1_000_000n
/** Time of events: an hour later. Tests whose events are not to be ahead of the clock set it with `atHourLater`. */
const START = NOW + 3600n * SECOND

function started(path: string, texts: Record<string, string> = {}, extra?: Partial<InputContext>): InputRun {
  return new InputRun(spec, { unix_path: path, ...texts }, 10_000_000, extra)
}

/** Waits until the input reads from the daemon. */
async function connected(run: InputRun, daemon: DockerDaemon, count = 1): Promise<void> {
  const isConnected = async (): Promise<boolean> => {
    await run.pass(100, 50)
    return daemon.listening > 0 && run.counters.get('connections') >= count
  }
  await until(isConnected, { what: () => run.log.join('\n') })
}

/** Lets an hour and a minute pass, in which no timer runs: events after START are in the past. */
function atHourLater(run: InputRun): void {
  run.bench.clock.set(Number(START / 1_000_000n) + 60_000)
}

async function taken(run: InputRun, count: number): Promise<MadeRecord[]> {
  const records: MadeRecord[] = []
  await until(
    () => {
      records.push(...run.takeRecords())
      return records.length >= count
    },
    { what: () => `${count} records, have ${records.length}: ${run.log.join('\n')}` },
  )
  return records
}

/** True when there is something in a chunk, besides so many that are sealed: Flush may seal it at any time. */
function hasRead({ bench }: InputRun, sealed = 0): boolean {
  return bench.appender.pendingBytes > 0 || bench.sealed.length > sealed
}

const names = (records: MadeRecord[]): string[] =>
  records.map(({ record }) => JSON.parse(String(record.message)).Actor.ID)

describe('events of a daemon', () => {
  test('each line is a record with the text under Key and the time of the event', async () => {
    const daemon = await DockerDaemon.start()
    const run = started(daemon.path, { key: 'event' })
    await connected(run, daemon)
    const line = daemon.emit('v1', START + 5n)
    daemon.emit('v2', START + SECOND)
    expect(await taken(run, 2)).toEqual([
      { time: '1795244400.123000005', record: { event: line } },
      { time: '1795244401.123000000', record: { event: eventLine('v2', START + SECOND) } },
    ])
    await run.stop()
  })

  test('events split at any byte are read, and blank lines are not', async () => {
    const daemon = await DockerDaemon.start()
    const run = started(daemon.path)
    await connected(run, daemon)
    const text = `${eventLine('a', START)}\n\n\r\n${eventLine('b', START + 1n)}\r\n`
    for (let at = 0; at < text.length; at += 7) daemon.write(text.slice(at, at + 7))
    expect(names(await taken(run, 2))).toEqual(['a', 'b'])
    await run.stop()
  })

  test('an event that its parser does not match is kept under Key, and counted', async () => {
    const daemon = await DockerDaemon.start()
    const parser = { bound: () => 0, parse: () => false }
    const run = started(daemon.path, { parser: 'none' }, { parser: () => parser })
    await connected(run, daemon)
    daemon.emit('v1', START)
    expect(names(await taken(run, 1))).toEqual(['v1'])
    expect(run.counters.get('parse_failed')).toBe(1)
    await run.stop()
  })
})

describe('the position in the events', () => {
  test('the first request asks from the start of the agent on', async () => {
    const daemon = await DockerDaemon.start()
    daemon.emit('before', NOW - 1n)
    daemon.emit('after', NOW)
    const run = started(daemon.path)
    expect(names(await taken(run, 1))).toEqual(['after'])
    expect(daemon.requests).toEqual(['/events?since=1795240800.123000000'])
    await run.stop()
  })

  test('after a cut the events that came meanwhile follow, each once, also one with an earlier time', async () => {
    const daemon = await DockerDaemon.start()
    const run = started(daemon.path)
    await connected(run, daemon)
    daemon.emit('one', START + SECOND)
    daemon.emit('two', START + 2n * SECOND)
    const first = await taken(run, 2)
    daemon.cut()
    await until(() => daemon.listening === 0)
    // Its time was taken before that of `two`, and it was put in order after it.
    daemon.emit('late', START + 2n * SECOND - 5n)
    daemon.emit('three', START + 3n * SECOND)
    await connected(run, daemon, 2)
    daemon.emit('four', START + 4n * SECOND)
    expect(names([...first, ...(await taken(run, 3))])).toEqual(['one', 'two', 'late', 'three', 'four'])
    expect(run.counters.get('gaps')).toBe(0)
    await run.stop()
  })

  test('a line that is cut in the middle is read again', async () => {
    const daemon = await DockerDaemon.start()
    const run = started(daemon.path)
    await connected(run, daemon)
    daemon.write(eventLine('one', START).slice(0, 50))
    daemon.cut()
    await until(() => daemon.listening === 0)
    daemon.emit('one', START)
    await connected(run, daemon, 2)
    expect(names(await taken(run, 1))).toEqual(['one'])
    await run.stop()
  })

  test('with a DB a restart reads what was not acknowledged, and nothing that was', async () => {
    const daemon = await DockerDaemon.start()
    const db = join(tmp(), 'pos.db')
    const first = started(daemon.path, { db })
    await connected(first, daemon)
    daemon.emit('one', START + 1n)
    daemon.emit('two', START + 2n)
    await taken(first, 2)
    daemon.emit('three', START + 3n)
    await until(() => hasRead(first))
    await first.stop()
    daemon.emit('four', START + 4n)
    const second = started(daemon.path, { db })
    expect(names(await taken(second, 2))).toEqual(['three', 'four'])
    expect(second.counters.get('duplicates')).toBe(2)
    await second.stop()
    const third = started(daemon.path, { db })
    await connected(third, daemon)
    daemon.emit('five', START + 5n)
    expect(names(await taken(third, 1))).toEqual(['five'])
    await third.stop()
  })

  test('when its position in the DB is damaged, all events that the daemon has come again', async () => {
    const daemon = await DockerDaemon.start()
    const db = join(tmp(), 'pos.db')
    const first = started(daemon.path, { db })
    await connected(first, daemon)
    atHourLater(first)
    daemon.emit('a', START)
    expect(names(await taken(first, 1))).toEqual(['a'])
    await first.stop()
    daemon.emit('b', START + SECOND)
    const bytes = readFileSync(db)
    const value = String(START - SECOND).slice(0, 10)
    let changed = 0
    for (let at = bytes.indexOf(value); at >= 0; at = bytes.indexOf(value, at + 1), changed++)
      bytes[at + 4] = 0x39
    expect(changed).toBeGreaterThan(0)
    writeFileSync(db, bytes)
    const next = started(daemon.path, { db })
    await connected(next, daemon)
    expect(names(await taken(next, 2))).toEqual(['a', 'b'])
    expect(daemon.requests.at(-1)).toContain('since=0.000000001')
    expect(next.log.join('\n')).toContain('is damaged')
    await next.stop()
  })

  test('a chunk that is acknowledged before an earlier one is not sent again, and the earlier one is', async () => {
    const daemon = await DockerDaemon.start()
    const db = join(tmp(), 'pos.db')
    const first = started(daemon.path, { db })
    await connected(first, daemon)
    for (const [i, name] of ['one', 'two'].entries()) {
      daemon.emit(name, START + BigInt(i) * 5n * SECOND)
      await until(() => hasRead(first, i))
      first.bench.appender.seal()
    }
    first.bench.sealed.splice(1, 1)[0]?.ack('delivered')
    await first.stop()
    const second = started(daemon.path, { db })
    expect(names(await taken(second, 1))).toEqual(['one'])
    expect(second.counters.get('duplicates')).toBe(1)
    await second.stop()
  })

  test('a daemon that no longer has what it sent is counted and logged as a gap', async () => {
    const daemon = await DockerDaemon.start()
    const run = started(daemon.path)
    await connected(run, daemon)
    atHourLater(run)
    daemon.emit('one', START)
    await taken(run, 1)
    await daemon.down()
    await daemon.up()
    daemon.emit('two', START + SECOND)
    await connected(run, daemon, 2)
    expect(names(await taken(run, 1))).toEqual(['two'])
    expect(run.counters.get('gaps')).toBe(1)
    expect(run.log.join('\n')).toContain('events of Docker may be missing')
    await run.stop()
  })
})

describe('a clock that is not even', () => {
  /** Reads `before`, and then what comes while the connection is cut, with the clock set to `later`. */
  async function afterCut(
    before: readonly [string, bigint][],
    between: readonly [string, bigint][],
    later: bigint,
  ): Promise<{ daemon: DockerDaemon; run: InputRun; found: string[] }> {
    const daemon = await DockerDaemon.start()
    const run = started(daemon.path)
    await connected(run, daemon)
    atHourLater(run)
    for (const [name, nano] of before) daemon.emit(name, nano)
    const first = await taken(run, before.length)
    daemon.cut()
    await until(() => daemon.listening === 0)
    for (const [name, nano] of between) daemon.emit(name, nano)
    run.bench.clock.set(Number(later / 1_000_000n))
    await connected(run, daemon, 2)
    daemon.emit('last', later)
    const found = names([...first, ...(await taken(run, between.length + 1))])
    return { daemon, run, found }
  }

  test.each([
    ['an hour', 3600n],
    ['four seconds', 4n],
  ])('after an event %s ahead of it, those that follow are asked for by the clock', async (_, seconds) => {
    const now = START + 60n * SECOND
    const { run, found } = await afterCut(
      [['ahead', now + seconds * SECOND]],
      [
        ['one', now + SECOND / 2n],
        ['two', now + SECOND],
      ],
      now + 2n * SECOND,
    )
    expect(found).toEqual(['ahead', 'one', 'two', 'last'])
    expect(run.counters.get('gaps')).toBe(0)
    await run.stop()
  })

  test('an event ahead of it that comes again does not say that nothing is missing', async () => {
    const now = START + 60n * SECOND
    const daemon = await DockerDaemon.start()
    const run = started(daemon.path)
    await connected(run, daemon)
    atHourLater(run)
    daemon.emit('one', now - SECOND)
    const ahead = daemon.emit('ahead', now + 3600n * SECOND)
    await taken(run, 2)
    daemon.answers.push((response) => {
      response.writeHead(200)
      response.write(`${ahead}\n${eventLine('two', now + 30n * SECOND)}\n`)
    })
    run.bench.clock.set(Number(now / 1_000_000n) + 60_000)
    daemon.cut()
    await until(() => daemon.listening === 0)
    await until(async () => {
      await run.pass(100, 50)
      return run.counters.get('connections') === 2
    })
    expect(names(await taken(run, 1))).toEqual(['two'])
    expect(run.counters.get('gaps')).toBe(1)
    await run.stop()
  })

  test('when it was set back while the connection was cut, what came since follows, and nothing twice', async () => {
    const { run, found, daemon } = await afterCut(
      [['before', START + 59n * SECOND]],
      [
        ['one', START - 1800n * SECOND],
        ['two', START - 1799n * SECOND],
      ],
      START - 1800n * SECOND,
    )
    expect(found).toEqual(['before', 'one', 'two', 'last'])
    daemon.cut()
    await connected(run, daemon, 3)
    daemon.emit('more', START - 1798n * SECOND)
    expect(names(await taken(run, 1))).toEqual(['more'])
    await run.stop()
  })

  test('after an event ahead of it a restart asks from before that one, and knows it again', async () => {
    const daemon = await DockerDaemon.start()
    const db = join(tmp(), 'pos.db')
    const first = started(daemon.path, { db })
    await connected(first, daemon)
    daemon.emit('ahead', 2n * START)
    await taken(first, 1)
    await first.stop()
    daemon.emit('one', NOW + SECOND)
    const second = started(daemon.path, { db })
    expect(names(await taken(second, 1))).toEqual(['one'])
    expect(second.counters.get('duplicates')).toBe(1)
    await second.stop()
  })

  test('a restart with a position ahead of it asks for all that may have come in this boot of the machine', async () => {
    const daemon = await DockerDaemon.start()
    const db = join(tmp(), 'pos.db')
    const first = started(daemon.path, { db })
    await connected(first, daemon)
    atHourLater(first)
    daemon.emit('before', START + SECOND)
    await taken(first, 1)
    await first.stop()
    // Its clock is an hour behind that of the first run.
    daemon.emit('one', NOW)
    const second = started(daemon.path, { db })
    expect(names(await taken(second, 1))).toEqual(['one'])
    const asked = Number(daemon.requests.at(-1)?.split('=')[1])
    expect(asked).toBeLessThan(Number(NOW / SECOND) - uptime())
    expect(asked).toBeGreaterThan(Number(NOW / SECOND) - uptime() - 10)
    await second.stop()
  })
})

describe('equal events', () => {
  const line = (second: bigint): string => `{"status":"exec_start: ls","id":"abc","time":${second}}`

  test('with seconds only are as many records, and known when they are sent again', async () => {
    const daemon = await DockerDaemon.start()
    const run = started(daemon.path)
    const second = START / SECOND
    const send = (count: number) => (response: ServerResponse) => {
      response.writeHead(200)
      response.write(`${line(second)}\n`.repeat(count))
      setTimeout(() => response.end(), 20)
    }
    daemon.answers.push(send(3), send(5))
    await until(async () => {
      await run.pass(100, 50)
      return daemon.answers.length === 0 && run.counters.get('disconnects') === 2
    })
    expect(await taken(run, 5)).toHaveLength(5)
    expect(run.counters.get('duplicates')).toBe(3)
    await run.stop()
  })

  test('with nanoseconds are one, also on one connection', async () => {
    const daemon = await DockerDaemon.start()
    const run = started(daemon.path)
    await connected(run, daemon)
    for (let i = 0; i < 3; i++) daemon.write(`${eventLine('a', START)}\n`)
    daemon.emit('b', START)
    expect(names(await taken(run, 2))).toEqual(['a', 'b'])
    expect(run.counters.get('duplicates')).toBe(2)
    await run.stop()
  })
})

describe('a daemon that fails', () => {
  const refusals: [string, (response: ServerResponse) => void, string][] = [
    [
      'an error with its message',
      (response) => {
        response.writeHead(500, { 'content-type': 'application/json' })
        response.end('{"message":"strconv.ParseInt: parsing \\"abc\\": invalid syntax"}')
      },
      'status 500: strconv.ParseInt: parsing "abc": invalid syntax',
    ],
    [
      'a redirect, which is not followed',
      (response) => {
        response.writeHead(301, { location: 'http://127.0.0.1:1/events' })
        response.end()
      },
      'status 301',
    ],
    [
      'an error without a message',
      (response) => {
        response.writeHead(403)
        response.end('<html>')
      },
      'status 403',
    ],
    ['a connection that is closed at once', (response) => void response.destroy(), 'cannot read events'],
  ]
  for (const [name, answer, message] of refusals) {
    test(`${name}: it is logged, and asked again`, async () => {
      const daemon = await DockerDaemon.start()
      daemon.answers.push(answer)
      const run = started(daemon.path)
      await connected(run, daemon)
      expect(run.log.join('\n')).toContain(message)
      expect(daemon.requests.length).toBe(2)
      daemon.emit('one', START)
      expect(names(await taken(run, 1))).toEqual(['one'])
      await run.stop()
    })
  }

  test('after Reconnect.Retry_Limits failures an error is logged once, and attempts follow every 30 s', async () => {
    const daemon = await DockerDaemon.start()
    const refuse = (response: ServerResponse): void => {
      response.writeHead(500)
      response.end()
    }
    daemon.answers.push(...Array.from({ length: 4 }, () => refuse))
    const texts = { 'reconnect.retry_limits': '2', 'reconnect.retry_interval': '3' }
    const run = started(daemon.path, texts)
    for (const [at, waitMs] of [3000, 3000, 30_000, 30_000].entries()) {
      await until(() => run.counters.get('disconnects') === at + 1)
      await run.pass(waitMs - 100, waitMs - 100)
      expect(daemon.requests.length).toBe(at + 1)
      await run.pass(200, 200)
    }
    await connected(run, daemon)
    expect(run.log.filter((line) => line.startsWith('error'))).toHaveLength(1)
    await run.stop()
  })

  test('an event above 1 MB is left out and counted, and the next one is read', async () => {
    const daemon = await DockerDaemon.start()
    const run = started(daemon.path)
    await connected(run, daemon)
    daemon.write(`${'x'.repeat(1_200_000)}\n`)
    daemon.emit('one', START)
    expect(names(await taken(run, 1))).toEqual(['one'])
    expect(run.counters.get('events_oversize')).toBe(1)
    await run.stop()
  })

  test('100 MB without a newline are not kept, and end the connection', async () => {
    const daemon = await DockerDaemon.start()
    const run = started(daemon.path)
    await connected(run, daemon)
    const piece = Buffer.alloc(1_000_000, 0x78)
    for (let sent = 0; sent < 100; sent++) daemon.write(piece)
    await until(() => run.counters.get('disconnects') === 1, { what: () => run.log.join('\n') })
    expect(run.log.join('\n')).toContain('without a newline')
    await run.stop()
  })

  test('a daemon that is silent is asked anew after five minutes, without a word', async () => {
    const daemon = await DockerDaemon.start()
    const run = started(daemon.path)
    await connected(run, daemon)
    await run.pass(301_000, 1000)
    await connected(run, daemon, 2)
    expect(run.log.filter((line) => !line.startsWith('info'))).toEqual([])
    expect(run.counters.get('disconnects')).toBe(0)
    await run.stop()
  })

  test('a socket that is missing or forbidden is logged with what helps', async () => {
    const missing = started(join(tmp(), 'none.sock'))
    await until(() => missing.log.length > 0)
    expect(missing.log[0]).toContain('ENOENT')
    await missing.stop()
  })
})

test('while there is no memory the connection is not read, and nothing is lost', async () => {
  const daemon = await DockerDaemon.start()
  const run = new InputRun(spec, { unix_path: daemon.path }, 200_000)
  await connected(run, daemon)
  const count = 200
  const padding = 'y'.repeat(5000)
  for (let i = 0; i < count; i++) daemon.emit(`${i}-${padding}`, START + BigInt(i))
  await until(() => run.bench.sealed.length > 0)
  const found = names(await taken(run, count)).map((name) => Number.parseInt(name, 10))
  expect(found).toEqual(Array.from({ length: count }, (_, i) => i))
  await run.stop()
})

describe('what helps', () => {
  const failed = (code: string): Error => Object.assign(new Error(`connect ${code}`), { code })

  /** Returns the error of the HTTP client when its connection fails with the code. */
  const ofClient = (code: string): Error => {
    const cause = new ShipperError('E_PEER_UNREACHABLE', `connect ${code}`, { cause: failed(code) })
    return httpError(cause, 'GET http://localhost/events', { wasSent: false, hasHead: false })
  }

  test('with a denied socket is its group and the drop-in', async () => {
    const daemon = await DockerDaemon.start()
    chmodSync(daemon.path, 0o660)
    const { code, hint } = connectionError(daemon.path, ofClient('EACCES'))
    expect([code, hint]).toEqual([
      'E_PEER_UNREACHABLE',
      expect.stringContaining(
        'the group of the socket, root: for the systemd unit, copy /etc/shipper/drop-ins/docker-events.conf',
      ),
    ])
  })

  test('with a Unix_Path that is no socket is another one, and not to start Docker', () => {
    const dir = tmp()
    writeFileSync(join(dir, 'file'), '')
    const text = 'set Unix_Path to the socket of the Docker daemon: this is a'
    expect(connectionError(dir, failed('ECONNREFUSED')).hint).toBe(`${text} directory`)
    expect(connectionError(join(dir, 'file'), failed('ECONNREFUSED')).hint).toBe(`${text} file`)
  })

  test('with a socket on which nothing listens is to start Docker', async () => {
    const daemon = await DockerDaemon.start()
    expect(connectionError(daemon.path, ofClient('ECONNREFUSED')).hint).toBe(
      'start Docker: nothing listens on the socket',
    )
  })

  test('with a connection that is cut is the log of Docker: there is no host and no port', async () => {
    const daemon = await DockerDaemon.start()
    const { hint } = connectionError(daemon.path, new Error('aborted'))
    expect(hint).toContain('see the log of the Docker daemon')
    expect(hint).not.toContain('port')
  })
})

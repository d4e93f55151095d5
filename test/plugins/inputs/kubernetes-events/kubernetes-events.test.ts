import { Database as Sqlite } from 'bun:sqlite'
import { describe, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { parseOptions } from '../../../../src/core/options/parse.ts'
import { credentialNotes } from '../../../../src/lib/kubernetes/options.ts'
import { spec } from '../../../../src/plugins/inputs/kubernetes-events/index.ts'
import { InputRun, type MadeRecord } from '../../../support/engine/input-run.ts'
import { EventApi } from '../../../support/kubernetes/event-api.ts'
import { tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

/** Unix time of the events of the API, shortly before that of the clock of a run. */
const EVENT_TIME = Date.UTC(2026, 10, 21, 6) / 1000

function started(api: EventApi, texts: Record<string, string> = {}, limit?: number): InputRun {
  const none = { kube_ca_file: '/nonexistent/file', kube_token_file: '/nonexistent/file' }
  return new InputRun(spec, { kube_url: api.url, ...none, ...texts }, limit)
}

/** Lets time pass until the condition is true. */
async function passUntil(run: InputRun, condition: () => boolean, stepMs = 50): Promise<void> {
  const holds = async (): Promise<boolean> => {
    if (condition()) return true
    await run.pass(stepMs, stepMs)
    return condition()
  }
  await until(holds, { what: () => `${condition}:\n${run.log.join('\n')}` })
}

async function taken(run: InputRun, count: number): Promise<MadeRecord[]> {
  const records: MadeRecord[] = []
  await passUntil(run, () => {
    records.push(...run.takeRecords())
    return records.length >= count
  })
  return records
}

/** True when there is something in a chunk, besides so many that are sealed: Flush may seal it at any time. */
function hasRead({ bench }: InputRun, sealed = 0): boolean {
  return bench.appender.pendingBytes > 0 || bench.sealed.length > sealed
}

interface Metadata {
  name: string
  resourceVersion: string
}
const metadataOf = ({ record }: MadeRecord): Metadata => record.metadata as Metadata
const names = (records: MadeRecord[]): string[] => records.map((record) => metadataOf(record).name)

/** Waits until a watch is open; stops when nothing is left to read. */
const watching = (run: InputRun, api: EventApi): Promise<void> => passUntil(run, () => api.watching === 1)

describe('events', () => {
  test('those that exist are listed and later ones watched; a record is the event as the server sends it', async () => {
    const api = await EventApi.start()
    const first = api.put('one', { count: 1, note: 'ä', series: { n: [1, 2.5, true] } })
    const run = started(api)
    await watching(run, api)
    const second = api.put('two')
    const records = await taken(run, 2)
    expect(records).toEqual([
      { time: `${EVENT_TIME}.000000000`, record: first },
      { time: `${EVENT_TIME}.000000000`, record: { kind: 'Event', apiVersion: 'v1', ...second } },
    ])
    expect([api.count('list'), api.count('watch')]).toEqual([1, 1])
    expect(api.requests[0]?.pathname).toBe('/api/v1/events')
    const query = Object.fromEntries(api.requests[1]?.searchParams ?? [])
    expect(query).toEqual({
      watch: 'true',
      resourceVersion: '101',
      allowWatchBookmarks: 'true',
      timeoutSeconds: '600',
    })
    await run.stop()
  })

  test('one that happens again is a record again, and one that is deleted is none', async () => {
    const api = await EventApi.start()
    const run = started(api)
    await watching(run, api)
    api.put('one', { count: 1 })
    api.put('one', { count: 2 })
    api.delete('one')
    api.put('two')
    const records = await taken(run, 3)
    expect(records.map(({ record }) => [metadataOf({ time: '', record }).name, record.count])).toEqual([
      ['one', 1],
      ['one', 2],
      ['two', undefined],
    ])
    await run.stop()
  })

  test('the time is that of the last occurrence, else of the first, else of the creation, in seconds', async () => {
    const api = await EventApi.start()
    const run = started(api)
    await watching(run, api)
    api.put('a', { lastTimestamp: '2026-11-21T05:30:01Z', firstTimestamp: '2026-11-21T05:00:00Z' })
    api.put('b', { lastTimestamp: null, firstTimestamp: '2026-11-21T05:00:02Z' })
    api.put('c', { lastTimestamp: null, firstTimestamp: null })
    api.put('d', { lastTimestamp: '2026-11-21T05:30:01.123456Z', firstTimestamp: null })
    const at = (text: string): string => `${Date.parse(text) / 1000}.000000000`
    expect((await taken(run, 4)).map(({ time }) => time)).toEqual([
      at('2026-11-21T05:30:01Z'),
      at('2026-11-21T05:00:02Z'),
      at('2026-11-21T06:00:00Z'),
      at('2026-11-21T06:00:00Z'),
    ])
    await run.stop()
  })

  test('an event of a series has the time at which it was last observed, and is not too old by its first one', async () => {
    const api = await EventApi.start()
    const none = { lastTimestamp: null, firstTimestamp: null }
    const metadata = (name: string, version: number): object => ({
      metadata: {
        name,
        namespace: 'default',
        resourceVersion: `${version}`,
        creationTimestamp: '2026-11-21T01:00:00Z',
      },
    })
    const eventTime = '2026-11-21T01:00:00.000007Z'
    api.put('series', {
      ...none,
      ...metadata('series', 101),
      eventTime,
      series: { count: 3, lastObservedTime: '2026-11-21T05:30:01.123456Z' },
    })
    api.put('once', { ...none, ...metadata('once', 102), eventTime: '2026-11-21T05:30:02.5Z' })
    api.put('old', { ...none, ...metadata('old', 103), eventTime })
    api.put('new', { ...none, ...metadata('new', 104), eventTime: '2026-11-21T05:30:02.500000Z' })
    const run = started(api)
    await watching(run, api)
    const at = (text: string): string => `${Date.parse(text) / 1000}`
    expect((await taken(run, 2)).map((record) => [metadataOf(record).name, record.time])).toEqual([
      ['new', `${at('2026-11-21T05:30:02Z')}.500000000`],
      ['series', `${at('2026-11-21T05:30:01Z')}.123456000`],
    ])
    expect(run.counters.get('events_old')).toBe(2)
    await run.stop()
  })

  test('versions of more digits than a number holds are compared exactly', async () => {
    const api = await EventApi.start()
    const db = join(tmp(), 'pos.db')
    api.startAt(90_071_992_547_409_930_000n)
    api.put('one')
    const first = started(api, { db })
    await watching(first, api)
    for (const name of ['two', 'three']) api.put(name)
    expect(names(await taken(first, 3))).toEqual(['one', 'two', 'three'])
    await first.stop()
    api.put('four')
    const second = started(api, { db })
    expect(names(await taken(second, 1))).toEqual(['four'])
    expect(api.count('list')).toBe(1)
    expect(api.requests.at(-1)?.searchParams.get('resourceVersion')).toBe('90071992547409930003')
    await second.stop()
  })

  test('an object of too many levels is left out and counted, and the others come', async () => {
    const api = await EventApi.start()
    const deep = (levels: number): unknown => JSON.parse(`${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`)
    api.put('a', { deep: deep(150) })
    api.put('b', { deep: deep(80) })
    const run = started(api)
    await watching(run, api)
    api.put('c', { deep: deep(150) })
    api.put('d')
    expect(names(await taken(run, 2))).toEqual(['b', 'd'])
    expect(run.counters.get('events_oversize')).toBe(2)
    await run.stop()
  })

  test('a first start leaves out those older than Kube_Retention_Time, and only those', async () => {
    const api = await EventApi.start()
    api.put('old', { lastTimestamp: '2026-11-21T04:59:59Z' })
    api.put('new', { lastTimestamp: '2026-11-21T05:00:01Z' })
    const run = started(api)
    await watching(run, api)
    api.put('late', { lastTimestamp: '2026-11-20T00:00:00Z' })
    expect(names(await taken(run, 2))).toEqual(['new', 'late'])
    expect(run.counters.get('events_old')).toBe(1)
    await run.stop()
  })

  test('with Kube_Namespace only its events are requested', async () => {
    const api = await EventApi.start()
    api.put('one', {}, 'shop')
    api.put('two', {}, 'other')
    const run = started(api, { kube_namespace: 'shop' })
    await watching(run, api)
    api.put('three', {}, 'other')
    api.put('four', {}, 'shop')
    expect(names(await taken(run, 2))).toEqual(['one', 'four'])
    expect(api.requests.map((url) => url.pathname)).toEqual(
      Array.from({ length: 2 }, () => '/api/v1/namespaces/shop/events'),
    )
    await run.stop()
  })

  test('with Kube_Request_Limit a list is requested in parts', async () => {
    const api = await EventApi.start()
    for (let i = 0; i < 5; i++) api.put(`e${i}`)
    const run = started(api, { kube_request_limit: '2' })
    expect(names(await taken(run, 5))).toEqual(['e0', 'e1', 'e2', 'e3', 'e4'])
    await watching(run, api)
    expect(api.count('list')).toBe(3)
    expect(api.requests.slice(0, 3).map((url) => url.searchParams.get('limit'))).toEqual(['2', '2', '2'])
    await run.stop()
  })

  test('an event without a version is left out, counted and logged', async () => {
    const api = await EventApi.start()
    const run = started(api)
    await watching(run, api)
    for (const resourceVersion of ['', 'x', '1e3', '9'.repeat(40), null])
      api.put('bad', { metadata: { name: 'bad', namespace: 'default', resourceVersion } })
    api.put('good')
    expect(names(await taken(run, 1))).toEqual(['good'])
    expect(run.counters.get('events_invalid')).toBe(5)
    expect(run.log.filter((line) => line.includes('has no resourceVersion'))).toHaveLength(1)
    await run.stop()
  })
})

describe('a server that fails', () => {
  test('a watch that ends goes on after the last version, also that of a bookmark', async () => {
    const api = await EventApi.start()
    const run = started(api)
    await watching(run, api)
    api.put('one')
    api.put('gone')
    await taken(run, 2)
    api.delete('gone')
    api.bookmark()
    api.end()
    await passUntil(run, () => api.count('watch') === 2)
    expect(api.requests.at(-1)?.searchParams.get('resourceVersion')).toBe('103')
    api.put('two')
    expect(names(await taken(run, 1))).toEqual(['two'])
    expect(api.count('list')).toBe(1)
    await run.stop()
  })

  test('a watch that is cut within an event reads it again', async () => {
    const api = await EventApi.start()
    const run = started(api)
    await watching(run, api)
    api.put('one')
    const first = await taken(run, 1)
    api.cutAfter = 100
    api.put('two')
    await passUntil(run, () => api.count('watch') === 2)
    expect(names([...first, ...(await taken(run, 1))])).toEqual(['one', 'two'])
    await run.stop()
  })

  test('a list that is cut is repeated without what was passed on', async () => {
    const api = await EventApi.start()
    for (let i = 0; i < 5; i++) api.put(`e${i}`)
    api.cutAfter = 900
    const run = started(api)
    expect(names(await taken(run, 5))).toEqual(['e0', 'e1', 'e2', 'e3', 'e4'])
    expect(api.count('list')).toBe(2)
    await run.stop()
  })

  test('an expired version leads to a new list, of which known events are left out', async () => {
    const api = await EventApi.start()
    const run = started(api)
    await watching(run, api)
    api.put('one')
    api.put('acked')
    const first = await taken(run, 2)
    api.put('two')
    await passUntil(run, () => hasRead(run))
    api.cut()
    await until(() => api.watching === 0)
    api.put('three')
    api.compact()
    const rest = await taken(run, 2)
    expect(names([...first, ...rest]).sort()).toEqual(['acked', 'one', 'three', 'two'])
    expect([api.count('list'), run.counters.get('watch_expired')]).toEqual([2, 1])
    await run.stop()
  })

  test('an expired continuation leads to a new list, of which known events are left out', async () => {
    const api = await EventApi.start()
    for (let i = 0; i < 4; i++) api.put(`e${i}`)
    api.answers.push(undefined, 410)
    const run = started(api, { kube_request_limit: '2' })
    await passUntil(run, () => api.answers.length === 0)
    api.put('e9')
    expect(names(await taken(run, 5)).sort()).toEqual(['e0', 'e1', 'e2', 'e3', 'e9'])
    await run.stop()
  })

  /** Answers with a list that is cut after its first part was sent. */
  const cutOff = (response: ServerResponse): void => {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.write('{"metadata":{"resourceVersion":"100"},"items":[', () => response.destroy())
  }

  test.each([
    ['429', 429],
    ['500', 500],
    ['a cut connection', cutOff],
  ])('a part of a list that fails with %s is requested again, and not those before it', async (_, answer) => {
    const api = await EventApi.start()
    for (let i = 0; i < 8; i++) api.put(`e${i}`)
    // Each part but the first fails twice, which is more often than the wait may grow.
    for (let part = 0; part < 4; part++) api.answers.push(...(part === 0 ? [] : [answer, answer]), undefined)
    const run = started(api, { kube_request_limit: '2' })
    await watching(run, api)
    expect(names(await taken(run, 8))).toEqual(Array.from({ length: 8 }, (_, i) => `e${i}`))
    const asked = api.requests
      .slice(0, -1)
      .map((url) => url.searchParams.get('continue')?.split('/')[1] ?? '')
    expect(asked).toEqual(['', 'e1', 'e1', 'e1', 'e3', 'e3', 'e3', 'e5', 'e5', 'e5'])
    expect(run.counters.get('events_known')).toBe(0)
    expect(run.log.filter((line) => line.includes('retrying the event list'))).toHaveLength(6)
    await run.stop()
  })

  test.each([
    ['that the server refuses', [400]],
    ['that fails again and again', Array.from({ length: 6 }, () => 503)],
  ])('a continuation %s leads to a new list', async (_, statuses) => {
    const api = await EventApi.start()
    for (let i = 0; i < 4; i++) api.put(`e${i}`)
    api.answers.push(undefined, ...statuses)
    const run = started(api, { kube_request_limit: '2' })
    await passUntil(run, () => api.watching === 1, 1000)
    expect(names(await taken(run, 4))).toEqual(['e0', 'e1', 'e2', 'e3'])
    expect(api.requests.slice(1).filter((url) => url.searchParams.get('continue') === null)).toHaveLength(2)
    await run.stop()
  })

  test('a watch that goes back in its versions leads to a new list, and is told', async () => {
    const api = await EventApi.start()
    api.put('one')
    const run = started(api)
    await watching(run, api)
    api.put('odd', { metadata: { name: 'odd', namespace: 'default', resourceVersion: '900' } })
    await taken(run, 2)
    api.put('two')
    await passUntil(run, () => api.count('list') === 2)
    expect(names(await taken(run, 1))).toContain('two')
    expect(run.log.join('\n')).toContain('has sent version 103 after 900')
    await run.stop()
  })

  test('continuations without events are an error, and are not followed for ever', async () => {
    const api = await EventApi.start()
    api.answers.push((response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end('{"metadata":{"resourceVersion":"100","continue":"100 x"},"items":[]}')
    })
    const run = started(api)
    await watching(run, api)
    expect(run.log.join('\n')).toContain('has an empty part and a continuation')
    expect(api.count('list')).toBe(2)
    await run.stop()
  })

  test('missing rights are named, and noticed when granted', async () => {
    const api = await EventApi.start()
    api.put('one')
    api.answers.push(403, 403)
    const run = started(api)
    await passUntil(run, () => api.watching === 1, 1000)
    expect(names(await taken(run, 1))).toEqual(['one'])
    expect(run.log.filter((line) => line.startsWith('error'))).toEqual([
      expect.stringContaining('cannot read events'),
    ])
    await run.stop()
  })

  test('a token that has expired is read again', async () => {
    const api = await EventApi.start()
    const file = join(tmp(), 'token')
    writeFileSync(file, 'first\n')
    api.token = 'first'
    const run = started(api, { kube_token_file: file })
    await watching(run, api)
    api.token = 'second'
    writeFileSync(file, 'second\n')
    api.end()
    await passUntil(run, () => api.count('watch') === 2 && api.watching === 1)
    api.put('one')
    expect(names(await taken(run, 1))).toEqual(['one'])
    await run.stop()
  })

  test('a redirect is not followed', async () => {
    const api = await EventApi.start()
    api.put('one')
    api.answers.push((response) => {
      response.writeHead(302, { location: `${api.url}/api/v1/events?redirected` })
      response.end()
    })
    const run = started(api)
    expect(names(await taken(run, 1))).toEqual(['one'])
    expect(api.requests.filter((url) => url.search.includes('redirected'))).toEqual([])
    expect(run.log.join('\n')).toContain('status 302')
    await run.stop()
  })

  test('a server that was restored from a backup gives versions again: its events are read as at a first start', async () => {
    const api = await EventApi.start()
    const run = started(api)
    await watching(run, api)
    for (const name of ['a', 'b', 'c', 'd']) api.put(name)
    await taken(run, 4)
    // A watch after a version that the server does not have is silent for minutes; a 410 leads to the same list.
    api.answers.push(410)
    api.restore(101, (name) => name === 'a')
    api.put('e')
    const records = await taken(run, 2)
    expect(names(records)).toEqual(['a', 'e'])
    expect(metadataOf(records[1] as MadeRecord).resourceVersion).toBe('102')
    expect(run.log.join('\n')).toContain('has an older state')
    await run.stop()
  })

  test('while there is no memory nothing is read, and each event comes once', async () => {
    const api = await EventApi.start()
    const padding = 'x'.repeat(5000)
    for (let i = 0; i < 100; i++) api.put(`e${String(i).padStart(3, '0')}`, { padding })
    const run = started(api, {}, 200_000)
    await passUntil(run, () => run.bench.sealed.length > 0)
    // Longer than a response waits: the list is given up and requested again.
    await run.pass(30_000, 1000)
    const found = names(await taken(run, 100))
    expect(found.toSorted()).toEqual(Array.from({ length: 100 }, (_, i) => `e${String(i).padStart(3, '0')}`))
    await run.stop()
  })
})

describe('the position', () => {
  const db = (): string => join(tmp(), 'pos.db')

  test('a restart watches from the last version, and reads what was not acknowledged', async () => {
    const api = await EventApi.start()
    const path = db()
    api.put('one')
    const first = started(api, { db: path })
    await watching(first, api)
    await taken(first, 1)
    api.put('two')
    await passUntil(first, () => hasRead(first))
    await first.stop()
    api.put('three')
    const second = started(api, { db: path })
    expect(names(await taken(second, 2))).toEqual(['two', 'three'])
    expect(api.count('list')).toBe(1)
    await second.stop()
  })

  test('what is acknowledged beyond the position is not sent again: neither by a watch nor by a list', async () => {
    for (const isExpired of [false, true]) {
      const api = await EventApi.start()
      const path = db()
      const first = started(api, { db: path })
      await watching(first, api)
      for (const [i, name] of ['one', 'two', 'three'].entries()) {
        api.put(name)
        await passUntil(first, () => hasRead(first, i))
        first.bench.appender.seal()
      }
      first.bench.sealed[1]?.ack('delivered')
      await first.stop()
      if (isExpired) api.compact()
      const second = started(api, { db: path })
      expect(names(await taken(second, 2)).sort()).toEqual(['one', 'three'])
      await second.stop()
      const third = started(api, { db: path })
      await watching(third, api)
      api.put('four')
      expect(names(await taken(third, 1))).toEqual(['four'])
      await third.stop()
    }
  })

  test('a first list that was not finished goes on without what is acknowledged, whatever its age is by then', async () => {
    const api = await EventApi.start()
    const path = db()
    for (let i = 0; i < 4; i++) api.put(`e${i}`)
    api.answers.push(undefined, () => {})
    const first = started(api, { db: path, kube_request_limit: '2', kube_retention_time: '10s' })
    await passUntil(first, () => api.answers.length === 0)
    const done = names(first.takeRecords())
    await first.stop()
    expect(done).toEqual(['e0', 'e1'])
    const second = started(api, { db: path, kube_retention_time: '10s' })
    second.bench.clock.advance(60_000)
    expect(names(await taken(second, 2))).toEqual(['e2', 'e3'])
    await second.stop()
  })

  test('an event that is older than Kube_Retention_Time by the time that it is read is sent, if it follows the position', async () => {
    const api = await EventApi.start()
    const path = db()
    const first = started(api, { db: path })
    await watching(first, api)
    await first.stop()
    api.put('late', { lastTimestamp: '2026-11-21T01:00:00Z' })
    api.compact()
    const second = started(api, { db: path })
    expect(names(await taken(second, 1))).toEqual(['late'])
    await second.stop()
  })

  test('events that fluent-bit has sent are not sent again, and those that it has left out are', async () => {
    const api = await EventApi.start()
    const path = db()
    for (const name of ['one', 'two']) api.put(name)
    const sqlite = new Sqlite(path)
    sqlite.exec(`CREATE TABLE in_kubernetes_events (id INTEGER PRIMARY KEY, uid TEXT NOT NULL,
      resourceVersion INTEGER NOT NULL, created INTEGER NOT NULL);
      INSERT INTO in_kubernetes_events (uid, resourceVersion, created) VALUES ('uid-one', 101, 5), ('uid-two', 102, 6)`)
    sqlite.close()
    api.put('two', { count: 2 })
    const run = started(api, { db: path })
    const [record] = await taken(run, 1)
    expect(record?.record).toMatchObject({ count: 2, metadata: { name: 'two', resourceVersion: '103' } })
    await run.stop()
  })

  test('the position of one namespace says nothing about another', async () => {
    const api = await EventApi.start()
    const path = db()
    api.put('one', {}, 'a')
    api.put('two', {}, 'b')
    for (const [namespace, name] of [
      ['a', 'one'],
      ['b', 'two'],
    ] as const) {
      const run = started(api, { db: path, kube_namespace: namespace })
      expect(names(await taken(run, 1))).toEqual([name])
      await run.stop()
    }
  })
})

describe('what helps', () => {
  test('with an error of the server is about this input, and names the request that failed', async () => {
    const api = await EventApi.start()
    const run = started(api)
    await watching(run, api)
    api.answers.push(500)
    api.end()
    await passUntil(run, () => run.log.some((line) => line.includes('status 500')))
    const text = run.hints.join('\n')
    expect(run.log.at(-1)).toContain('retrying the event watch')
    expect(text).toContain('check Kube_URL and the network; reading resumes by itself')
    expect(text).not.toContain('metadata')
    await run.stop()
  })

  test('with a 401 or 403 without a token is that none was sent', async () => {
    for (const status of [401, 403]) {
      const api = await EventApi.start()
      api.answers.push(status)
      const run = started(api)
      await passUntil(run, () => run.log.some((line) => line.includes(`status ${status}`)))
      expect(run.hints).toContain('no token was sent: Kube_Token_File /nonexistent/file does not exist')
      await run.stop()
    }
  })

  test('with a token that the server refuses is another one, with one that it forbids its rights', async () => {
    const file = join(tmp(), 'token')
    writeFileSync(file, 'abcde')
    const hintOf = async (status: number): Promise<string> => {
      const api = await EventApi.start()
      api.answers.push(status)
      const run = started(api, { kube_token_file: file })
      await passUntil(run, () => run.log.some((line) => line.includes(`status ${status}`)))
      await run.stop()
      return run.hints.join('\n')
    }
    expect(await hintOf(401)).toContain('check that Kube_Token_File has a token of this cluster')
    expect(await hintOf(403)).toContain('grant the service account list and watch on events')
  })

  test('before that, a start and a preview tell of missing files and of a token in clear text', async () => {
    const file = join(tmp(), 'token')
    writeFileSync(file, 'abcde')
    const notes = (texts: Record<string, string>): string =>
      credentialNotes(parseOptions(spec.options, texts) as never).join('\n')
    const none = {
      kube_url: 'https://api',
      kube_token_file: '/nonexistent/file',
      kube_ca_file: '/nonexistent/file',
    }
    expect(notes(none)).toBe(
      'Kube_Token_File /nonexistent/file does not exist: requests have no token\n' +
        'Kube_CA_File /nonexistent/file does not exist: the certificates of the system apply',
    )
    expect(notes({ ...none, kube_url: 'http://api', kube_token_file: file })).toBe(
      'Kube_URL has no TLS: the token is sent in clear text',
    )
    expect(notes({ ...none, kube_ca_file: file, kube_token_file: file })).toBe('')
    const api = await EventApi.start()
    const run = started(api)
    await watching(run, api)
    expect(run.log[0]).toContain('Kube_Token_File /nonexistent/file does not exist')
    await run.stop()
  })
})

import { expect, test } from 'bun:test'
import type { Acks } from '../../../support/doubles/splunk.ts'
import { SplunkBench } from './bench.ts'

const GUID = /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/

test('a token without acknowledgement: no channel is sent, nothing is asked, and accepted is delivered', async () => {
  const bench = new SplunkBench('off')
  const id = bench.push([{ n: 1 }, { n: 2 }])
  await bench.turns()
  expect(bench.outcomesOf(id)).toEqual(['delivered'])
  await bench.seconds(5)
  expect(bench.channels).toEqual([undefined])
  expect(bench.questions).toBe(0)
})

test('a token with acknowledgement: a chunk is delivered when its events are acknowledged, not before', async () => {
  const bench = new SplunkBench(3)
  const id = bench.push([{ n: 1 }, { n: 2 }])
  await bench.turns()
  // Refused without a channel, and sent again at once.
  expect(bench.channels).toHaveLength(2)
  expect(bench.channels[1]).toMatch(GUID)
  await bench.seconds(3)
  expect(bench.store.ledger.records).toBe(2)
  expect(bench.outcomesOf(id)).toEqual([])
  await bench.seconds(1)
  expect(bench.outcomesOf(id)).toEqual(['delivered'])
  await bench.seconds(5)
  expect(bench.questions).toBe(4)
  expect(bench.store.ledger.report(3)).toMatchObject({ kept: 2, twice: 0 })
  expect(bench.text).toBe(
    'info the token has indexer acknowledgement: records count as delivered when the indexers have written them {}',
  )
})

test('events that were accepted leave the window of the output, so that inputs read on until they are acknowledged', async () => {
  const bench = new SplunkBench(30)
  const { window } = bench.queue
  const pad = 'x'.repeat(100_000)
  for (let n = 0; n < 20; n++) {
    const id = bench.push([
      { n, pad },
      { n: n + 100, pad },
    ])
    await bench.seconds(1)
    expect(bench.outcomesOf(id)).toEqual([])
    expect(window.bytes).toBe(0)
  }
  const limit = window.limitBytes
  expect(await bench.drained()).toBe(true)
  expect(window.limitBytes).toBe(limit)
  expect(window.bytes).toBe(0)
})

test('all open requests are asked for once a second, in one question', async () => {
  const bench = new SplunkBench(2)
  for (let n = 0; n < 6; n++) {
    bench.push([{ n }], `tag-${n}`)
    await bench.turns()
  }
  const ids = (): number[][] =>
    bench.store.server.seen
      .filter(({ path }) => path.includes('/ack?'))
      .map(({ body }) => (JSON.parse(body.toString()) as { acks: number[] }).acks)
  await bench.seconds(1)
  expect(ids()).toEqual([[0, 1, 2, 3, 4, 5]])
  expect(await bench.drained()).toBe(true)
  expect(ids()).toHaveLength(3)
  expect([...bench.outcomes.values()].flat()).toEqual(Array(6).fill('delivered'))
})

test('the channel of an output stays the same over restarts, and differs from that of another agent', async () => {
  const channels: (string | undefined)[] = []
  for (let i = 0; i < 2; i++) {
    const bench = new SplunkBench(0, { ack: 'on' })
    bench.push([{ n: 1 }])
    expect(await bench.drained()).toBe(true)
    channels.push(...bench.channels)
  }
  expect(channels).toHaveLength(2)
  expect(channels[0]).toBe(channels[1] as string)
})

test('Channel is the channel', async () => {
  const channel = '11111111-2222-3333-4444-555555555555'
  const bench = new SplunkBench(0, { channel })
  bench.push([{ n: 1 }])
  expect(await bench.drained()).toBe(true)
  expect(bench.channels).toEqual([channel])
})

test('events that are not acknowledged within five minutes are sent again on another channel', async () => {
  const bench = new SplunkBench('never')
  const id = bench.push([{ n: 1 }, { n: 2 }])
  await bench.seconds(299)
  expect(new Set(bench.channels.filter(Boolean)).size).toBe(1)
  expect(bench.outcomesOf(id)).toEqual([])
  bench.store.api.acks = 'at once'
  await bench.seconds(8)
  expect(bench.outcomesOf(id)).toEqual(['delivered'])
  expect(new Set(bench.channels.filter(Boolean)).size).toBe(2)
  expect(bench.store.ledger.report(3)).toMatchObject({ kept: 2, twice: 0, missing: 1 })
  expect(bench.text).toContain('has not acknowledged 2 events')
  expect(bench.counters.snapshot()).toMatchObject({ counters: { lost_acks: 1 } })
})

test('that requests wait for acknowledgements is logged once, with what to do, and when it has ended', async () => {
  const bench = new SplunkBench(200)
  bench.push([{ n: 1 }], 'a')
  bench.push([{ n: 2 }], 'b')
  await bench.seconds(28)
  expect(bench.text).not.toContain('wait for acknowledgements')
  await bench.seconds(160)
  const lines = () => bench.text.split('\n').filter((line) => /wait for ack|acknowledged again/.test(line))
  expect(lines()).toHaveLength(1)
  expect(lines()[0]).toMatch(/^warn requests wait .* after 5 minutes they are sent again\. .*stickiness/)
  bench.store.api.acks = 0
  expect(await bench.drained()).toBe(true)
  expect(lines()).toHaveLength(2)
  expect(lines()[1]).toStartWith('info requests are being acknowledged again')
})

test('that the token has acknowledgement, has none, or has none any more is logged once each', async () => {
  const bench = new SplunkBench('off')
  const rounds: Acks[] = ['off', 'off', 0, 0, 'off', 'off']
  for (const [n, acks] of rounds.entries()) {
    bench.store.api.acks = acks
    bench.push([{ n }])
    expect(await bench.drained()).toBe(true)
  }
  expect(
    bench.text
      .split('\n')
      .map((line) => /^.*?acknowledgement(?: of the token was disabled)?/.exec(line)?.[0]),
  ).toEqual([
    'info the token has no indexer acknowledgement',
    'info the token has indexer acknowledgement',
    'warn indexer acknowledgement of the token was disabled',
  ])
})

test('ids that begin anew on a channel that was idle are no warning, and another channel is used', async () => {
  const bench = new SplunkBench('at once')
  for (let n = 0; n < 3; n++) {
    bench.push([{ n }])
    await bench.seconds(2)
  }
  await bench.seconds(700)
  bench.store.before = ({ path }) =>
    path.includes('/event') ? { status: 200, body: '{"text":"Success","code":0,"ackId":0}' } : undefined
  bench.push([{ n: 3 }])
  await bench.turns()
  bench.store.before = undefined
  bench.push([{ n: 4 }], 'b')
  await bench.seconds(2)
  expect(bench.text).not.toContain('acknowledgement ids started over')
  expect(new Set(bench.channels.filter(Boolean)).size).toBe(2)
})

test('an acknowledgement whose answer is lost is told only once: the events are sent again', async () => {
  const bench = new SplunkBench('at once')
  let isCut = false
  bench.store.before = ({ path }) => {
    if (!path.includes('/ack?') || isCut) return undefined
    isCut = true
    bench.store.plan.next('cut-kept')
    return undefined
  }
  const id = bench.push([{ n: 1 }])
  await bench.seconds(290)
  expect(bench.outcomesOf(id)).toEqual([])
  await bench.seconds(30)
  expect(bench.outcomesOf(id)).toEqual(['delivered'])
  expect(bench.store.ledger.report(2)).toMatchObject({ kept: 1, twice: 1 })
})

test('while questions fail everything waits, however long, and is not sent again; the log says so once', async () => {
  const bench = new SplunkBench(0)
  let isDown = true
  bench.store.before = ({ path }) =>
    isDown && path.includes('/ack?') ? { status: 404, body: '<html><title>No</title></html>' } : undefined
  const id = bench.push([{ n: 1 }])
  await bench.seconds(1200)
  expect(bench.outcomesOf(id)).toEqual([])
  const lines = bench.text.split('\n').filter((line) => line.includes('cannot query acknowledgements'))
  expect(lines).toHaveLength(1)
  expect(lines[0]).toContain('404, an HTML page with the title "No"')
  expect(lines[0]).toContain('/services/collector/ack')
  isDown = false
  await bench.seconds(2)
  expect(bench.outcomesOf(id)).toEqual(['delivered'])
  expect(bench.store.ledger.report(2)).toMatchObject({ kept: 1, twice: 0 })
  expect(bench.text).toContain('acknowledgement queries succeed again')
})

test('a question that is answered with HTML says nothing about any request', async () => {
  const bench = new SplunkBench(0)
  bench.store.before = ({ path }) =>
    path.includes('/ack?') ? { status: 200, body: '<html>true</html>' } : undefined
  const id = bench.push([{ n: 1 }])
  await bench.seconds(400)
  expect(bench.outcomesOf(id)).toEqual([])
  expect(bench.store.ledger.report(2)).toMatchObject({ kept: 1, twice: 0 })
})

test('with `ack on` nothing is sent while the token has no acknowledgement', async () => {
  const bench = new SplunkBench('off', { ack: 'on' })
  const id = bench.push([{ n: 1 }])
  await bench.seconds(30)
  expect(bench.channels).toEqual([])
  expect(bench.outcomesOf(id)).toEqual([])
  expect(bench.text).toContain('the token has no indexer acknowledgement')
  bench.store.api.acks = 0
  await bench.seconds(10)
  expect(bench.outcomesOf(id)).toEqual(['delivered'])
  expect(bench.store.ledger.report(2)).toMatchObject({ kept: 1, twice: 0 })
})

test('with `ack on` events that are accepted without an id are not delivered', async () => {
  const bench = new SplunkBench(0, { ack: 'on' })
  bench.store.before = ({ path }) =>
    path.includes('/event') ? { status: 200, body: '{"text":"Success","code":0}' } : undefined
  const id = bench.push([{ n: 1 }])
  await bench.seconds(20)
  expect(bench.outcomesOf(id)).toEqual([])
  expect(bench.text).toContain('without an id')
})

test('with `ack off` accepted is delivered, also with a token that has acknowledgement', async () => {
  const bench = new SplunkBench('never', { ack: 'off' })
  const id = bench.push([{ n: 1 }])
  await bench.turns()
  expect(bench.outcomesOf(id)).toEqual(['delivered'])
  expect(bench.questions).toBe(0)
})

test('an id that is open already counts for neither of the two requests', async () => {
  const bench = new SplunkBench('never')
  const first = bench.push([{ n: 1 }], 'a')
  await bench.seconds(2)
  // The indexer is restarted, and counts from 0 again.
  bench.store.before = ({ path }) =>
    path.includes('/event') ? { status: 200, body: '{"text":"Success","code":0,"ackId":0}' } : undefined
  const second = bench.push([{ n: 2 }], 'b')
  await bench.turns()
  bench.store.before = undefined
  bench.store.api.acks = 0
  await bench.seconds(10)
  expect([bench.outcomesOf(first), bench.outcomesOf(second)]).toEqual([['delivered'], ['delivered']])
  expect(bench.store.ledger.report(3)).toMatchObject({ kept: 2, twice: 0 })
  expect(bench.text).toContain('acknowledgement ids started over')
  expect(new Set(bench.channels.filter(Boolean)).size).toBe(2)
})

test('while requests wait for their acknowledgements, those that follow are sent, and their bodies take no memory', async () => {
  const bench = new SplunkBench('never', { compress: 'gzip' })
  bench.store.before = ({ path, headers }) => {
    if (path.includes('/ack?')) return { status: 200, body: '{"acks":{}}' }
    if (headers['x-splunk-request-channel'] === undefined) return { status: 400, body: '{"code":10}' }
    return { status: 200, body: `{"text":"Success","code":0,"ackId":${ackId++}}` }
  }
  let ackId = 0
  for (let i = 0; i < 40; i++) {
    bench.push([{ n: i, text: 'x'.repeat(1000) }], `tag-${i % 20}`)
    await bench.turns(20)
  }
  expect(ackId).toBe(40)
  // Only the chunks.
  expect(bench.buffers.out.size).toBe(40)
  expect(bench.store.server.maxInFlight).toBeLessThan(9)
})

test('of several requests of a tag only the one whose acknowledgement is lost is sent again', async () => {
  const bench = new SplunkBench('at once')
  const lost: string[] = []
  for (let n = 0; n < 4; n++) {
    if (n === 1) bench.store.api.acks = 'never'
    if (n === 2) bench.store.api.acks = 'at once'
    lost.push(bench.push([{ n }]))
    await bench.turns(20)
  }
  await bench.seconds(2)
  expect(lost.map((id) => bench.outcomesOf(id))).toEqual([['delivered'], [], ['delivered'], ['delivered']])
  await bench.seconds(310)
  expect(bench.outcomesOf(lost[1] as string)).toEqual(['delivered'])
  expect(bench.store.ledger.report(4)).toMatchObject({ kept: 4, twice: 0 })
})

test('a request that fails does not let those before it fail that wait for their acknowledgement', async () => {
  const bench = new SplunkBench(5)
  const first = bench.push([{ n: 1 }])
  await bench.turns(20)
  bench.store.plan.next('503')
  const second = bench.push([{ n: 2 }])
  expect(await bench.drained()).toBe(true)
  expect([bench.outcomesOf(first), bench.outcomesOf(second)]).toEqual([['delivered'], ['delivered']])
  expect(bench.queue.stats.retries).toBe(1)
  expect(bench.store.ledger.report(3)).toMatchObject({ kept: 2, twice: 0, disorder: 0 })
})

test('a stop ends the wait for acknowledgements: the records are not delivered', async () => {
  const bench = new SplunkBench('never')
  const id = bench.push([{ n: 1 }])
  await bench.seconds(3)
  bench.queue.stop()
  bench.stop.abort()
  await bench.output.close()
  await bench.turns()
  expect(bench.outcomesOf(id)).toEqual(['aborted'])
  const questions = bench.questions
  await bench.seconds(5)
  expect(bench.questions).toBe(questions)
  expect(bench.clock.waiting).toBe(0)
})

test('acknowledgements that come within the time of a stop count', async () => {
  const bench = new SplunkBench(2)
  const id = bench.push([{ n: 1 }])
  await bench.seconds(1)
  const drained = bench.queue.drained()
  await bench.seconds(3)
  await drained
  expect(bench.outcomesOf(id)).toEqual(['delivered'])
})

/** Has a record open on a channel that is left then, because its ids begin anew, and one on another; questions on the first get `answer`. */
async function onTwoChannels(
  bench: SplunkBench,
  answer: { status: number; body: string },
): Promise<string[]> {
  bench.push([{ n: 0 }])
  expect(await bench.drained()).toBe(true)
  const left = bench.channels.find(Boolean)
  bench.store.before = ({ path, headers }) =>
    path.includes('/ack?') && headers['x-splunk-request-channel'] === left ? answer : undefined
  const first = bench.push([{ n: 1 }], 'a')
  await bench.turns(20)
  const { before } = bench.store
  bench.store.before = ({ path }) =>
    path.includes('/event') ? { status: 200, body: '{"text":"Success","code":0,"ackId":0}' } : undefined
  bench.push([{ n: 2 }], 'b')
  await bench.turns(20)
  bench.store.before = before
  const second = bench.push([{ n: 3 }], 'c')
  await bench.turns(20)
  return [first, second]
}

test.each([404, 429, 500])('questions on one channel that fail with %d hold up no other', async (status) => {
  const bench = new SplunkBench(0)
  const [first = '', second = ''] = await onTwoChannels(bench, { status, body: '<html></html>' })
  await bench.seconds(10)
  expect(bench.outcomesOf(second)).toEqual(['delivered'])
  expect(bench.outcomesOf(first)).toEqual([])
  expect(bench.text).toContain('cannot query acknowledgements')
  bench.store.before = undefined
  expect(await bench.drained()).toBe(true)
  expect(bench.store.ledger.report(4)).toMatchObject({ kept: 4, twice: 0 })
})

test('what waits on a channel that the collector does not know any more is sent again on another', async () => {
  const bench = new SplunkBench(0)
  const refusal = { status: 400, body: '{"text":"Invalid data channel","code":11}' }
  const [first = '', second = ''] = await onTwoChannels(bench, refusal)
  await bench.seconds(12)
  expect([bench.outcomesOf(first), bench.outcomesOf(second)]).toEqual([['delivered'], ['delivered']])
  expect([1, 2, 3].map((n) => bench.store.ledger.timesKept(n))).toEqual([2, 1, 1])
})

test('where every channel is refused, as by a proxy that does not pass it on, requests count as lost after five minutes', async () => {
  const bench = new SplunkBench(0)
  bench.store.before = ({ path }) =>
    path.includes('/ack?') ? { status: 400, body: '{"text":"Data channel is missing","code":10}' } : undefined
  const id = bench.push([{ n: 1 }])
  await bench.seconds(290)
  expect(bench.store.ledger.timesKept(1)).toBe(1)
  await bench.seconds(20)
  expect(bench.store.ledger.timesKept(1)).toBe(2)
  expect(bench.outcomesOf(id)).toEqual([])
  expect(bench.text).toContain('Data channel is missing')
})

test.each([
  ['in another member', '{"unknown":{"0":true},"acks":{"0":false}}'],
  ['without acks', '{"text":"Success","y":{"0":true}}'],
  ['in a list', '{"acks":[{"0":true}]}'],
  ['deeper', '{"acks":{"x":{"0":true}}}'],
  ['as a text', '{"acks":{"0":"true"}}'],
  ['and false', '{"acks":{"0":true,"0":false}}'],
  ['of other keys', '{"acks":{" 0 ":true,"0e0":true,"0x0":true,"00":true,"-0":true,"":true,"1":true}}'],
])('true %s is no acknowledgement', async (_, body) => {
  const bench = new SplunkBench(0)
  bench.store.before = ({ path }) => (path.includes('/ack?') ? { status: 200, body } : undefined)
  const id = bench.push([{ n: 1 }])
  await bench.seconds(5)
  expect(bench.questions).toBeGreaterThan(3)
  expect(bench.outcomesOf(id)).toEqual([])
})

test('an answer with an id to a request without a channel is not delivered: it is sent again on one, and asked for', async () => {
  const bench = new SplunkBench(1)
  // A collector that does not ask for a channel.
  bench.store.before = ({ path, headers }) =>
    path.includes('/event') && headers['x-splunk-request-channel'] === undefined
      ? { status: 200, body: '{"text":"Success","code":0,"ackId":3}' }
      : undefined
  const id = bench.push([{ n: 1 }])
  await bench.turns()
  expect(bench.outcomesOf(id)).toEqual([])
  expect(await bench.drained()).toBe(true)
  expect(bench.channels).toEqual([undefined, expect.stringMatching(GUID)])
  expect(bench.questions).toBe(2)
  expect(bench.text).not.toContain('has no indexer acknowledgement')
})

test.each(['9007199254740993', '1.5', '-1', '1e999', 'true', '{"a":1}', '[1]', '[]', '"7"', '1,"ackId":2'])(
  'an answer with the id %s is no acceptance',
  async (ackId) => {
    const bench = new SplunkBench(0)
    bench.store.before = ({ path }) =>
      path.includes('/event')
        ? { status: 200, body: `{"text":"Success","code":0,"ackId":${ackId}}` }
        : undefined
    const id = bench.push([{ n: 1 }])
    await bench.seconds(5)
    expect(bench.outcomesOf(id)).toEqual([])
    expect(bench.text).toContain('the answer cannot be read: its ackId is not a')
    bench.store.before = undefined
    expect(await bench.drained()).toBe(true)
  },
)

import { describe, expect, test } from 'bun:test'
import { HttpError } from '../../../src/lib/http/http-error.ts'
import { LinesApi, linesOf, outputOf, type TestRecord } from '../../support/http-output/lines-api.ts'
import { OutputBench } from '../../support/http-output/output-bench.ts'
import { type Script, ScriptedServer, type SeenRequest } from '../../support/http-output/scripted-server.ts'

const OK = { status: 200 }

function records(from: number, count: number, bytes = 10): TestRecord[] {
  return Array.from({ length: count }, (_, i) => ({ n: from + i, text: 'x'.repeat(bytes) }))
}

/** A server that keeps the numbers of the records that it has taken. */
function bench(
  script: (request: SeenRequest, nowMs: number) => { status: number; body?: string } | undefined,
  api = new LinesApi(),
) {
  const taken: number[] = []
  let nowMs = (): number => 0
  const answer: Script = (request) => {
    const said = script(request, nowMs())
    if (said?.status === 200) taken.push(...linesOf(request.body).map(({ n }) => n as number))
    return said
  }
  const server = new ScriptedServer(answer)
  const made = new OutputBench((ctx) => outputOf(server, api, ctx))
  nowMs = () => made.clock.nowMs()
  return { server, bench: made, taken }
}

const sorted = (numbers: number[]): number[] => numbers.toSorted((a, b) => a - b)
const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i)

describe('413', () => {
  test('what a request of several records may have is not what a single one may have', async () => {
    const { bench: b, taken } = bench(({ body }) => (body.length > 50_000 ? { status: 413 } : OK))
    b.push(records(0, 20, 26_000))
    expect(await b.drained()).toBe(true)
    b.push(records(20, 10, 45_000))
    expect(await b.drained()).toBe(true)
    expect(sorted(taken)).toEqual(upTo(30))
    expect(b.rejected).toEqual([])
  })

  test('for everything, as from a proxy that is set up anew, costs no record of any size', async () => {
    const { bench: b, server, taken } = bench((_, nowMs) => (nowMs < 10_000 ? { status: 413 } : OK))
    b.push([...records(0, 200, 50), ...records(200, 20, 20_000), ...records(220, 5, 70_000)])
    b.push(records(225, 1, 70_000), 'alone')
    await b.drained(10)
    expect(server.seen.length).toBeLessThan(200)
    expect(await b.drained(100)).toBe(true)
    expect(b.rejected).toEqual([])
    expect(sorted(taken)).toEqual(upTo(226))
  })

  test('for every request, the hint names the limit of the server', async () => {
    const { bench: b } = bench(() => ({ status: 413, body: '<title>413 Request Entity Too Large</title>' }))
    b.push(records(0, 20))
    await b.drained(90)
    expect(b.rejected).toEqual([])
    expect(JSON.stringify(b.logged.fields)).toContain('raise the limit of the size of bodies')
  })

  test('a record that is larger than a request is sent alone where only the server says what is too large', async () => {
    const api = new LinesApi({ bytes: 1000 })
    Object.assign(api.limits, { recordBytes: Number.POSITIVE_INFINITY })
    const { bench: b, server, taken } = bench(() => OK, api)
    b.push([...records(0, 2), ...records(2, 1, 5000), ...records(3, 2)])
    expect(await b.drained()).toBe(true)
    expect(taken).toEqual(upTo(5))
    expect(
      server.seen.filter(({ body }) => body.length > 1000).map(({ body }) => linesOf(body).length),
    ).toEqual([1])
  })

  test('is forgotten after many requests that are accepted', async () => {
    let isWell = false
    const { bench: b, server } = bench(
      ({ body }) => (isWell || body.length < 25_000 ? OK : { status: 413 }),
      new LinesApi({ bytes: 60_000 }),
    )
    b.push(records(0, 100, 1000))
    expect(await b.drained()).toBe(true)
    isWell = true
    const before = server.seen.length
    for (let i = 0; i < 30; i++) b.push(records(0, 500, 1000))
    expect(await b.drained()).toBe(true)
    const sizes = server.seen.slice(before).map(({ body }) => body.length)
    expect(Math.max(...sizes.slice(0, 50))).toBeLessThan(25_000)
    expect(Math.max(...sizes)).toBeGreaterThan(50_000)
  })
})

describe('a fault of the server that begins within a search', () => {
  for (const [status, seconds] of [
    [400, 8],
    [413, 8],
    [400, 120],
  ] as const)
    test(`with ${status} for everything for ${seconds} s, costs only the record that is refused without it`, async () => {
      let untilMs = -1
      const { bench: b, taken } = bench(({ body }, nowMs) => {
        if (nowMs < untilMs) return { status, body: 'pipeline missing' }
        if (linesOf(body).some(({ n }) => n === 137)) return { status, body: 'bad record' }
        if (untilMs < 0) untilMs = nowMs + seconds * 1000
        return OK
      })
      b.push(records(0, 400))
      await b.drained(100 + seconds)
      b.push(records(400, 1), 'later')
      expect(await b.drained(100)).toBe(true)
      expect(sorted(taken)).toEqual(upTo(401).filter((n) => n !== 137))
      expect(b.rejected.map(({ record }) => record.n)).toEqual([137])
      expect(b.rejected[0]?.reason).toContain('bad record')
    })

  test('and ends within it, costs no record either: one that was refused is sent once more', async () => {
    for (let first = 1; first < 12; first++)
      for (let count = 1; count < 12; count++) {
        let i = 0
        const { bench: b, taken } = bench(() => (++i >= first && i < first + count ? { status: 400 } : OK))
        b.push(records(0, 16))
        for (let k = 0; k < 5; k++) b.push(records(16 + k, 1), `${k}`)
        expect(await b.drained(100)).toBe(true)
        expect(b.rejected).toEqual([])
        expect(sorted(taken)).toEqual(upTo(21))
      }
  })
})

describe('many records that are refused', () => {
  test.each([
    ['one in a hundred', 4000, (n: number) => n % 100 === 7],
    ['one in seven', 1000, (n: number) => n % 7 === 3],
    ['half of them', 500, (n: number) => (n * 2654435761) % 2 ** 32 > 2 ** 31],
  ] as const)('%s: all go to the dead letters, and it does not take minutes', async (_, count, isBad) => {
    const {
      bench: b,
      server,
      taken,
    } = bench(({ body }) => (linesOf(body).some(({ n }) => isBad(n as number)) ? { status: 400 } : OK))
    b.push(records(0, count))
    // Time goes on only when nothing happens.
    for (let waits = 0; !b.queue.empty && waits < 60; waits++) {
      for (let seen = -1; seen !== server.seen.length; ) {
        seen = server.seen.length
        await b.turns(30)
      }
      b.clock.advance(1000)
    }
    expect(b.queue.empty).toBe(true)
    expect(sorted(taken)).toEqual(upTo(count).filter((n) => !isBad(n)))
    expect(sorted(b.rejected.map(({ record }) => record.n as number))).toEqual(upTo(count).filter(isBad))
    expect(server.seen.length).toBeLessThan(count * 5)
  })

  test.each([
    ['the first hundred', (n: number) => n < 100],
    ['the last hundred', (n: number) => n >= 100],
  ] as const)('%s: they wait until another record is accepted, and others do not', async (_, isRefused) => {
    const isBad = (n: number): boolean => n < 200 && isRefused(n)
    const {
      bench: b,
      taken,
      server,
    } = bench(({ body }) => (linesOf(body).some(({ n }) => isBad(n as number)) ? { status: 400 } : OK))
    b.push(records(0, 200))
    await b.drained(20)
    expect(sorted(taken)).toEqual(upTo(200).filter((n) => !isBad(n)))
    for (let n = 200; n < 203; n++) b.push(records(n, 1), `t${n}`)
    expect(await b.drained(200)).toBe(true)
    expect(sorted(taken)).toEqual(upTo(203).filter((n) => !isBad(n)))
    expect(sorted(b.rejected.map(({ record }) => record.n as number))).toEqual(upTo(200).filter(isBad))
    expect(server.seen.length).toBeLessThan(1500)
  })

  test('the last of many goes to the dead letters after half a minute, as a single one does', async () => {
    const isBad = (n: number): boolean => n % 10 === 9
    const { bench: b } = bench(({ body }) =>
      linesOf(body).some(({ n }) => isBad(n as number)) ? { status: 400 } : OK,
    )
    b.push(records(0, 200))
    expect(await b.drained(120)).toBe(true)
    expect(b.rejected).toHaveLength(20)
  })

  test('while all are refused, everything waits with few requests, and none is given up', async () => {
    const { bench: b, server } = bench(() => ({ status: 400 }))
    b.push(records(0, 5000))
    await b.drained(9)
    expect(server.seen.length).toBeLessThan(60)
    expect(b.rejected).toEqual([])
  })
})

describe('the last record of a chunk that is refused', () => {
  const last = () => bench(({ body }) => (linesOf(body).some(({ n }) => n === 9) ? { status: 400 } : OK))

  test('goes to the dead letters when another one was accepted after it', async () => {
    const { bench: b, taken } = last()
    b.push(records(0, 10))
    await b.drained(5)
    expect(taken).toEqual(upTo(9))
    expect(b.rejected).toEqual([])
    expect(b.logged.lines.join('\n')).toContain('its only record was refused')
    b.push(records(10, 1))
    expect(await b.drained(20)).toBe(true)
    expect(b.rejected.map(({ record }) => record.n)).toEqual([9])
    expect(taken).toEqual([...upTo(9), 10])
  })

  test('or when it was refused for half a minute and there is no other', async () => {
    const { bench: b } = last()
    b.push(records(0, 10))
    expect(await b.drained(60)).toBe(true)
    expect(b.clock.nowMs()).toBeGreaterThanOrEqual(30_000)
    expect(b.rejected.map(({ record }) => record.n)).toEqual([9])
  })
})

describe('a record that is alone in its chunk and is refused', () => {
  const alone = () => bench(({ body }) => (linesOf(body).some(({ n }) => n === 9) ? { status: 400 } : OK))

  test('goes to the dead letters after half a minute if the chunk before it was accepted just before', async () => {
    const { bench: b, taken } = alone()
    b.push(records(0, 9))
    expect(await b.drained(5)).toBe(true)
    b.push(records(9, 1))
    expect(await b.drained(60)).toBe(true)
    expect(b.clock.nowMs()).toBeGreaterThanOrEqual(30_000)
    expect(b.rejected.map(({ record }) => record.n)).toEqual([9])
    expect(taken).toEqual(upTo(9))
  })

  test('waits as long as nothing was accepted in the minute before it', async () => {
    const { bench: b } = alone()
    b.push(records(0, 9))
    expect(await b.drained(5)).toBe(true)
    b.clock.advance(61_000)
    b.push(records(9, 1))
    expect(await b.drained(60)).toBe(false)
    expect(b.rejected).toEqual([])
  })
})

describe('with a request for each record', () => {
  const single = (): LinesApi => new LinesApi({ records: 1, chunks: 1 })

  test('one that is refused does not hold up those after it', async () => {
    const {
      bench: b,
      taken,
      server,
    } = bench(({ body }) => (linesOf(body)[0]?.n === 0 ? { status: 400 } : OK), single())
    b.push(records(0, 100))
    expect(await b.drained(20)).toBe(true)
    expect(taken).toEqual(upTo(100).slice(1))
    expect(b.rejected.map(({ record }) => record.n)).toEqual([0])
    expect(server.seen.length).toBe(101)
  })

  test('when all are refused, everything waits with few requests', async () => {
    let isWell = false
    const { bench: b, taken, server } = bench(() => (isWell ? OK : { status: 400 }), single())
    b.push(records(0, 50))
    await b.drained(10)
    expect(server.seen.length).toBeLessThan(30)
    isWell = true
    expect(await b.drained(100)).toBe(true)
    expect(b.rejected).toEqual([])
    expect(sorted(taken)).toEqual(upTo(50))
  })
})

describe('a server that closes the connection over a large body', () => {
  test('gets smaller ones', async () => {
    const { bench: b, taken, server } = bench(({ body }) => (body.length > 100_000 ? undefined : OK))
    b.push(records(0, 3000, 400))
    expect(await b.drained(20)).toBe(true)
    expect(sorted(taken)).toEqual(upTo(3000))
    expect(server.seen.filter(({ body }) => body.length > 100_000).length).toBeLessThan(6)
  })

  test('gets smaller ones also if it needs longer for large ones than the timeout', async () => {
    const { bench: b, taken } = bench(({ body }) => {
      if (body.length > 100_000)
        throw new HttpError('E_PEER_TIMEOUT', 'no response within 60000 ms', '', true)
      return OK
    })
    b.push(records(0, 3000, 400))
    expect(await b.drained(20)).toBe(true)
    expect(sorted(taken)).toEqual(upTo(3000))
  })

  test('once, by chance, gets the same again', async () => {
    let i = 0
    const { bench: b, server } = bench(() => (i++ === 0 ? undefined : OK))
    b.push(records(0, 1000, 400))
    expect(await b.drained(20)).toBe(true)
    expect(server.seen[1]?.body.equals(server.seen[0]?.body as Buffer)).toBe(true)
  })
})

describe('records that are refused, and others behind them', () => {
  const isBad = (from: number, count: number) => (n: unknown) =>
    (n as number) >= from && (n as number) < from + count

  /** Sends good records, bad ones, and good ones a few at a time; returns what became of them. */
  async function burst(bad: number, chunkRecords: number, seconds: number, api = new LinesApi()) {
    const refuses = isBad(200, bad)
    const b = bench(
      ({ body }) => (linesOf(body).some(({ n }) => refuses(n)) ? { status: 400, body: 'bad' } : OK),
      api,
    )
    b.bench.push(records(0, 200))
    expect(await b.bench.drained(5)).toBe(true)
    const end = 200 + bad + 100
    for (let n = 200; n < end; n += chunkRecords) b.bench.push(records(n, Math.min(chunkRecords, end - n)))
    let n = end
    for (let i = 0; i < seconds; i++) {
      for (let k = 0; k < 2; k++, n += 10) b.bench.push(records(n, 10))
      await b.bench.turns(60)
      b.bench.clock.advance(1000)
    }
    return { ...b, refuses, count: n }
  }

  test.each([
    ['more than are looked for at once, in one request', 600, 1000],
    ['each in a chunk of its own', 12, 1],
    ['in chunks of ten', 100, 10],
  ])('do not hold them up: %s', async (_, bad, chunkRecords) => {
    const { bench: b, taken, refuses, count } = await burst(bad, chunkRecords, 10)
    expect(await b.drained(300)).toBe(true)
    expect(sorted(taken)).toEqual(upTo(count).filter((n) => !refuses(n)))
    const dead = b.rejected.map(({ record }) => record.n as number)
    expect(sorted(dead)).toEqual(upTo(count).filter(refuses))
  })

  test('stay as they are while every request is refused, with few requests', async () => {
    const { bench: b, server } = bench(() => ({ status: 400, body: 'pipeline missing' }))
    for (let i = 0; i < 20; i++) b.push(records(i * 50, 50))
    await b.drained(60)
    expect(b.rejected).toEqual([])
    expect(server.seen.length).toBeLessThan(150)
    expect(b.logged.lines.join('\n')).toContain('every request is refused')
  })

  test('keep their order where the store wants it: only those in doubt are overtaken', async () => {
    const api = Object.assign(new LinesApi(), { isSerial: true })
    const refuses = isBad(10, 4)
    const { bench: b, taken } = bench(
      ({ body }) => (linesOf(body).some(({ n }) => refuses(n)) ? { status: 400 } : OK),
      api,
    )
    b.push(records(0, 10))
    expect(await b.drained(5)).toBe(true)
    b.push(records(10, 4))
    await b.turns(1)
    for (let n = 14; n < 40; n++) b.push(records(n, 1))
    expect(await b.drained(60)).toBe(true)
    expect(taken).toEqual(upTo(40).filter((n) => !refuses(n)))
    expect(b.rejected.map(({ record }) => record.n)).toEqual([10, 11, 12, 13])
  })
})

test('a request that cannot be signed is not said to be one whose answer cannot be read', async () => {
  const server = new ScriptedServer(() => OK)
  let isBroken = true
  const authorizer = {
    headers: async () => {
      if (isBroken) throw new RangeError('Invalid Date')
      return {}
    },
  }
  const b = new OutputBench((ctx) => outputOf(server, new LinesApi(), ctx, { authorizer }))
  b.push(records(0, 3))
  await b.drained(3)
  expect(server.seen).toEqual([])
  expect(b.logged.lines.join('\n')).toContain('the request cannot be made: Invalid Date')
  expect(JSON.stringify(b.logged.fields)).toContain('nothing was sent')
  isBroken = false
  expect(await b.drained(30)).toBe(true)
  expect(server.seen).toHaveLength(1)
})

describe('a record that is in order goes to no dead letter', () => {
  test('when one of two servers behind the same name refuses everything, as soon as it has accepted what it had refused', async () => {
    // Within this, records are refused and then accepted several times before one is refused twice.
    let random = 5
    const { bench: b, taken } = bench(() => {
      random = (random * 1_103_515_245 + 12_345) % 2 ** 31
      return random < 2 ** 30 ? { status: 400 } : OK
    })
    for (let n = 0; n < 4000; n += 100) b.push(records(n, 100), `t${n % 3}`)
    expect(await b.drained(600)).toBe(true)
    expect(b.rejected).toEqual([])
    expect(sorted(taken)).toEqual(upTo(4000))
  })

  test('when it is the last one of its tag, and those of other tags are refused for minutes as well', async () => {
    let isDown = false
    const { bench: b, taken } = bench(() => (isDown ? { status: 400 } : OK))
    b.push(records(0, 5), 'first')
    expect(await b.drained(5)).toBe(true)
    isDown = true
    for (let n = 0; n < 5; n++) b.push(records(5 + n, 1), `t${n}`)
    await b.drained(120)
    expect(b.rejected).toEqual([])
    isDown = false
    expect(await b.drained(60)).toBe(true)
    expect(sorted(taken)).toEqual(upTo(10))
  })

  test('when one of several servers refuses it, and the other one cannot be asked now', async () => {
    // The one that answers takes every other record, and so seems to be in order.
    const isOdd = ({ n }: TestRecord): boolean => (n as number) % 2 === 1
    const server = new ScriptedServer(({ body }) => (linesOf(body).some(isOdd) ? { status: 400 } : OK))
    Object.assign(server, { servers: 2 })
    const b = new OutputBench((ctx) => outputOf(server, new LinesApi(), ctx))
    b.push(records(0, 20))
    await b.drained(120)
    expect(b.rejected).toEqual([])
  })
})

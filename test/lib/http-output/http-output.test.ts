import { describe, expect, test } from 'bun:test'
import type { Chunk } from '../../../src/core/chunk.ts'
import { ShipperError } from '../../../src/core/error.ts'
import { LinesApi, linesOf, outputOf, type TestRecord } from '../../support/http-output/lines-api.ts'
import { OutputBench } from '../../support/http-output/output-bench.ts'
import { type Script, ScriptedServer } from '../../support/http-output/scripted-server.ts'

const OK = { status: 200 }

function records(from: number, count: number, more: object = {}): TestRecord[] {
  return Array.from({ length: count }, (_, i) => ({ n: from + i, ...more }))
}

function bench(script: Script, options: { api?: LinesApi; maxRequests?: number; limit?: number } = {}) {
  const server = new ScriptedServer(script, options.maxRequests)
  const api = options.api ?? new LinesApi()
  const made = new OutputBench((ctx) => outputOf(server, api, ctx), options)
  return {
    server,
    bench: made,
    numbers: () => server.seen.map(({ body }) => linesOf(body).map(({ n }) => n)),
  }
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve))
}

describe('requests', () => {
  test('chunks that are flushed in one turn share a request, those of all tags', async () => {
    const { server, bench: b, numbers } = bench(() => OK)
    b.push(records(1, 2), 'a')
    b.push(records(3, 1), 'b')
    b.push(records(4, 2), 'a')
    expect(await b.drained()).toBe(true)
    expect(numbers()).toHaveLength(1)
    expect(numbers()[0]?.toSorted()).toEqual([1, 2, 3, 4, 5])
    expect(server.maxInFlight).toBe(1)
    expect([...b.outcomes.values()].flat()).toEqual(['delivered', 'delivered', 'delivered'])
    expect(b.buffers.out.size).toBe(0)
  })

  test('records of one tag are in one request at a time, and in order', async () => {
    const under: number[][] = []
    let open = 0
    const { bench: b, numbers } = bench(
      async ({ body }) => {
        open++
        under.push([open, linesOf(body).length])
        await turns(3)
        open--
        return OK
      },
      { api: new LinesApi({ records: 3 }) },
    )
    for (let i = 0; i < 6; i++) b.push(records(i * 2 + 1, 2))
    expect(await b.drained()).toBe(true)
    expect(under.every(([n]) => n === 1)).toBe(true)
    expect(numbers().flat()).toEqual(records(1, 12).map(({ n }) => n))
    expect(numbers().every((each) => each.length <= 3)).toBe(true)
  })

  test('a request has no more bytes and records than the API takes', async () => {
    const { server, bench: b } = bench(() => OK, { api: new LinesApi({ bytes: 500, records: 100 }) })
    for (let i = 0; i < 5; i++) b.push(records(i * 20, 20, { text: 'x'.repeat(i * 7) }), `t${i}`)
    expect(await b.drained()).toBe(true)
    expect(Math.max(...server.seen.map(({ body }) => body.length))).toBeLessThanOrEqual(500)
    expect(server.seen.flatMap(({ body }) => linesOf(body))).toHaveLength(100)
  })

  test('a record that is larger than the API takes is rejected with the limit, those around it are delivered', async () => {
    const { bench: b, numbers } = bench(() => OK, { api: new LinesApi({ bytes: 200, records: 100 }) })
    b.push([{ n: 1 }, { n: 2, text: 'x'.repeat(500) }, { n: 3 }])
    expect(await b.drained()).toBe(true)
    expect(numbers().flat()).toEqual([1, 3])
    expect(b.rejected.map(({ record }) => record.n)).toEqual([2])
    expect(b.rejected[0]?.reason).toContain('at most 200 bytes per request')
  })

  test('the text of a record that is far too large is not made to its end, and those around it are delivered', async () => {
    const api = new LinesApi({ bytes: 1000, records: 100 })
    const sizes: number[] = []
    const whole = api.encode.bind(api)
    api.encode = (range, out) => {
      try {
        whole(range, out)
      } finally {
        sizes.push(out.buf.length)
      }
    }
    const { bench: b, server, numbers } = bench(() => OK, { api })
    b.push([{ n: 1 }, { n: 2, text: 'x'.repeat(5_000_000) }, { n: 3 }, { n: 4, text: 'y' }])
    b.push([{ n: 5 }], 'other')
    expect(await b.drained()).toBe(true)
    expect(numbers().flat().toSorted()).toEqual([1, 3, 4, 5])
    expect(server.seen.flatMap(({ body }) => linesOf(body)).find(({ n }) => n === 4)).toEqual({
      n: 4,
      text: 'y',
    })
    expect(b.rejected.map(({ record }) => record.n)).toEqual([2])
    expect(b.rejected[0]?.reason).toContain(
      'more than 2,000 bytes as sent, and at most 1,000 bytes per request',
    )
    expect(Math.max(...sizes)).toBeLessThan(100_000)
  })

  test('a large record that is alone is sent as its text is, which is in memory once, and what follows is as before', async () => {
    const api = new LinesApi({ bytes: 20_000_000, records: 100 })
    const sent: Buffer[] = []
    const made: Buffer[] = []
    const whole = api.encode.bind(api)
    api.encode = (range, out) => {
      whole(range, out)
      made.push(out.buf)
    }
    const { server, bench: b } = bench(() => OK, { api })
    const send = server.send.bind(server)
    server.send = (request) => {
      sent.push(...(request.body as Buffer[]))
      return send(request)
    }
    b.push([{ n: 1, text: 'x'.repeat(6_000_000) }, { n: 2 }])
    b.push([{ n: 3 }], 'other')
    b.push([{ n: 4 }])
    expect(await b.drained()).toBe(true)
    const lines = server.seen.flatMap(({ body }) => linesOf(body))
    expect(lines.map(({ n }) => n).toSorted()).toEqual([1, 2, 3, 4])
    expect(lines.find(({ n }) => n === 1)?.text).toBe('x'.repeat(6_000_000))
    const large = made.find(({ length }) => length > 6_000_000) ?? made[0]
    // Its memory is given back when it was sent.
    expect(sent.some(({ buffer }) => buffer === large?.buffer)).toBe(true)
    expect(sent.every(({ length }) => length < 1_000_000)).toBe(true)
  })

  test('records with different keys are in different requests, and a failing key does not hold up the others', async () => {
    const { bench: b, server } = bench(
      ({ headers }) => (headers['x-key'] === 'bad' ? { status: 429, body: 'tenant' } : OK),
      { api: new LinesApi({ keys: true }) },
    )
    b.push(
      [
        { n: 1, key: 'a' },
        { n: 2, key: 'bad' },
        { n: 3, key: 'a' },
      ],
      'one',
    )
    b.push(records(10, 2, { key: 'a' }), 'two')
    await b.drained(20)
    const delivered = server.seen
      .filter(({ headers }) => headers['x-key'] === 'a')
      .flatMap(({ body }) => linesOf(body))
    expect(delivered.map(({ n }) => n).toSorted((x, y) => (x as number) - (y as number))).toEqual([
      1, 3, 10, 11,
    ])
    for (const { headers, body } of server.seen)
      expect(linesOf(body).every(({ key }) => key === headers['x-key'])).toBe(true)
    expect([...b.outcomes.values()]).toEqual([[], ['delivered']])
  })
})

describe('failures', () => {
  test('what is delivered of a chunk is not sent again, also when its entries have moved in between', async () => {
    let isFirst = true
    const { bench: b, numbers } = bench(
      ({ body }) => {
        if (!isFirst) return OK
        isFirst = false
        // Every third record is to be sent again.
        return {
          status: 207,
          body: linesOf(body)
            .map(({ n }) => ((n as number) % 3 === 0 ? 'again' : 'ok'))
            .join(','),
        }
      },
      { api: new LinesApi() },
    )
    const chunk = b.chunks.get(b.push(records(1, 9))) as Chunk
    await b.turns()
    // As a chunk that was on disk meanwhile.
    const { start, size, count } = chunk
    const moved = b.buffers.force(start + 100 + size)
    chunk.entries().copy(moved, start + 100)
    chunk.replace(moved, start + 100, start + 100 + size, count)
    expect(await b.drained()).toBe(true)
    expect(numbers()).toEqual([records(1, 9).map(({ n }) => n) as number[], [3, 6, 9]])
  })

  test('a server that takes a part of each request gets the rest soon, and no part is given up for Retry_Limit', async () => {
    const { bench: b, numbers } = bench(
      ({ body }) => ({
        status: 207,
        body: linesOf(body)
          .map((_, i) => (i === 0 ? 'ok' : 'again'))
          .join(','),
      }),
      { api: new LinesApi(), limit: 2 },
    )
    const startMs = b.clock.nowMs()
    const id = b.push(records(1, 20))
    expect(await b.drained()).toBe(true)
    expect(b.outcomes.get(id)).toEqual(['delivered'])
    expect(numbers()).toHaveLength(20)
    // Twenty waits of the first failure, which is a second at most.
    expect(b.clock.nowMs() - startMs).toBeLessThanOrEqual(21_000)
  })

  for (const status of [301, 401, 403, 404, 408, 429, 500, 502, 503, 504])
    test(`${status} costs no record: everything is sent again until it is taken`, async () => {
      const { bench: b, numbers } = bench((_, i) => (i < 3 ? { status, body: 'no' } : OK))
      b.push(records(1, 3))
      b.push(records(4, 3))
      expect(await b.drained()).toBe(true)
      expect(b.rejected).toEqual([])
      expect(new Set(numbers().flat())).toEqual(new Set([1, 2, 3, 4, 5, 6]))
      expect([...b.outcomes.values()].flat()).toEqual(['delivered', 'delivered'])
    })

  test('while a chunk fails, those behind it in its tag are not delivered before it', async () => {
    const taken: number[] = []
    const { bench: b } = bench(
      ({ body }, i) => {
        if (i % 3 === 0) return { status: 500 }
        taken.push(...linesOf(body).map(({ n }) => n as number))
        return OK
      },
      { api: new LinesApi({ records: 2 }) },
    )
    for (let i = 0; i < 10; i++) b.push(records(i * 3 + 1, 3))
    expect(await b.drained()).toBe(true)
    expect(taken).toEqual(records(1, 30).map(({ n }) => n) as number[])
  })

  test('nothing is sent before Retry-After is over, of seconds and of a date', async () => {
    for (const header of [() => '30', (nowMs: number) => new Date(nowMs + 30_000).toUTCString()]) {
      const { bench: b, server } = bench((_, i) =>
        i === 0 ? { status: 503, headers: { 'retry-after': header(b.clock.nowMs()) } } : OK,
      )
      b.push(records(1, 1))
      await b.turns()
      for (let i = 0; i < 28; i++) {
        b.clock.advance(1000)
        await b.turns(5)
      }
      expect(server.seen).toHaveLength(1)
      expect(await b.drained(10)).toBe(true)
      expect(server.seen).toHaveLength(2)
    }
  })

  test('flushes reject within a turn when the agent stops, also one whose request is under way', async () => {
    const { bench: b, server } = bench(() => new Promise(() => {}))
    b.push(records(1, 1))
    await b.turns()
    expect(server.seen).toHaveLength(1)
    b.queue.stop()
    b.stop.abort()
    await b.turns(3)
    expect([...b.outcomes.values()]).toEqual([['aborted']])
    await b.output.close()
    expect(b.buffers.out.size).toBe(0)
  })

  test('more requests are sent at a time while answers come, and fewer when the server asks for less', async () => {
    let isBusy = false
    const { bench: b, server } = bench(
      async () => {
        await turns(3)
        return isBusy ? { status: 429 } : OK
      },
      { api: new LinesApi({ records: 1 }) },
    )
    for (let i = 0; i < 200; i++) b.push(records(i, 1), `t${i}`)
    expect(await b.drained()).toBe(true)
    expect(server.maxInFlight).toBeGreaterThan(2)
    expect(server.maxInFlight).toBeLessThanOrEqual(8)
    isBusy = true
    for (let i = 0; i < 10; i++) b.push(records(i, 1), `t${i}`)
    await b.drained(60)
    server.maxInFlight = 0
    await b.drained(20)
    expect(server.maxInFlight).toBeLessThanOrEqual(1)
    isBusy = false
    expect(await b.drained()).toBe(true)
  })

  test('the configuration may allow more requests at a time than the default, up to a limit', async () => {
    for (const [maxRequests, least, most] of [
      [12, 9, 12],
      [1000, 9, 32],
      [3, 3, 3],
    ] as const) {
      const script = async () => {
        await turns(3)
        return OK
      }
      const { bench: b, server } = bench(script, { api: new LinesApi({ records: 1 }), maxRequests })
      for (let i = 0; i < 600; i++) b.push(records(i, 1), `t${i}`)
      expect(await b.drained()).toBe(true)
      expect(server.maxInFlight).toBeGreaterThanOrEqual(least)
      expect(server.maxInFlight).toBeLessThanOrEqual(most)
    }
  })

  test('an authorizer replaces credentials that are refused, once per request', async () => {
    let token = 0
    const server = new ScriptedServer(({ headers }) =>
      headers.authorization === 'token 1' ? OK : { status: 401 },
    )
    const authorizer = {
      headers: async () => ({ authorization: `token ${token}` }),
      refused: ({ status }: { status: number }) => status === 401 && ++token > 0,
    }
    const b = new OutputBench((ctx) => outputOf(server, new LinesApi(), ctx, { authorizer }))
    b.push(records(1, 2))
    expect(await b.drained()).toBe(true)
    expect(server.seen.map(({ headers }) => headers.authorization)).toEqual(['token 0', 'token 1'])
    expect(b.queue.stats.retries).toBe(0)
  })
})

describe('a request that is refused as a whole', () => {
  const isBad = (body: Buffer): boolean => linesOf(body).some(({ text }) => text === 'bad')

  test('with 400, the records that are to blame are found and rejected, all others are delivered in order', async () => {
    const taken: number[] = []
    const { bench: b, server } = bench(({ body }) => {
      if (isBad(body)) return { status: 400, body: 'field n is no date' }
      taken.push(...linesOf(body).map(({ n }) => n as number))
      return OK
    })
    const all = records(0, 1000).map((each) =>
      each.n === 17 || each.n === 801 ? { ...each, text: 'bad' } : each,
    )
    b.push(all)
    expect(await b.drained()).toBe(true)
    expect(b.rejected.map(({ record, reason }) => [record.n, reason])).toEqual([
      [17, 'http://server:80 refuses the record: 400 field n is no date'],
      [801, 'http://server:80 refuses the record: 400 field n is no date'],
    ])
    expect(taken).toEqual(all.map(({ n }) => n).filter((n) => n !== 17 && n !== 801) as number[])
    expect(server.seen.length).toBeLessThan(60)
  })

  test('a server that fails now and then does not end the search: it goes on where it was', async () => {
    let asked = 0
    const taken: number[] = []
    const { bench: b } = bench(({ body }) => {
      if (asked++ % 4 === 3) return { status: 503 }
      if (isBad(body)) return { status: 400 }
      taken.push(...linesOf(body).map(({ n }) => n as number))
      return OK
    })
    const bad = new Set([3, 2500, 4999, 7000, 9998])
    b.push(records(0, 10_000).map((each) => (bad.has(each.n as number) ? { ...each, text: 'bad' } : each)))
    expect(await b.drained(80)).toBe(true)
    expect(b.rejected.map(({ record }) => record.n)).toEqual([...bad])
    expect(taken).toEqual(Array.from({ length: 10_000 }, (_, n) => n).filter((n) => !bad.has(n)))
    // No failure of the server, only those of the whole, makes the engine call again.
    expect(b.queue.stats.retries).toBeLessThan(3)
  })

  test('a search ends when the server is down, and when the agent stops while it waits', async () => {
    /** Refusals after which the server is down. */
    let left = 3
    const { bench: b, server } = bench(({ body }) => {
      if (left === 0) return { status: 503 }
      if (!isBad(body)) return OK
      left--
      return { status: 400 }
    })
    const id = b.push(records(0, 1000).map((each) => (each.n === 700 ? { ...each, text: 'bad' } : each)))
    for (let i = 0; i < 30 && b.queue.stats.retries === 0; i++) {
      await b.turns()
      b.clock.advance(1000)
    }
    expect(b.queue.stats.retries).toBe(1)
    expect(server.seen.length).toBeLessThan(15)
    left = 100
    expect(await b.drained()).toBe(true)
    expect(b.rejected.map(({ record }) => record.n)).toEqual([700])
    expect(b.outcomes.get(id)).toHaveLength(1)
    left = 3
    // The second search waits for a server that is down again.
    b.push(records(1000, 1000).map((each) => (each.n === 1700 ? { ...each, text: 'bad' } : each)))
    await b.turns()
    expect(left).toBe(0)
    const sent = server.seen.length
    b.stop.abort()
    await b.turns()
    expect(b.queue.empty || b.queue.inFlight === 0).toBe(true)
    b.clock.advance(10_000)
    await b.turns()
    expect(server.seen.length).toBe(sent)
  })

  test('with 400 for everything, as without a pipeline, nothing is rejected, with few requests', async () => {
    let isMissing = true
    const {
      bench: b,
      server,
      numbers,
    } = bench(() => (isMissing ? { status: 400, body: 'pipeline with id [x] does not exist' } : OK))
    for (let i = 0; i < 4; i++) b.push(records(i * 1000, 1000), `t${i}`)
    await b.drained(25)
    expect(b.rejected).toEqual([])
    expect(server.seen.length).toBeLessThan(150)
    expect(b.logged.lines.join('\n')).toContain(
      'every request is refused: 400 pipeline with id [x] does not exist',
    )
    isMissing = false
    const before = server.seen.length
    expect(await b.drained(80)).toBe(true)
    expect(b.rejected).toEqual([])
    expect(
      numbers()
        .slice(before)
        .flat()
        .toSorted((x, y) => (x as number) - (y as number)),
    ).toEqual(records(0, 4000).map(({ n }) => n))
  })

  test('a single record that is refused waits until another is accepted, which shows that it is to blame', async () => {
    const { bench: b } = bench(({ body }) => (isBad(body) ? { status: 400 } : OK), {
      api: new LinesApi({ chunks: 1 }),
    })
    const bad = b.push([{ n: 1, text: 'bad' }])
    await b.drained(60)
    expect(b.rejected).toEqual([])
    expect(b.outcomes.get(bad)).toEqual([])
    b.push([{ n: 2 }])
    expect(await b.drained(60)).toBe(true)
    expect(b.rejected.map(({ record }) => record.n)).toEqual([1])
  })

  test('with 413, the request is halved, and later ones are not as large', async () => {
    const { bench: b, server } = bench(({ body }) => (body.length > 40_000 ? { status: 413 } : OK))
    b.push(records(0, 1000, { text: 'x'.repeat(50) }))
    expect(await b.drained()).toBe(true)
    const refused = server.seen.filter(({ body }) => body.length > 40_000).length
    b.push(records(1000, 1000, { text: 'x'.repeat(50) }))
    expect(await b.drained()).toBe(true)
    expect(server.seen.filter(({ body }) => body.length > 40_000).length).toBe(refused)
    expect(b.rejected).toEqual([])
    expect(
      server.seen.filter(({ body }) => body.length <= 40_000).flatMap(({ body }) => linesOf(body)),
    ).toHaveLength(2000)
  })

  test('a single record for which the answer is 413 is rejected with its size', async () => {
    const { bench: b } = bench(({ body }) => (body.length > 80_000 ? { status: 413 } : OK))
    b.push([{ n: 1 }, { n: 2, text: 'x'.repeat(100_000) }, { n: 3 }])
    expect(await b.drained()).toBe(true)
    expect(b.rejected.map(({ record }) => record.n)).toEqual([2])
    expect(b.rejected[0]?.reason).toMatch(/it is too large: 100,0\d\d bytes as a request, 413/)
  })

  test('a record that cannot be kept now is not lost: the chunk waits', async () => {
    let isFull = true
    const { bench: b } = bench(({ body }) => (isBad(body) ? { status: 400 } : OK))
    const reject = b.ctx.reject
    Object.assign(b.ctx, {
      reject: (chunk: Chunk, start: number, end: number, reason: ShipperError) => {
        if (isFull) throw new ShipperError('E_DEAD_LETTERS', 'full', { retryable: true })
        reject(chunk, start, end, reason)
      },
    })
    b.push([{ n: 1 }, { n: 2, text: 'bad' }, { n: 3 }])
    await b.drained(10)
    expect(b.rejected).toEqual([])
    isFull = false
    expect(await b.drained()).toBe(true)
    expect(b.rejected.map(({ record }) => record.n)).toEqual([2])
  })
})

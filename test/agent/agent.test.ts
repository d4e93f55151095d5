import { describe, expect, test } from 'bun:test'
import { createServer } from 'node:net'
import { ShipperError } from '../../src/core/error.ts'
import type { InputContext, Output, OutputContext } from '../../src/core/plugin.ts'
import { freePort, lines, Peer, runWith, term } from '../support/agent-run.ts'
import { Lines } from '../support/engine/plan.ts'
import { until } from '../support/until.ts'

test('signal handlers are installed before the first log line', async () => {
  const before = process.listenerCount('SIGTERM')
  let listening: number | undefined
  const warnings = ['']
  Object.defineProperty(warnings, 0, {
    get: () => {
      listening = process.listenerCount('SIGTERM')
      return 'logged before anything else'
    },
  })
  const run = runWith({
    warnings,
    inputs: [lines(['a'])],
    outputs: [{ name: 'out.0', create: new Peer().create }],
  })
  expect(await run.status).toBe(0)
  expect(run.logged()).toContain('logged before anything else')
  expect(listening).toBe(before + 1)
})

describe('a finite run', () => {
  test('ends with 0 when everything is acknowledged, and not before', async () => {
    const peer = new Peer()
    peer.mode = 'silent'
    const run = runWith({
      inputs: [lines(['a', 'b']), lines(['c'])],
      outputs: [{ name: 'out.0', create: peer.create }],
      service: { grace: '0' },
    })
    let ended = false
    void run.status.then(() => {
      ended = true
    })
    await until(() => peer.flushing === 2)
    expect(ended).toBe(false)
    peer.mode = 'takes'
    expect(await run.status).toBe(0)
    expect(peer.texts.sort()).toEqual(['ab', 'c'])
    expect([peer.closed, ...run.inputs.map((i) => i.closed)]).toEqual([1, 1, 1])
  })

  test('ends when all finite inputs have finished, and then stops the others', async () => {
    const peer = new Peer()
    async function* slow() {
      await until(() => run.inputs[0]?.running === false)
      yield { text: 'c' }
    }
    const run = runWith({
      inputs: [lines(['a']), lines(['b'], false), (ctx) => new Lines(ctx, slow())],
      outputs: [{ name: 'out.0', create: peer.create }],
    })
    expect(await run.status).toBe(0)
    expect(peer.texts.sort()).toEqual(['a', 'b', 'c'])
    expect(run.inputs.map((i) => i.running)).toEqual([false, false, false])
  })
})

describe('a finite run that is not complete', () => {
  test('ends with 1 when records were dropped, and logs how many', async () => {
    const peer = new Peer()
    peer.mode = 'refuses'
    const common = { dead_letter_file: 'off' }
    const output = { name: 'out.0', create: peer.create, common }
    const run = runWith({ inputs: [lines(['a', 'b'])], outputs: [output] })
    expect(await run.status).toBe(1)
    expect(run.logged()).toContain('2 records were dropped')
    expect(run.logged()).toContain('E_RUN_INCOMPLETE')
  })

  test('ends with 1 when an input could not read everything, after the acks of what it has read', async () => {
    const peer = new Peer()
    const some = (ctx: InputContext) => {
      const input = new Lines(ctx, [{ text: 'a' }])
      input.incomplete = '2 files could not be read'
      return input
    }
    const run = runWith({ inputs: [some], outputs: [{ name: 'out.0', create: peer.create }] })
    expect(await run.status).toBe(1)
    expect(peer.texts).toEqual(['a'])
    expect(run.logged()).toContain('2 files could not be read')
    expect(run.logged()).toContain('E_RUN_INCOMPLETE')
  })

  test('ends with 1 when a filter left records unacknowledged', async () => {
    const peer = new Peer()
    const apply = (): void => {
      throw new TypeError('no such key')
    }
    const run = runWith({
      inputs: [lines(['a'])],
      filters: [{ name: 'sift.0', create: () => ({ apply }) }],
      outputs: [{ name: 'out.0', create: peer.create }],
    })
    expect(await run.status).toBe(1)
    expect(run.logged()).toContain('ended before all records were acknowledged')
    expect(peer.texts).toEqual([])
  })

  test('ends with 1 after Grace when it is interrupted while waiting for acks', async () => {
    const peer = new Peer()
    peer.mode = 'silent'
    const run = runWith({
      inputs: [lines(['a']), lines(['b'])],
      outputs: [{ name: 'out.0', create: peer.create, inFlight: 1 }],
      service: { grace: '0' },
    })
    await until(() => peer.flushing === 1)
    const before = performance.now()
    term()
    expect(await run.status).toBe(1)
    expect([peer.texts.length, peer.closed, run.inputs[0]?.closed]).toEqual([0, 1, 1])
    // Waiting chunks are dropped at once, chunks in flight as soon as their flush reacts.
    expect(performance.now() - before).toBeLessThan(4500)
  })
})

describe('SIGTERM', () => {
  test('ends an endless run with 0 after the acks, waiting no longer than they take', async () => {
    const peer = new Peer()
    peer.mode = 'silent'
    const run = runWith({ inputs: [lines(['a'], false)], outputs: [{ name: 'out.0', create: peer.create }] })
    await until(() => peer.flushing === 1)
    term()
    await until(() => run.logged().includes('waiting up to 5 s'))
    expect(run.inputs[0]?.running).toBe(false)
    expect(run.inputs[0]?.closed).toBe(0)
    peer.mode = 'takes'
    expect(await run.status).toBe(0)
    expect(peer.texts).toEqual(['a'])
  })

  test('waits no longer than Grace; chunks without an ack are aborted and logged', async () => {
    const peer = new Peer()
    peer.mode = 'silent'
    const run = runWith({
      inputs: [lines(['a'], false)],
      outputs: [{ name: 'out.0', create: peer.create }],
      service: { grace: '1' },
    })
    await until(() => peer.flushing === 1)
    const before = performance.now()
    term()
    expect(await run.status).toBe(0)
    const tookMs = performance.now() - before
    expect(tookMs).toBeGreaterThanOrEqual(990)
    expect(tookMs).toBeLessThan(4500)
    expect(run.logged()).toContain('stopping before all records were acknowledged')
    expect([peer.closed, run.inputs[0]?.closed]).toEqual([1, 1])
  })

  test('seals open chunks and does not wait for Flush', async () => {
    const peer = new Peer()
    async function* two() {
      yield { text: 'a' }
      await until(() => peer.texts.length === 1)
      yield { text: 'b' }
    }
    const run = runWith({
      inputs: [(ctx) => new Lines(ctx, two(), false)],
      outputs: [{ name: 'out.0', create: peer.create }],
      service: { flush: '600' },
    })
    await until(() => run.inputs[0]?.written === 2)
    expect(peer.texts).toEqual(['a'])
    term()
    expect(await run.status).toBe(0)
    expect(peer.texts).toEqual(['a', 'b'])
  })
})

const failing = (error: Error, when: 'at once' | 'at the stop') => (ctx: InputContext) =>
  Object.assign(new Lines(ctx, []), {
    finite: false,
    run: async (signal: AbortSignal) => {
      if (when === 'at the stop')
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
      throw error
    },
  })

test('the HTTP server answers while the agent runs, and not after', async () => {
  const port = await freePort()
  const peer = new Peer()
  const run = runWith({
    inputs: [lines(['a'], false)],
    outputs: [{ name: 'out.0', create: peer.create }],
    service: { http_server: 'on', http_port: String(port) },
  })
  const url = `http://127.0.0.1:${port}/api/v1/health`
  await until(() => run.inputs[0]?.running)
  expect((await fetch(url)).status).toBe(200)
  term()
  expect(await run.status).toBe(0)
  await expect(fetch(url)).rejects.toThrow()
})

describe('a failure of an input', () => {
  test('ends the run with its error, after the acks of the others', async () => {
    const peer = new Peer()
    const run = runWith({
      inputs: [
        lines(['a'], false),
        failing(new ShipperError('E_STORE_LOCKED', 'pos.db is in use'), 'at once'),
      ],
      outputs: [{ name: 'out.0', create: peer.create }],
    })
    expect(await run.status).toBe(1)
    expect(peer.texts).toEqual(['a'])
    expect(run.logged()).toContain('E_STORE_LOCKED')
    const failure = run
      .logged()
      .split('\n')
      .find((line) => line.includes('pos.db is in use'))
    // The second input, and where it is configured.
    expect(JSON.parse(failure ?? '{}')).toMatchObject({
      plugin: 'in.1',
      message: 'test.conf: [lines] pos.db is in use',
    })
    expect(run.inputs.map((i) => i.closed)).toEqual([1, 1])
  })

  test('at the end of a finite run is not ignored', async () => {
    const peer = new Peer()
    const run = runWith({
      inputs: [lines(['a']), failing(new Error('too late'), 'at the stop')],
      outputs: [{ name: 'out.0', create: peer.create }],
    })
    expect(await run.status).toBe(70)
    expect(run.logged()).toContain('[lines] too late')
    expect(run.logged()).toContain('at <anonymous>')
    expect(peer.texts).toEqual(['a'])
  })
})

describe('a failure', () => {
  test('of an output to start ends the run before an input has run', async () => {
    const peer = Object.assign(new Peer(), {
      start: () => Promise.reject(new ShipperError('E_OUTPUT_WRITE', 'cannot open /x')),
    })
    const run = runWith({ inputs: [lines(['a'])], outputs: [{ name: 'out.0', create: peer.create }] })
    expect(await run.status).toBe(1)
    expect(run.logged()).toContain('cannot open /x')
    expect([run.inputs[0]?.written, run.inputs[0]?.closed, peer.closed]).toEqual([0, 1, 1])
  })

  test('of the HTTP server to listen closes all stages and leaves no signal handler', async () => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as { port: number }
    const before = process.listenerCount('SIGTERM')
    const peer = new Peer()
    const run = runWith({
      inputs: [lines(['a'])],
      outputs: [{ name: 'out.0', create: peer.create }],
      service: { http_server: 'on', http_port: String(port) },
    })
    expect(await run.status).toBe(1)
    expect(run.logged()).toContain('E_LISTEN')
    expect([run.inputs[0]?.closed, peer.closed]).toEqual([1, 1])
    expect(process.listenerCount('SIGTERM')).toBe(before)
    await new Promise((resolve) => server.close(resolve))
  })

  test('to close one input is logged, ends with 1, and the others are closed', async () => {
    const peer = new Peer()
    const run = runWith({
      inputs: [
        (ctx) =>
          Object.assign(lines(['a'])(ctx), {
            close: () => Promise.reject(new ShipperError('E_STORE_FULL', 'the disk is full')),
          }),
        lines(['b']),
      ],
      outputs: [{ name: 'out.0', create: peer.create }],
    })
    expect(await run.status).toBe(1)
    expect(run.logged()).toContain('the disk is full')
    expect([run.inputs[1]?.closed, peer.closed]).toEqual([1, 1])
  })
})

test('an ack that is on its way when flushes are aborted moves its offset before the input is closed', async () => {
  const events: string[] = []
  const create = ({ signal }: OutputContext): Output => ({
    flush: () =>
      new Promise((resolve) => {
        signal.addEventListener('abort', () => setTimeout(resolve, 20), { once: true })
        events.push('flush')
      }),
    close: async () => {},
  })
  const run = runWith({
    inputs: [
      (ctx) => {
        const input = lines([], false)(ctx)
        return Object.assign(input, {
          run: async (signal: AbortSignal) => {
            const out = ctx.appender(ctx.tag)
            out.reserve(1)
            out.buf[out.end++] = 65
            out.addRecords(1, 1)
            out.addContributor({ closeRange: () => ({ identity: 'a', settle: (o) => events.push(o) }) })
            await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
          },
          close: async () => void events.push('close'),
        })
      },
    ],
    outputs: [{ name: 'out.0', create }],
    service: { grace: '0' },
  })
  await until(() => events.length > 0)
  term()
  expect(await run.status).toBe(0)
  expect(events).toEqual(['flush', 'delivered', 'close'])
})

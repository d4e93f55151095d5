import { describe, expect, test } from 'bun:test'
import { ShipperError } from '../../../src/core/error.ts'
import { OrderedSender, type Sending } from '../../../src/lib/async/ordered-sender.ts'
import { rejection } from '../../contract/output.ts'
import { fc } from '../../support/property.ts'

const PEER_DOWN = new ShipperError('E_PEER_CLOSED', 'peer is down', { retryable: true, scope: 'peer' })

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

async function turns(n: number): Promise<void> {
  for (let i = 0; i < n; i++) await turn()
}

/** Awaits the promise through nested callers, so that a rejection arrives some microtasks later. */
async function throughAwaits<T>(promise: Promise<T>): Promise<T> {
  const deeper = async (depth: number): Promise<T> => (depth === 0 ? await promise : await deeper(depth - 1))
  return await deeper(8)
}

/** Records what happens to each call, by name. */
class Recorder {
  readonly sender = new OrderedSender()
  readonly events: string[] = []

  async call(name: string, steps: Partial<Sending<string, string>> = {}, key = 'k'): Promise<string> {
    this.events.push(`call ${name}`)
    const { send = async () => name } = steps
    const answer = this.sender.run(key, {
      prepare: () => name,
      discard: () => void this.events.push(`discard ${name}`),
      ...steps,
      send: (prepared) => {
        this.events.push(`send ${name}`)
        return send(prepared)
      },
    })
    try {
      return await throughAwaits(answer)
    } catch (error) {
      this.events.push(`failed ${name}`)
      throw error
    }
  }

  of(step: string): string[] {
    return this.events
      .filter((event) => event.startsWith(`${step} `))
      .map((event) => event.split(' ')[1] ?? '')
  }
}

describe('OrderedSender', () => {
  test('sends within the call when no other call waits', async () => {
    const run = new Recorder()
    const answers = ['a', 'b'].map((name) => run.call(name))
    expect(run.events).toEqual(['call a', 'send a', 'call b', 'send b'])
    expect(await Promise.all(answers)).toEqual(['a', 'b'])
  })

  test('sends in the order of the calls, whichever is prepared first, and does not wait for an answer', async () => {
    const run = new Recorder()
    const never = new Promise<string>(() => {})
    const slow = run.call('slow', { prepare: () => turns(3).then(() => 'slow'), send: () => never })
    await Promise.all([run.call('quick', { prepare: async () => 'quick' }), run.call('direct')])
    expect(run.of('send')).toEqual(['slow', 'quick', 'direct'])
    expect(await Promise.race([slow, 'unanswered'])).toBe('unanswered')
  })

  test('a key neither waits for another key nor fails with it', async () => {
    const run = new Recorder()
    const failed = run.call('a', { prepare: () => turns(3).then(() => Promise.reject(PEER_DOWN)) }, 'one')
    expect(await run.call('b', {}, 'two')).toBe('b')
    expect(await rejection(failed)).toBe(PEER_DOWN)
    expect(run.of('send')).toEqual(['b'])
  })

  test('becomes ready once for all calls that wait', async () => {
    const run = new Recorder()
    let connections = 0
    const steps = {
      isReady: () => connections > 0,
      makeReady: () => turn().then(() => connections++),
    }
    await Promise.all(['a', 'b', 'c'].map((name) => run.call(name, steps)))
    expect(connections).toBe(1)
    expect(run.of('send')).toEqual(['a', 'b', 'c'])
  })

  test('makes the peer ready again when it is no longer ready before the send', async () => {
    const run = new Recorder()
    let tries = 0
    await run.call('a', { isReady: () => tries === 3, makeReady: async () => tries++ })
    expect(tries).toBe(3)
  })

  test('fails all waiting calls when a stop ends the wait of the first, and discards what each prepared once', async () => {
    const run = new Recorder()
    const stop = new AbortController()
    const makeReady = (): Promise<void> =>
      new Promise((_, reject) => stop.signal.addEventListener('abort', () => reject(PEER_DOWN)))
    const steps = { isReady: () => false, makeReady }
    const answers = [
      run.call('a', steps),
      run.call('b', { ...steps, prepare: () => turns(4).then(() => 'b') }),
      run.call('c', steps),
    ].map(rejection)
    await turns(2)
    stop.abort()
    expect(await Promise.all(answers)).toEqual([PEER_DOWN, PEER_DOWN, PEER_DOWN])
    expect(run.of('send')).toEqual([])
    expect(run.of('discard')).toEqual(['a', 'b', 'c'])
  })

  test('fails a call made after a failure is reported and before its caller sees it', async () => {
    const run = new Recorder()
    run.sender.fail('k', PEER_DOWN)
    expect(await rejection(run.call('a'))).toBe(PEER_DOWN)
    await turn()
    expect(await run.call('b')).toBe('b')
  })

  test('fails new calls until all calls before them have failed', async () => {
    const run = new Recorder()
    const first = rejection(run.call('a', { prepare: () => Promise.reject(PEER_DOWN) }))
    const second = rejection(run.call('b', { prepare: () => turns(5).then(() => 'b') }))
    expect(await first).toBe(PEER_DOWN)
    await turns(2)
    expect(await rejection(run.call('c'))).toBe(PEER_DOWN)
    expect(await second).toBe(PEER_DOWN)
    await turn()
    await run.call('b')
    await run.call('c')
    expect(run.of('send')).toEqual(['b', 'c'])
  })

  test('gives later calls a retryable error when a chunk fails permanently', async () => {
    const run = new Recorder()
    const broken = new ShipperError('E_INTERNAL', 'cannot be encoded')
    const prepare = (): string => {
      throw broken
    }
    const answers = [run.call('a', { prepare }), run.call('b')]
    const [a, b] = await Promise.allSettled(answers)
    expect(a).toMatchObject({ status: 'rejected', reason: broken })
    expect(b).toMatchObject({
      reason: {
        code: 'E_PEER_CLOSED',
        retryable: true,
        message: 'an earlier chunk failed: cannot be encoded',
      },
    })
    expect(run.of('discard')).toEqual(['b'])
  })
})

interface Step {
  /** Wait before the call: nothing, some microtasks or some turns of the event loop. */
  before: 'nothing' | 'microtasks' | 'turns'
  prepareTurns: number
  outcome: 'sent' | 'sent' | 'prepare fails' | 'ready fails' | 'fails after send'
  answerTurns: number
}

const STEP: fc.Arbitrary<Step> = fc.record({
  before: fc.constantFrom('nothing', 'microtasks', 'turns'),
  prepareTurns: fc.nat({ max: 4 }),
  outcome: fc.constantFrom('sent', 'sent', 'prepare fails', 'ready fails', 'fails after send'),
  answerTurns: fc.nat({ max: 4 }),
})

/** Makes the calls of `steps` and returns what happened, with a call at the end that has to succeed. */
async function execute(steps: Step[]): Promise<string[]> {
  const run = new Recorder()
  const answers: Promise<unknown>[] = []
  for (const [i, step] of steps.entries()) {
    if (step.before === 'microtasks') for (let n = 0; n < 5; n++) await undefined
    if (step.before === 'turns') await turns(2)
    const fails = (at: Step['outcome']): boolean => step.outcome === at
    const prepared = (): string => {
      if (fails('prepare fails')) throw PEER_DOWN
      return `${i}`
    }
    const answer = run.call(`${i}`, {
      prepare: () => (step.prepareTurns === 0 ? prepared() : turns(step.prepareTurns).then(prepared)),
      isReady: () => !fails('ready fails'),
      makeReady: () => turns(step.answerTurns).then(() => Promise.reject(PEER_DOWN)),
      send: async () => {
        await turns(step.answerTurns)
        if (!fails('fails after send')) return `${i}`
        run.events.push(`report ${i}`)
        run.sender.fail('k', PEER_DOWN)
        throw PEER_DOWN
      },
    })
    answers.push(answer.catch(() => {}))
  }
  await Promise.all(answers)
  await turn()
  expect(await run.call('last')).toBe('last')
  return run.events
}

test('no call overtakes an earlier one that fails, however long preparing and answering take', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(STEP, { maxLength: 12 }), async (steps) => {
      const events = await execute(steps)
      const at = (what: string, i: number): number => events.indexOf(`${what} ${i}`)
      const sent = events.filter((event) => event.startsWith('send ')).map((event) => event.slice(5))
      expect(sent.slice(0, -1).map(Number)).toEqual(
        sent
          .slice(0, -1)
          .map(Number)
          .sort((a, b) => a - b),
      )
      for (const i of steps.keys()) {
        // Sent or discarded, and each once.
        const ends = events.filter((event) => event === `send ${i}` || event === `discard ${i}`)
        expect(ends.length).toBeLessThanOrEqual(1)
        if (at('failed', i) < 0) expect(ends).toEqual([`send ${i}`])
        const failedAt = at('send', i) < 0 ? at('call', i) : at('report', i)
        for (let j = i + 1; j < steps.length && at('call', j) < at('failed', i); j++)
          expect(at('send', j)).toBeLessThan(failedAt)
      }
    }),
    { numRuns: 300 },
  )
}, 180_000)

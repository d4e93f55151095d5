import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { ShipperError } from '../../src/core/error.ts'
import { DeadLetterFile } from '../../src/engine/dead-letters/file.ts'
import { createLog } from '../../src/observe/log/log.ts'
import { turn } from '../support/engine/chunks.ts'
import type { ManualClock } from '../support/engine/manual-clock.ts'
import { QueueBench } from '../support/engine/queue-bench.ts'
import { tmp } from '../support/tmp.ts'

const TAGS = 200

function refusal(tag: string, scope: 'destination' | 'chunk' = 'destination'): ShipperError {
  return new ShipperError('E_OUTPUT_WRITE', `cannot write ${tag}`, { retryable: true, scope })
}

/** A bench whose log folds lines as that of the agent does. */
function foldingBench(options: ConstructorParameters<typeof QueueBench>[0]) {
  const messages: string[] = []
  const hints: string[] = []
  const sink = {
    write: (line: string) => {
      const { message, hint } = JSON.parse(line)
      messages.push(message)
      hints.push(hint)
    },
    reopen() {},
    close() {},
  }
  const log = (clock: ManualClock) =>
    createLog({ level: 'info', clock, sink, format: 'json' }).child('file.0')
  return { messages, hints, b: new QueueBench({ ...options, inFlight: TAGS, log }) }
}

async function refuseAll(b: QueueBench): Promise<void> {
  for (const { tag, reject } of b.calls.splice(0)) reject(refusal(tag))
  await turn()
}

test('flushes of one tag that fail together have one line', async () => {
  const { b, messages } = foldingBench({})
  for (const id of ['a', 'b', 'c']) b.push(id, 't')
  expect(b.calls).toHaveLength(3)
  await refuseAll(b)
  expect(messages).toHaveLength(1)
  for (let tried = 0; tried < 3; tried++) {
    b.clock.advance(1000)
    await refuseAll(b)
  }
  expect(messages).toHaveLength(1)
})

test('a tag that is refused again has no second line at once: repetitions are counted', async () => {
  const { b, messages } = foldingBench({})
  b.push('a', 't')
  await refuseAll(b)
  for (let i = 0; i < 3; i++) {
    b.clock.advance(2000)
    await refuseAll(b)
  }
  expect(messages.filter((message) => !message.includes('(repeated'))).toHaveLength(1)
})

test('hundreds of refused tags have few lines, which say how many they are, an example and what happens', async () => {
  const path = join(tmp(), 'letters')
  const { b, messages } = foldingBench({ place: new DeadLetterFile(path, 1_000_000), capMs: 5000 })
  for (let n = 0; n < TAGS; n++) b.push(`c${n}`, `t${n}`)
  let attempts = 0
  for (let tried = 0; tried < 59; tried++) {
    attempts += b.calls.length
    await refuseAll(b)
    b.clock.advance(5000)
  }
  expect(attempts).toBeGreaterThan(10 * TAGS)
  expect(messages.length).toBeLessThan(12)
  const fate = `the records wait; what is refused for 5 min is written to ${path}`
  expect(messages[0]).toBe(`retrying chunk: cannot write t0; ${fate}`)
  expect(messages[1]).toBe(`retrying chunks of 2 tags; the latest: cannot write t1; ${fate}`)
  const last = messages.at(-1)
  expect(last).toStartWith('retrying chunks of 200 tags; the latest: cannot write t')
  expect(last).toContain(fate)
  expect(last).toContain('(repeated ')
})

test('the records that are given up then have two lines, and not one for each tag', async () => {
  const path = join(tmp(), 'letters')
  const { b, messages } = foldingBench({ place: new DeadLetterFile(path, 10_000_000), deadLetterAfterMs: 0 })
  for (let n = 0; n < TAGS; n++) b.push(`c${n}`, `t${n}`)
  await refuseAll(b)
  b.clock.advance(5000)
  await refuseAll(b)
  await b.queue.drained()
  b.clock.advance(10_000)
  expect(messages.filter((message) => message.includes('given up'))).toEqual([
    expect.stringContaining(`given up and written to ${path}: cannot write t`),
    expect.stringContaining('(repeated 199 times in 10 s)'),
  ])
})

test.each([
  ['destination', 'off', undefined, 'the records wait; what is refused for 5 min is dropped'],
  ['destination', 'none', undefined, 'the records wait, and nothing is dropped'],
  ['chunk', 'off', undefined, 'the records wait, and nothing is dropped'],
  ['chunk', 'none', 3, 'the records wait; what is beyond Retry_Limit is dropped'],
  ['destination', 'off', 3, 'the records wait; what is refused for 5 min or beyond Retry_Limit is dropped'],
] as const)(
  'a refused %s with Dead_Letter_File %s and Retry_Limit %s: %s',
  async (scope, place, limit, fate) => {
    const b = new QueueBench({ place, ...(limit === undefined ? {} : { limit }) })
    b.push('a')
    await b.fail('a', refusal('t', scope))
    expect(b.logged.lines).toEqual([`warn retrying chunk: cannot write t; ${fate}`])
  },
)

test('what the hint says of the records is not said twice, and the words of a server end once', async () => {
  const b = new QueueBench({ place: 'off' })
  b.push('a')
  const hint = 'check the path; records wait, and none is lost'
  await b.fail(
    'a',
    new ShipperError('E_HTTP_ANSWER', 'blocked by: [FORBIDDEN/8/index write (api)];', {
      retryable: true,
      hint,
    }),
  )
  expect(b.logged.lines).toEqual(['warn retrying chunk: blocked by: [FORBIDDEN/8/index write (api)]'])
})

test('the last line about refused chunks says that they are accepted, and no count follows it', async () => {
  const { b, messages } = foldingBench({ place: 'off', deadLetterAfterMs: 1_000_000, capMs: 5000 })
  b.push('a', 't')
  for (let tried = 0; tried < 4; tried++) {
    await refuseAll(b)
    b.clock.advance(5000)
  }
  await b.ok('a')
  b.clock.advance(600_000)
  expect(messages.at(-1)).toBe('no chunk is retried any more after 20 s: the last one was accepted')
  expect(messages.slice(-2)[0]).toContain('retrying chunk: cannot write t; ')
})

test('after the last chunk for a refused destination is given up, the log says so, and the output is not down', async () => {
  const place = new DeadLetterFile(join(tmp(), 'letters'), 1_000_000)
  const { b, messages, hints } = foldingBench({ place, deadLetterAfterMs: 12_000, capMs: 5000 })
  b.push('a', 't')
  for (let tried = 0; b.calls.length > 0; tried++) {
    expect(tried).toBeLessThan(10)
    await refuseAll(b)
    if (tried === 1) expect(b.queue.down?.reason).toBe('cannot write t')
    b.clock.advance(5000)
    await turn()
  }
  await b.queue.drained()
  b.clock.advance(600_000)
  expect(messages.at(-1)).toEndWith(': the last one was given up')
  const kept = messages.findIndex((message) => message.startsWith('1 record given up and written to '))
  expect(hints[kept]).toContain('shipper dead-letters replay FILE -c CONFIG')
  expect(b.queue.down).toBeUndefined()
})

test('an output whose chunks are accepted soon, or that reaches Retry_Limit, has no such line', async () => {
  const { b, messages } = foldingBench({ place: 'off', limit: 1, capMs: 5000 })
  b.push('a', 't')
  await refuseAll(b)
  b.clock.advance(5000)
  await refuseAll(b)
  await b.queue.drained()
  expect(messages.filter((message) => message.startsWith('no chunk'))).toEqual([])
  expect(b.queue.down).toBeDefined()
})

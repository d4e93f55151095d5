import { expect, test } from 'bun:test'
import type { Appender, Contributor } from '../../../src/core/plugin.ts'
import { EntryBlocks, Scratch } from '../../../src/lib/http-input/entry-blocks.ts'
import {
  ReceivedRequest,
  type RecordReader,
  type RequestHost,
} from '../../../src/lib/http-input/received-request.ts'
import { until } from '../../support/until.ts'

const MAX_WAIT_MS = 1000
const TAGS = ['a', 'b', 'c']
const ANSWER = { status: 201, body: '' }

/** Reads one record for each tag. */
const reader: RecordReader = {
  begin: () => {},
  read: (out) => {
    for (const tag of TAGS) {
      out.reserve(1)
      out.at++
      out.add(tag)
    }
    return 'done'
  },
  answer: ANSWER,
}

/** A request whose records are in one chunk for each tag. */
async function written() {
  const parts: Contributor[] = []
  const options = { bufferMaxSize: 1_000_000, maxWait: MAX_WAIT_MS }
  const appender = () =>
    ({
      buf: Buffer.alloc(10),
      end: 0,
      reserve: () => true,
      addRecords: () => {},
      addContributor: (part) => parts.push(part),
    }) as Partial<Appender>
  const host = {
    ctx: { appender, counters: { add: () => {} } },
    options,
    isStuck: true,
    takeBlocks: (request: ReceivedRequest) => new EntryBlocks(new Scratch(), 1_000_000, request),
    giveBlocks: () => {},
    nextIdentity: () => '',
    sealSoon: () => {},
    watchDeadlines: () => {},
  }
  const answers: unknown[] = []
  const connection = { answer: (answer: unknown) => answers.push(answer) }
  const request = new ReceivedRequest(
    connection as never,
    reader,
    { compression: undefined, framing: 0 },
    host as unknown as RequestHost,
  )
  request.end()
  await until(() => parts.length === TAGS.length)
  const settles = parts.map((part) => part.closeRange()?.settle)
  return { request, host, options, settles, answers }
}

test('Max_Wait begins again when a part of the records is delivered', async () => {
  const { request, host, settles, answers } = await written()
  for (const settle of settles.slice(1)) {
    request.deadlineMs = 1
    settle?.('delivered')
    expect(request.deadlineMs).toBeGreaterThan(performance.now())
  }
  expect(host.isStuck).toBe(false)
  expect(answers).toEqual([])
  settles[0]?.('delivered')
  expect(answers).toEqual([ANSWER])
})

test('progress extends Max_Wait to ten times as long in all, and no longer', async () => {
  const beforeMs = performance.now()
  const { request, options, settles } = await written()
  options.maxWait = 1_000_000
  settles[0]?.('delivered')
  expect(request.deadlineMs).toBeGreaterThan(beforeMs + 9 * MAX_WAIT_MS)
  expect(request.deadlineMs).toBeLessThanOrEqual(performance.now() + 10 * MAX_WAIT_MS)
})

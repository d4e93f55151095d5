import { expect, test } from 'bun:test'
import type { Answer, Judgement } from '../../../src/lib/http-output/api.ts'
import { readRecordVerdicts } from '../../../src/lib/kinesis/record-verdicts.ts'

function read(value: object): Promise<Judgement> {
  return readText(JSON.stringify(value))
}

function readText(text: string, list = 'Records'): Promise<Judgement> {
  const answer: Answer = {
    status: 200,
    header: () => undefined,
    body: (async function* () {
      for (let at = 0; at < text.length; at += 1000) yield Buffer.from(text.slice(at, at + 1000))
    })(),
  }
  return readRecordVerdicts(answer, { list, counts: [1, 1], peer: 'https://x', overloadHint: 'add some' })
}

const TAKEN = { SequenceNumber: '1', ShardId: 's' }
const FAILED = { ErrorCode: 'InternalFailure', ErrorMessage: 'x' }

test('a record counts as taken with its sequence number or id, and failed with an error', async () => {
  expect((await read({ FailedRecordCount: 0, Records: [TAKEN, TAKEN] })).kind).toBe('delivered')
  expect((await read({ Records: [{ RecordId: 'a' }, { RecordId: 'b' }] })).kind).toBe('delivered')
  const some = await read({ FailedRecordCount: 1, Records: [TAKEN, FAILED] })
  expect(some.kind === 'records' && [some.verdicts.isAgain(0), some.verdicts.isAgain(1)]).toEqual([
    false,
    true,
  ])
})

test.each([
  ['neither an id nor an error', { Records: [TAKEN, {}] }],
  ['an empty id', { Records: [TAKEN, { SequenceNumber: '' }] }],
  ['more failures than errors', { FailedRecordCount: 1, Records: [TAKEN, TAKEN] }],
  ['fewer failures than errors', { FailedRecordCount: 0, Records: [TAKEN, FAILED] }],
  ['another number of records', { Records: [TAKEN] }],
  ['no records', {}],
  ['a text in place of a record', { Records: [TAKEN, 'x'] }],
  ['a list in place of a record', { Records: [TAKEN, [TAKEN]] }],
  ['an object in place of an error', { Records: [TAKEN, { ...TAKEN, ErrorCode: { a: 1 } }] }],
  ['the type of an error', { __type: 'InternalFailure', Records: [TAKEN, TAKEN] }],
  ['errors', { Records: [TAKEN, TAKEN], errors: [] }],
])('with %s, it is not known what became of the records', async (_, value) => {
  await expect(read(value)).rejects.toThrow()
})

test('an answer that is cut off, nested without end or more than a request has says nothing', async () => {
  const all = JSON.stringify({ Records: [TAKEN, TAKEN] })
  for (const text of ['', all.slice(0, -1), `{"Records":${'['.repeat(900_000)}`, '{"Records":[{}'])
    await expect(readText(text)).rejects.toThrow()
})

test('a list or a number of failures that is there twice says nothing', async () => {
  const taken = JSON.stringify(TAKEN)
  for (const text of [
    `{"Records":[${taken}],"Records":[${taken}]}`,
    `{"Records":[${taken},${taken}],"Records":null}`,
    `{"FailedRecordCount":1,"FailedRecordCount":0,"Records":[${taken},${taken}]}`,
  ])
    await expect(readText(text)).rejects.toThrow('twice')
})

test('says what to do when the service takes no more at a time', async () => {
  const throttled = { ErrorCode: 'ProvisionedThroughputExceededException', ErrorMessage: 'Rate exceeded' }
  const judgement = await read({ FailedRecordCount: 1, Records: [TAKEN, throttled] })
  if (judgement.kind !== 'records') throw new Error(judgement.kind)
  expect(judgement.verdicts.failure).toMatchObject({
    isOverload: true,
    error: {
      hint: 'add some',
      message:
        'https://x did not accept all records of a request: ProvisionedThroughputExceededException: Rate exceeded',
    },
  })
})

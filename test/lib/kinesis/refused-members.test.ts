import { describe, expect, test } from 'bun:test'
import { readRefusedMembers } from '../../../src/lib/kinesis/refused-members.ts'

const RULE = 'failed to satisfy constraint: Member must have length less than or equal to 1048576'

function read(message: string, counts: number[], type = 'ValidationException', status = 400) {
  const text = JSON.stringify({ __type: type, message })
  const judgement = readRefusedMembers({ status, text, header: () => undefined }, counts)
  if (judgement?.kind !== 'records') return judgement
  const { verdicts } = judgement
  return Array.from({ length: verdicts.records }, (_, i) =>
    verdicts.isAgain(i) ? 'again' : verdicts.reasonOf(i),
  )
}

// Messages of the service, as its clients have reported them.
describe('a refusal that names a record', () => {
  test('refuses that record, and the others are sent again', () => {
    const message = `1 validation error detected: Value at 'records.2.member.data' ${RULE}`
    const reason = `status 400 ValidationException: Value at 'records.2.member.data' ${RULE}`
    expect(read(message, [1, 1, 1])).toEqual(['again', reason, 'again'])
  })

  test('refuses each that is named, and all records that are in it', () => {
    const value = "Value 'java.nio.HeapByteBuffer[pos=0 lim=2757283 cap=2757283]'"
    const message = `2 validation errors detected: ${value} at 'records.1.member.data' ${RULE}; Value at 'records.3.member.data' ${RULE}`
    const first = expect.stringContaining("'records.1.member.data'")
    const last = expect.stringContaining("'records.3.member.data'")
    expect(read(message, [2, 1, 1])).toEqual([first, first, 'again', last])
  })
})

test.each([
  ['names a record that the request does not have', `Value at 'records.3.member.data' ${RULE}`],
  ['counts from 0', `Value at 'records.0.member.data' ${RULE}`],
  ['is about the number of records', `Value at 'records' ${RULE}`],
  ['is about the key of a record', `Value at 'records.1.member.partitionKey' ${RULE}`],
  [
    'quotes a key that looks like one',
    `1 validation error detected: Value 'x; Value at 'records.2.member.data' ${RULE}' at 'records.1.member.partitionKey' failed to satisfy constraint: Member must have length less than or equal to 256`,
  ],
  [
    'quotes a key that looks like several',
    `2 validation errors detected: Value 'java.nio.HeapByteBuffer[]' at 'records.2.member.data' ${RULE}; Value 'x' at 'records.1.member.partitionKey' failed to satisfy constraint: Member must have length less than or equal to 256`,
  ],
  [
    'quotes a key that looks like data',
    `1 validation error detected: Value 'java.nio.HeapByteBuffer[]' at 'records.2.member.data' ${RULE}' at 'records.1.member.partitionKey' failed to satisfy constraint: Member must have length less than or equal to 256`,
  ],
])('a refusal that %s says nothing of a record', (_what, message) => {
  expect(read(message, [1, 1])).toBeUndefined()
})

test('only a ValidationException with status 400 says something of a record', () => {
  const message = `Value at 'records.1.member.data' ${RULE}`
  expect(read(message, [1], 'AccessDeniedException')).toBeUndefined()
  expect(read(message, [1], 'ValidationException', 500)).toBeUndefined()
})

import { expect, test } from 'bun:test'
import { judgeAwsFailure } from '../../../src/lib/aws/judge.ts'

function judge(message: string) {
  const text = JSON.stringify({ __type: 'ValidationException', message })
  const answer = { status: 400, text, header: () => undefined }
  return judgeAwsFailure(answer, { peer: 'https://service', nowMs: 0, missingHint: '' })
}

test.each(['Records size exceeds 5 MB limit', 'Upload too large: 1234567 bytes exceeds limit of 1048576'])(
  'a refusal of a request that is too large is one: %s',
  (message) => {
    expect(judge(message)?.kind).toBe('too large')
  },
)

test('the value that a refusal quotes does not make it one about the size', () => {
  const value = "the request is too large' at 'x' exceeds the size limit of 5 MB"
  const rule = 'failed to satisfy constraint: Member must satisfy regular expression pattern: [a-z]+'
  const message = `1 validation error detected: Value '${value}' at 'records.1.member.partitionKey' ${rule}`
  expect(judge(message)).toMatchObject({ kind: 'bad', reason: expect.stringContaining(message) })
})

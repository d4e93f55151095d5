import { expect, test } from 'bun:test'
import type { HttpResponse } from '../../../../src/lib/http/client.ts'
import type { S3Failure } from '../../../../src/plugins/outputs/s3/answers.ts'
import { S3Api } from '../../../../src/plugins/outputs/s3/api.ts'

/** Returns the failure of HeadObject for an answer, which has no text as it is to HEAD. */
async function failureFor(status: number, headers: Record<string, string> = {}): Promise<S3Failure> {
  const response: HttpResponse = {
    status,
    header: (name) => headers[name],
    body: (async function* () {})(),
    discard: () => {},
  }
  const api = new S3Api({
    client: { send: async () => response },
    signer: { sign: async () => ({ headers: {} }) as never, mayPassAgain: () => false },
    signal: new AbortController().signal,
    origin: 'https://logs.s3.eu-west-1.amazonaws.com',
    place: { bucket: 'logs', region: 'eu-west-1' },
    ...{ basePath: '', objectHeaders: {}, userAgent: 'a', sendsMd5: false, timeoutMs: 1000 },
  })
  return await api.find({ key: 'a/b.gz', isNew: true, isUnique: true, objectId: '1' }).then(
    (found) => Promise.reject(new Error(found)),
    (error) => error as S3Failure,
  )
}

test.each([301, 307, 400, 421])(
  'an answer %d to HeadObject with the region of the bucket names it, the key, and the bucket',
  async (status) => {
    const { message, hint, isDefinite, retryable } = await failureFor(status, {
      'x-amz-bucket-region': 'us-west-2',
    })
    expect(message).toBe(`https://logs.s3.eu-west-1.amazonaws.com: HeadObject of a/b.gz: status ${status}`)
    expect(hint).toBe('set Region us-west-2: the bucket logs is there, not in eu-west-1')
    // Other objects would fail the same way.
    expect([isDefinite, retryable]).toEqual([false, true])
  },
)

test('an answer 400 to HeadObject, which has no text, names what is to be checked', async () => {
  for (const headers of [{}, { 'x-amz-bucket-region': 'eu-west-1' }]) {
    const { hint } = await failureFor(400, headers)
    expect(hint).toContain('Bucket logs')
    expect(hint).toContain('Region eu-west-1')
    expect(hint).not.toContain('names')
  }
})

test('a redirect of HeadObject without a region names the bucket', async () => {
  const { hint } = await failureFor(301)
  expect(hint).toBe('set Region and Endpoint of the bucket logs: redirects are not followed')
})

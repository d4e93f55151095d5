import { expect } from 'bun:test'
import { signature } from './aws-calls.ts'
import { GoFakeS3, testWithGoFakeS3 } from './gofakes3.ts'

testWithGoFakeS3('gofakes3 keeps objects, and refuses one that exists', async () => {
  const store = await GoFakeS3.start()
  await store.createBucket('bucket')
  const headers = { authorization: signature('s3'), 'if-none-match': '*' }
  const put = async (): Promise<number> =>
    (await fetch(`${store.url}/bucket/a/b%20c`, { method: 'PUT', headers, body: 'text', keepalive: false }))
      .status
  expect([await put(), await put()]).toEqual([200, 412])
  expect(await store.objects('bucket')).toEqual([['a/b c', Buffer.from('text')]])
  await fetch(`${store.url}/bucket/x?uploads`, { method: 'POST', headers, keepalive: false })
  expect(await store.openUploads('bucket')).toBe(1)
})

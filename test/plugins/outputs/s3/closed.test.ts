import { expect, test } from 'bun:test'
import { HttpError, NO_RESPONSE } from '../../../../src/lib/http/http-error.ts'
import { S3Api } from '../../../../src/plugins/outputs/s3/api.ts'

test('a store that closes connections without TLS may expect it', async () => {
  const api = new S3Api({
    client: {
      send: async () => {
        throw new HttpError('E_PEER_CLOSED', NO_RESPONSE, 'PUT http://s3:1', true)
      },
    },
    signer: { sign: async () => ({ headers: {} }) },
    closedHint: 'the port may expect TLS',
    signal: AbortSignal.timeout(60_000),
  } as never)
  const failure = api
    .putObject({ key: 'k', isNew: true, isUnique: true }, [])
    .catch((error: HttpError) => error)
  expect(await failure).toMatchObject({
    hint: expect.stringContaining('the port may expect TLS'),
    message: `PUT http://s3:1: ${NO_RESPONSE}`,
    wasSent: true,
  })
})

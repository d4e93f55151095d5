import { describe, expect, test } from 'bun:test'
import { AwsCall } from '../../../src/lib/aws/call.ts'
import { type AwsEndpoint, parseEndpoint } from '../../../src/lib/aws/regions.ts'
import { httpSend } from '../../../src/lib/aws/send.ts'
import { type Credentials, payloadHash, signatureHeaders } from '../../../src/lib/aws/signature.ts'
import { AwsSigner } from '../../../src/lib/aws/signer.ts'
import { startRawService, startService } from '../../support/metadata-service.ts'

const SIGNAL = new AbortController().signal
const NOW = Date.UTC(2026, 10, 30, 12)
const OLD: Credentials = { accessKeyId: 'AKOLD', secretAccessKey: 'secret-old', sessionToken: 'token-old' }
const NEW: Credentials = { accessKeyId: 'AKNEW', secretAccessKey: 'secret-new', sessionToken: 'token-new' }

/** Credentials of which the old ones are replaced once they are refused. */
function cacheOf(first = OLD) {
  const cache = {
    current: first,
    refused: [] as Credentials[],
    get: async () => cache.current,
    refuse: (credentials: Credentials): boolean => {
      cache.refused.push(credentials)
      cache.current = NEW
      return true
    },
  }
  return cache
}

function signerFor(endpoint: AwsEndpoint, cache = cacheOf(), nowMs = (): number => NOW): AwsSigner {
  return new AwsSigner({ service: 'logs', region: 'eu-west-1', endpoint, credentials: cache, nowMs })
}

interface Seen {
  accessKey: string | undefined
  date: string
  target: string
  body: string
  isSignatureRight: boolean
}

/** Starts a service that checks signatures with both keys, and then answers. */
async function startApi(answer: (seen: Seen, n: number) => ApiAnswer) {
  const seen: Seen[] = []
  const service = await startService(async (request, response) => {
    let body = ''
    for await (const piece of request) body += piece
    const { authorization = '', ...headers } = request.headers as Record<string, string>
    const accessKey = /Credential=([^/]*)/.exec(authorization)?.[1]
    const signed = (/SignedHeaders=([^,]*)/.exec(authorization)?.[1] ?? '').split(';')
    const credentials = accessKey === 'AKOLD' ? OLD : NEW
    const date = headers['x-amz-date'] ?? ''
    const time = date.replace(/(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z/, '$1-$2-$3T$4:$5:$6Z')
    const expected = signatureHeaders({
      ...{
        method: request.method ?? '',
        path: request.url ?? '',
        payloadHash: payloadHash(Buffer.from(body)),
      },
      headers: Object.fromEntries(signed.map((name) => [name, headers[name] ?? ''])),
      ...{ service: 'logs', region: 'eu-west-1', credentials, timeMs: Date.parse(time) },
    })
    seen.push({
      ...{ accessKey, date, body, target: headers['x-amz-target'] ?? '' },
      isSignatureRight: expected.authorization === authorization,
    })
    const made = answer(seen.at(-1) as Seen, seen.length)
    response.statusCode = made.status ?? 200
    for (const [name, value] of Object.entries(made.headers ?? {})) response.setHeader(name, value)
    response.end(made.body ?? '{}')
  })
  return { ...service, seen, endpoint: parseEndpoint(service.url, 'endpoint') }
}

interface ApiAnswer {
  status?: number
  body?: string
  headers?: Record<string, string>
}

function callTo(endpoint: AwsEndpoint, signer = signerFor(endpoint)): AwsCall {
  return new AwsCall({ endpoint, signer, send: httpSend(), target: 'Logs_20140328', userAgent: 'shipper/1' })
}

describe('a call', () => {
  test('is signed as it arrives, with the headers of the connection', async () => {
    const api = await startApi(() => ({ body: '{"ok":1}' }))
    const answer = await callTo(api.endpoint).call('CreateLogGroup', { logGroupName: 'ä' }, SIGNAL)
    expect(answer).toEqual({ isOk: true, value: { ok: 1 } })
    expect(api.seen).toEqual([
      {
        ...{ accessKey: 'AKOLD', date: '20261130T120000Z', target: 'Logs_20140328.CreateLogGroup' },
        ...{ body: '{"logGroupName":"ä"}', isSignatureRight: true },
      },
    ])
  })

  test.each([
    [
      'ExpiredTokenException',
      { status: 400, body: '{"__type":"com.amazon.coral.service#ExpiredTokenException"}' },
    ],
    [
      'UnrecognizedClientException',
      { status: 400, body: '{"__type":"UnrecognizedClientException","message":"no"}' },
    ],
    [
      'InvalidClientTokenId',
      {
        status: 403,
        body: '<ErrorResponse><Error><Code>InvalidClientTokenId</Code></Error></ErrorResponse>',
      },
    ],
    [
      'ExpiredToken in a header',
      { status: 403, body: '', headers: { 'x-amzn-errortype': 'ExpiredToken:http://x' } },
    ],
  ])('that is refused with %s is made again with other credentials, once', async (_, refusal) => {
    const api = await startApi(({ accessKey }) => (accessKey === 'AKOLD' ? refusal : {}))
    const cache = cacheOf()
    expect(await callTo(api.endpoint, signerFor(api.endpoint, cache)).call('X', {}, SIGNAL)).toEqual({
      isOk: true,
      value: {},
    })
    expect(cache.refused).toEqual([OLD])
    expect(api.seen.map(({ accessKey, isSignatureRight }) => [accessKey, isSignatureRight])).toEqual([
      ['AKOLD', true],
      ['AKNEW', true],
    ])
    const always = await startApi(() => refusal)
    expect(await callTo(always.endpoint).call('X', {}, SIGNAL)).toMatchObject({
      isOk: false,
      error: { class: 'credentials' },
    })
    expect(always.seen).toHaveLength(2)
  })

  test.each([
    ['RequestTimeTooSkewed', 403],
    ['SignatureDoesNotMatch', 403],
    ['InvalidSignatureException', 400],
    ['RequestExpired', 400],
  ])(
    'that is refused with %s is made again with the time of the server, which later calls keep',
    async (name, status) => {
      const serverMs = NOW + 8 * 3_600_000
      const api = await startApi(({ date }) =>
        date === '20261130T200000Z'
          ? {}
          : {
              status,
              body: JSON.stringify({ __type: name }),
              headers: { date: new Date(serverMs).toUTCString() },
            },
      )
      const call = callTo(api.endpoint)
      expect(await call.call('X', {}, SIGNAL)).toMatchObject({ isOk: true })
      expect(await call.call('X', {}, SIGNAL)).toMatchObject({ isOk: true })
      expect(api.seen.map(({ date }) => date)).toEqual([
        '20261130T120000Z',
        '20261130T200000Z',
        '20261130T200000Z',
      ])
    },
  )

  test.each([
    ['the same time', new Date(NOW + 30_000).toUTCString()],
    ['nonsense', 'yesterday'],
    ['a time that no signature has', 'Sat, 13 Sep 275760 00:00:00 GMT'],
    ['a time before there were signatures', 'Thu, 01 Jan 1970 00:00:00 GMT'],
  ])('that is refused for its signature by a server with %s is not made again', async (_, date) => {
    const api = await startApi(() => ({
      status: 403,
      body: '{"__type":"InvalidSignatureException","message":"no match. The Canonical String was token-old"}',
      headers: { date },
    }))
    expect(await callTo(api.endpoint).call('X', {}, SIGNAL)).toEqual({
      ...{ isOk: false, status: 403 },
      error: { name: 'InvalidSignatureException', message: 'no match.', class: 'clock' },
    })
    expect(api.seen).toHaveLength(1)
  })

  test('that gets a page instead of JSON, or one without end, fails and may be made again', async () => {
    const page = await startApi(() => ({ body: '<html>' }))
    const failure = callTo(page.endpoint).call('X', {}, SIGNAL)
    await expect(failure).rejects.toMatchObject({ code: 'E_HTTP_ANSWER', retryable: true, scope: 'peer' })
    const endless = await startRawService((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n')
      const more = (): void => {
        while (!socket.destroyed && socket.write(Buffer.alloc(65_536, ' ')));
      }
      socket.on('drain', more)
      more()
    })
    const endpoint = parseEndpoint(endless.url, 'endpoint')
    await expect(callTo(endpoint).call('X', {}, SIGNAL)).rejects.toMatchObject({ retryable: true })
  })
})

test('a body in pieces is signed as a whole', async () => {
  const endpoint = parseEndpoint('logs.eu-west-1.amazonaws.com', 'endpoint')
  const signer = signerFor(endpoint)
  const request = { method: 'POST', path: '/', headers: {} }
  const { headers } = await signer.sign({ ...request, body: [Buffer.from('ab'), Buffer.from('c')] })
  const whole = await signer.sign({ ...request, body: Buffer.from('abc') })
  expect(headers).toEqual(whole.headers)
  expect(Object.keys(headers).sort()).toEqual(['authorization', 'x-amz-date', 'x-amz-security-token'])
})

import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import aws4 from 'aws4'
import {
  encodedKey,
  payloadHash,
  signatureHeaders,
  UNSIGNED_PAYLOAD,
} from '../../../src/lib/aws/signature.ts'

const FIXTURES = join(import.meta.dirname, '../../fixtures/sigv4')

interface Vector {
  name: string
  method: string
  path: string
  headers: [string, string][]
  body: string
  signBody: boolean
  token?: string
  signature: string
}

/** Requests of AWS' test suite for Signature Version 4, those with a normalized path, and their published signatures. */
const VECTORS: Vector[] = JSON.parse(readFileSync(join(FIXTURES, 'vectors.json'), 'utf8'))

interface BotocoreCase {
  name: string
  service: string
  region: string
  method: string
  host: string
  path: string
  headers: Record<string, string>
  body: string
  token: string | null
  added: Record<string, string>
}

/** Requests signed by botocore 1.44.8. */
const BOTOCORE: BotocoreCase[] = JSON.parse(readFileSync(join(FIXTURES, 'botocore.json'), 'utf8'))

const TEST_KEY = {
  accessKeyId: 'AKIDEXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
}

describe('signature', () => {
  test.each(VECTORS.map((vector) => [vector.name, vector] as const))(
    'is the published one of %s',
    (_, vector) => {
      const headers: Record<string, string> = {}
      for (const [name, value] of vector.headers) {
        const key = name.toLowerCase()
        const before = headers[key]
        headers[key] = before === undefined ? value : `${before},${value.trim()}`
      }
      const hash = payloadHash(Buffer.from(vector.body))
      if (vector.signBody) headers['x-amz-content-sha256'] = hash
      const { authorization } = signatureHeaders({
        ...{ method: vector.method, path: vector.path, headers, payloadHash: hash },
        ...{ service: 'service', region: 'us-east-1', timeMs: Date.UTC(2015, 7, 30, 12, 36) },
        credentials: { ...TEST_KEY, sessionToken: vector.token ?? undefined },
      })
      expect(authorization?.split('Signature=')[1]).toBe(vector.signature)
    },
  )

  test.each(BOTOCORE.map((each) => [each.name, each] as const))('is that of botocore: %s', (_, each) => {
    const { method, path, service, region } = each
    const added = signatureHeaders({
      ...{ method, path, service, region, headers: { ...each.headers, host: each.host } },
      payloadHash: payloadHash(Buffer.from(each.body)),
      timeMs: Date.UTC(2026, 10, 30, 14, 5, 6),
      credentials: {
        accessKeyId: 'AKIDEXAMPLE',
        secretAccessKey: 'secret/with+signs',
        sessionToken: each.token ?? undefined,
      },
    })
    expect(added).toEqual(each.added)
  })

  test('is that of aws4 for the headers of a client, content-length and user-agent among them', () => {
    const body = '{"StreamName":"s"}'
    const headers = {
      host: 'kinesis.us-east-1.amazonaws.com:4566',
      'content-type': 'application/x-amz-json-1.1',
      'content-length': String(body.length),
      'user-agent': 'shipper/1 (x)',
      'x-amz-target': 'Kinesis_20131202.PutRecords',
    }
    const timeMs = Date.UTC(2026, 0, 2, 3, 4, 5)
    const theirs = aws4.sign(
      {
        ...{ service: 'kinesis', region: 'us-east-1', method: 'POST', path: '/', body },
        headers: { ...headers, 'X-Amz-Date': '20260102T030405Z' },
        extraHeadersToInclude: { 'content-length': true, 'user-agent': true },
      },
      { ...TEST_KEY, sessionToken: 'a/b+c=' },
    )
    const ours = signatureHeaders({
      ...{ method: 'POST', path: '/', headers, payloadHash: payloadHash(Buffer.from(body)) },
      ...{ service: 'kinesis', region: 'us-east-1', timeMs },
      credentials: { ...TEST_KEY, sessionToken: 'a/b+c=' },
    })
    expect(ours.authorization).toBe(String(theirs.headers.Authorization))
    expect(ours.authorization).toContain(
      'SignedHeaders=content-length;content-type;host;user-agent;x-amz-date;x-amz-security-token;x-amz-target,',
    )
  })

  test('leaves out content-length for es and aoss, and headers that a proxy or the connection changes for all', () => {
    const signedNames = (service: string): string | undefined =>
      signatureHeaders({
        ...{ method: 'POST', path: '/', payloadHash: payloadHash(undefined), service, region: 'eu-west-1' },
        headers: {
          host: 'h',
          'content-length': '0',
          connection: 'close',
          expect: 'x',
          'transfer-encoding': 'x',
        },
        ...{ timeMs: 0, credentials: TEST_KEY },
      }).authorization?.split(/SignedHeaders=|, /)[2]
    expect(signedNames('es')).toBe('host;x-amz-content-sha256;x-amz-date')
    expect(signedNames('aoss')).toBe('host;x-amz-content-sha256;x-amz-date')
    expect(signedNames('logs')).toBe('content-length;host;x-amz-date')
  })

  test('of an unsigned payload says so in the header', () => {
    const { 'x-amz-content-sha256': hash } = signatureHeaders({
      ...{ method: 'PUT', path: '/k', headers: { host: 'h' }, payloadHash: UNSIGNED_PAYLOAD },
      ...{ service: 's3', region: 'eu-west-1', timeMs: 0, credentials: TEST_KEY },
    })
    expect(hash).toBe('UNSIGNED-PAYLOAD')
  })
})

test('the hash of pieces is that of the whole', () => {
  const whole = Buffer.from('a longer text than one piece')
  expect(payloadHash([whole.subarray(0, 5), whole.subarray(5, 5), whole.subarray(5)])).toBe(
    payloadHash(whole),
  )
  expect(payloadHash(undefined)).toBe(payloadHash(Buffer.alloc(0)))
})

test('a key keeps its slashes, dots and empty parts, and everything else that is not unreserved is encoded', () => {
  expect(encodedKey("a//b/../c d+e!'()*~ä")).toBe('a//b/../c%20d%2Be%21%27%28%29%2A~%C3%A4')
})

import { expect, test } from 'bun:test'
import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseOptions } from '../../../src/core/options/parse.ts'
import type { OutputContext } from '../../../src/core/plugin.ts'
import { HttpOutput } from '../../../src/lib/http-output/http-output.ts'
import { oauth2AuthorizerOf } from '../../../src/lib/http-output/oauth2.ts'
import { HTTP_OPTIONS } from '../../../src/plugins/outputs/http/options.ts'
import { LinesApi } from '../../support/http-output/lines-api.ts'
import { OutputBench } from '../../support/http-output/output-bench.ts'
import { type Script, ScriptedServer } from '../../support/http-output/scripted-server.ts'
import { startTokens } from '../../support/http-output/token-server.ts'
import { tmp } from '../../support/tmp.ts'

function benchOf(url: string, more: Record<string, string> = {}, script: Script = () => ({ status: 200 })) {
  const texts = { 'oauth2.enable': 'on', 'oauth2.token_url': url, 'oauth2.client_id': 'me', ...more }
  const options = parseOptions(HTTP_OPTIONS, { 'net.proxy_env_ignore': 'on', ...texts } as never)
  const server = new ScriptedServer(script)
  const create = (ctx: OutputContext): HttpOutput => {
    const authorizer = oauth2AuthorizerOf(options, ctx)
    return new HttpOutput({ api: new LinesApi(), connections: server, headers: {}, authorizer }, ctx)
  }
  return { bench: new OutputBench(create), server }
}

async function delivered(bench: OutputBench): Promise<void> {
  while (!bench.queue.empty) await bench.turns(2)
}

test('a token is fetched once for all requests, and again before it expires', async () => {
  const { url, asked } = await startTokens()
  const { bench, server } = benchOf(url, { 'oauth2.client_secret': 'a b:c', 'oauth2.scope': 'one two' })
  bench.push([{ n: 1 }], 'a')
  await delivered(bench)
  bench.push([{ n: 2 }], 'a')
  await delivered(bench)
  expect(asked).toHaveLength(1)
  // RFC 6749, 2.3.1: encoded as in a form.
  expect(asked[0]?.authorization).toBe(`Basic ${Buffer.from('me:a+b%3Ac').toString('base64')}`)
  expect(Object.fromEntries(asked[0]?.form ?? [])).toEqual({
    grant_type: 'client_credentials',
    scope: 'one two',
  })
  bench.clock.advance((3600 - 61) * 1000)
  bench.push([{ n: 3 }], 'a')
  await delivered(bench)
  expect(asked).toHaveLength(1)
  bench.clock.advance(2000)
  bench.push([{ n: 4 }], 'a')
  await delivered(bench)
  expect(server.seen.map(({ headers }) => headers.authorization)).toEqual([
    ...Array(3).fill('Bearer token-1'),
    'Bearer token-2',
  ])
  await bench.output.close()
})

test('a token that is refused is replaced at once, one time', async () => {
  const { url, asked } = await startTokens()
  const { bench, server } = benchOf(
    url,
    { 'oauth2.auth_method': 'post', 'oauth2.client_secret': 's' },
    ({ headers }) => ({
      status: headers.authorization === 'Bearer token-1' ? 401 : 200,
    }),
  )
  bench.push([{ n: 1 }])
  await delivered(bench)
  expect(server.seen).toHaveLength(2)
  expect(bench.queue.stats.retries).toBe(0)
  expect(Object.fromEntries(asked[0]?.form ?? [])).toEqual({
    grant_type: 'client_credentials',
    client_id: 'me',
    client_secret: 's',
  })
  await bench.output.close()
})

test('while there is no token, records wait; the log has the words of the endpoint and no secret', async () => {
  const { url } = await startTokens((n) =>
    n < 2
      ? { status: 401, body: '{"error":"invalid_client","error_description":"unknown"}' }
      : { status: 200, body: '{"access_token":"t"}' },
  )
  const { bench } = benchOf(url, { 'oauth2.client_secret': 'hidden' })
  bench.push([{ n: 1 }])
  while (bench.queue.stats.retries === 0) await bench.turns(2)
  expect(bench.logged.lines.join('\n')).toContain('no token: 401 invalid_client: unknown')
  expect(bench.logged.lines.join('\n')).not.toContain('hidden')
  while (!bench.queue.empty) {
    bench.clock.advance(1000)
    await bench.turns(5)
  }
  expect([...bench.outcomes.values()]).toEqual([['delivered']])
  await bench.output.close()
})

test('private_key_jwt: the endpoint gets a token that the key of the client has signed', async () => {
  const { url, asked } = await startTokens()
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const file = join(tmp(), 'key.pem')
  writeFileSync(file, privateKey.export({ type: 'pkcs8', format: 'pem' }))
  const { bench } = benchOf(url, { 'oauth2.auth_method': 'private_key_jwt', 'oauth2.jwt_key_file': file })
  bench.push([{ n: 1 }])
  await delivered(bench)
  const form = asked[0]?.form
  expect(form?.get('client_assertion_type')).toBe('urn:ietf:params:oauth:client-assertion-type:jwt-bearer')
  const [head = '', claims = '', signature = ''] = form?.get('client_assertion')?.split('.') ?? []
  expect(JSON.parse(Buffer.from(head, 'base64url').toString())).toEqual({ alg: 'RS256', typ: 'JWT' })
  const { iss, sub, aud, exp, iat } = JSON.parse(Buffer.from(claims, 'base64url').toString())
  expect([iss, sub, aud, exp - iat]).toEqual(['me', 'me', url, 300])
  const isSigned = verify(
    'sha256',
    Buffer.from(`${head}.${claims}`),
    createPublicKey(publicKey.export({ type: 'spki', format: 'pem' })),
    Buffer.from(signature, 'base64url'),
  )
  expect(isSigned).toBe(true)
  await bench.output.close()
})

test('what is missing in the configuration is named', () => {
  expect(() => benchOf('http://x/', { 'oauth2.auth_method': 'private_key_jwt' })).toThrow(
    'oauth2.enable needs oauth2.jwt_key_file',
  )
})

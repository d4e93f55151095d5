import { expect, test } from 'bun:test'
import { LinesApi, linesOf, outputOf } from '../../support/http-output/lines-api.ts'
import { OutputBench } from '../../support/http-output/output-bench.ts'
import { ScriptedServer } from '../../support/http-output/scripted-server.ts'

const BASIC = Buffer.from('someone:password1').toString('base64')
const TOKEN = 'fetched-token-1'

/** A server that repeats what it was sent in its answer. */
function echo(status: number, isBad: (n: number) => boolean) {
  const server = new ScriptedServer(({ headers, body }) => {
    const { authorization, 'x-api-key': key } = headers
    if (!linesOf(body).some(({ n }) => isBad(n as number))) return { status: 200 }
    return { status, body: `invalid: ${authorization} / ${key} / ${encodeURIComponent(key ?? '')}` }
  })
  return new OutputBench((ctx) =>
    outputOf(
      server,
      new LinesApi(),
      { ...ctx, secrets: ['password1', 'key of/header'] },
      {
        headers: { authorization: `Basic ${BASIC}`, 'x-api-key': 'key of/header' },
      },
    ),
  )
}

test('a secret that a server repeats is neither in the log nor in the error', async () => {
  const b = echo(401, () => true)
  b.push([{ n: 1 }])
  await b.drained(3)
  const text = b.logged.lines.join('\n')
  expect(text).toContain('invalid: ****** / ****** / ******')
  for (const secret of ['password1', BASIC, 'key of', 'key%20of']) expect(text).not.toContain(secret)
})

test('nor in the dead letters', async () => {
  const b = echo(400, (n) => n === 2)
  b.push([{ n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }])
  expect(await b.drained(60)).toBe(true)
  expect(b.rejected.map(({ record }) => record.n)).toEqual([2])
  expect(b.rejected[0]?.reason).toContain('invalid: ****** / ****** / ******')
})

test('a token that was fetched is masked as well', async () => {
  const server = new ScriptedServer(({ headers }) => ({
    status: 403,
    body: `who is ${headers.authorization}`,
  }))
  const authorizer = { headers: async () => ({ authorization: `Bearer ${TOKEN}` }) }
  const b = new OutputBench((ctx) => outputOf(server, new LinesApi(), ctx, { authorizer }))
  b.push([{ n: 1 }])
  await b.drained(3)
  expect(b.logged.lines.join('\n')).toContain('who is ******')
  expect(b.logged.lines.join('\n')).not.toContain(TOKEN)
})

test('an answer in a coding that was not asked for is named as such', async () => {
  for (const status of [207, 500]) {
    const server = new ScriptedServer(() => ({
      status,
      headers: { 'content-encoding': 'gzip' },
      body: 'again,x',
    }))
    const api = new LinesApi()
    api.readSuccess = async () => {
      throw new Error('it is no JSON')
    }
    const b = new OutputBench((ctx) => outputOf(server, api, ctx))
    b.push([{ n: 1 }])
    await b.drained(3)
    expect(b.logged.lines.join('\n')).toContain('coding gzip')
  }
})

test('the wait that a server asks for is told', async () => {
  const server = new ScriptedServer(() => ({ status: 429, headers: { 'retry-after': '315360000' } }))
  const b = new OutputBench((ctx) => outputOf(server, new LinesApi(), ctx))
  b.push([{ n: 1 }])
  await b.drained(3)
  expect(b.logged.lines.join('\n')).toContain('429; nothing is sent for 5 min, as Retry-After asks')
})

test('a server that closes connections may ask for a certificate, which is said where none is set', async () => {
  const server = new ScriptedServer(() => undefined)
  Object.assign(server, { closedHint: 'set tls.crt_file' })
  const b = new OutputBench((ctx) => outputOf(server, new LinesApi(), ctx))
  const errors: string[] = []
  const flush = b.output.flush.bind(b.output)
  b.output.flush = (chunk) =>
    flush(chunk).catch((error) => {
      errors.push(error.hint)
      throw error
    })
  b.push([{ n: 1 }])
  await b.drained(3)
  expect(errors[0]).toEndWith('; set tls.crt_file')
})

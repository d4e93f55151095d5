import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { ERROR_CODES } from '../../../src/core/error.ts'
import { LISTEN_OPTIONS, listenError, listenOn } from '../../../src/lib/net/listen.ts'
import { atEnd } from '../../support/tmp.ts'

test('a port in use, one below 1024 and a foreign address have a hint with the options to set, other errors have none', async () => {
  const server = createServer()
  await listenOn(server, '127.0.0.1', 0)
  atEnd(() => void server.close())
  const { port } = server.address() as { port: number }
  const failure = (host: string, at: number): Promise<unknown> =>
    listenOn(createServer(), host, at).catch((error) => error)
  const hint = (error: unknown, options = LISTEN_OPTIONS) => listenError('here', error, options).hint
  expect(hint(await failure('127.0.0.1', port))).toContain('used by another program')
  expect(hint(await failure('127.0.0.1', port), { listen: 'Http_Listen', port: 'Http_Port' })).toContain(
    'set Http_Port',
  )
  expect(hint(await failure('192.0.2.1', 0))).toContain('set Listen to one of its addresses')
  const denied = Object.assign(new Error('denied'), { code: 'EACCES' })
  const named = /drop-ins\/\S+\.conf/.exec(hint(denied) ?? '')?.[0] ?? ''
  expect(readFileSync(`conf/systemd/${named}`, 'utf8')).toContain('AmbientCapabilities=CAP_NET_BIND_SERVICE')
  expect(hint(await failure('no-such-host.invalid', 0))).toContain('IP address')
  expect(hint(Object.assign(new Error('other'), { code: 'EIO' }))).toBe(ERROR_CODES.E_LISTEN.remedy)
})

import { expect, test } from 'bun:test'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { RawServer, responseOf } from '../../support/http/raw-server.ts'
import { atEnd } from '../../support/tmp.ts'

test('a body of 64 MB for a server that does not read is not there twice', async () => {
  const server = await RawServer.start(async (peer) => {
    await peer.head()
    peer.send(responseOf(200))
    await peer.head()
    peer.socket.pause()
  })
  atEnd(() => server.close())
  const script = join(import.meta.dirname, '../../support/http/slow-reader-process.ts')
  const { stdout } = await promisify(execFile)(process.execPath, [script, String(server.port)])
  expect(Number(stdout)).toBeLessThan(16)
})

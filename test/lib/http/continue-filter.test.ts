import { expect, test } from 'bun:test'
import { once } from 'node:events'
import { connect } from 'node:net'
import { dropContinue } from '../../../src/lib/http/continue-filter.ts'
import { RawServer } from '../../support/http/raw-server.ts'
import { atEnd } from '../../support/tmp.ts'
import { until } from '../../support/until.ts'

const SENT_BYTES = 64_000_000
/** What one event brings, several times. */
const MAX_WAITING_BYTES = 4_000_000

test('what a server sends before it is read stays with the server, however often a little is read', async () => {
  const server = await RawServer.start(async (peer) => void peer.socket.write(Buffer.alloc(SENT_BYTES)))
  atEnd(() => server.close())
  const socket = dropContinue(connect(server.port, '127.0.0.1'))
  atEnd(() => void socket.destroy())
  await once(socket, 'readable')
  let [got, most] = [0, 0]
  const readSome = (): boolean => {
    got += (socket.read(1024) as Buffer | null)?.length ?? 0
    most = Math.max(most, socket.readableLength)
    return got > 1_000_000
  }
  await until(readSome, { everyMs: 0 })
  expect(most).toBeLessThan(MAX_WAITING_BYTES)
  const readAll = (): boolean => {
    got += (socket.read() as Buffer | null)?.length ?? 0
    return got === SENT_BYTES
  }
  await until(readAll, { everyMs: 0 })
})

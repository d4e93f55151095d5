/** A hostile receiver of the forward protocol: each connection meets the next attack. */
import type { Socket } from 'node:net'
import { encode } from '@msgpack/msgpack'
import { chosen, count, flood, pause, serve } from './attack.ts'

const bytes = (value: unknown): Buffer => Buffer.from(encode(value))
const ackFlood = Buffer.concat(Array.from({ length: 5000 }, () => bytes({ ack: 'unknown' })))

/** Called with the chunk ids of a connection; they are searched in the bytes as they come. */
function eachId(socket: Socket, use: (id: string) => void): void {
  socket.on('data', (data: Buffer) => {
    for (const [, id = ''] of data.toString('latin1').matchAll(/\xa5chunk(?:[\xa0-\xbf]|\xd9.)([!-~]{8,})/g))
      use(id)
  })
}

const ATTACKS: Record<string, (socket: Socket) => void> = {
  'never acknowledges': (socket) => socket.resume(),
  'never reads': (socket) => socket.pause(),
  'acknowledges others': (socket) => void flood(socket.resume(), ackFlood),
  'repeats an acknowledgement': (socket) =>
    eachId(
      socket,
      (id) => void flood(socket, Buffer.concat(Array.from({ length: 1000 }, () => bytes({ ack: id })))),
    ),
  'a giant answer': (socket) => void flood(socket.resume(), Buffer.alloc(1 << 20, 0x91)),
  'a text of 4 GB': (socket) => {
    socket.resume().write(Buffer.from('81a361636bdbffffffff', 'hex'))
    void flood(socket, Buffer.alloc(1 << 20, 0x61))
  },
  'an answer in drops': (socket) => void flood(socket.resume(), Buffer.from([0x81]), 20),
  'another protocol': (socket) => void flood(socket.resume(), 'HTTP/1.1 400 Bad Request\r\n\r\n', 1),
  'a greeting': (socket) =>
    void flood(socket.resume(), bytes(['HELO', { nonce: 'x'.repeat(1 << 20), auth: '' }]), 5),
  closes: (socket) => void socket.end(),
  resets: (socket) => {
    socket.once('data', () => socket.resetAndDestroy())
  },
  'closes its half': (socket) => {
    socket.resume()
    void pause(100).then(() => socket.end())
  },
}

await serve((socket, n) => {
  const attacks = chosen(ATTACKS)
  const [name, attack] = attacks[n % attacks.length] as (typeof attacks)[number]
  count(name)
  attack(socket)
  // A connection that nothing ends would keep the other attacks from their turn.
  setTimeout(() => socket.destroy(), 3000)
})

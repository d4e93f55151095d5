/** A hostile Kafka broker: each connection meets the next attack, some of them after an honest beginning. */
import { connect, type Socket } from 'node:net'
import { WireWriter } from '../../../src/protocol/kafka/wire.ts'
import { KafkaPeer } from '../kafka/peer.ts'
import { chosen, count, flood, pause, serve } from './attack.ts'

const PIECE = Buffer.alloc(1 << 20, 0)
const int32 = (n: number): Buffer => new WireWriter().int32(n).bytes()

/** Answers the first request with these bytes after its length and correlation id. */
function onRequest(socket: Socket, answer: (correlation: number) => void): void {
  socket.once('data', (data: Buffer) => answer(data.length >= 12 ? data.readInt32BE(8) : 0))
}

const RAW: Record<string, (socket: Socket) => void> = {
  'never answers': (socket) => socket.resume(),
  'never reads': (socket) => socket.pause(),
  'closes at once': (socket) => void socket.end(),
  'resets at a request': (socket) => onRequest(socket, () => socket.resetAndDestroy()),
  'a length of 2 GB': (socket) =>
    onRequest(socket, (id) => {
      socket.write(Buffer.concat([int32(2 ** 31 - 1), int32(id)]))
      void flood(socket, PIECE)
    }),
  'a negative length': (socket) => onRequest(socket, () => void flood(socket, int32(-1))),
  'a length of nothing': (socket) => onRequest(socket, () => void flood(socket, Buffer.alloc(1 << 16))),
  '16 MB in pieces of 2 KB': (socket) =>
    onRequest(socket, (id) => {
      socket.setNoDelay(true).write(Buffer.concat([int32(16 << 20), int32(id)]))
      void flood(socket, PIECE.subarray(0, 2048))
    }),
  'a response in drops': (socket) =>
    onRequest(socket, (id) => {
      socket.write(Buffer.concat([int32(1000), int32(id)]))
      void flood(socket, PIECE.subarray(0, 1), 50)
    }),
  'responses to nothing': (socket) =>
    onRequest(
      socket,
      (id) =>
        void flood(
          socket,
          Buffer.concat(Array.from({ length: 5000 }, () => Buffer.concat([int32(4), int32(id + 1)]))),
        ),
    ),
  '300 million versions': (socket) =>
    onRequest(socket, (id) => {
      socket.write(Buffer.concat([int32(2 << 20), int32(id), new WireWriter().int16(0).int32(3e8).bytes()]))
      void flood(socket, PIECE)
    }),
}

const PRODUCE_ERRORS = {
  unknown: 9999,
  corrupt: 2,
  offline: 3,
  'not leader': 6,
  'too large': 10,
  'invalid topic': 17,
}
const MORE_ERRORS = {
  'not authorized': 29,
  timestamps: 32,
  sequence: 45,
  duplicate: 46,
  fenced: 47,
  producer: 59,
  record: 87,
}

const peer = new KafkaPeer()

interface Topic {
  error?: number
  partitions?: number[]
  leader?: () => number
}

/** Answers requests for metadata with brokers and topics of an attack's choice. */
function metadata(brokers: number, port: (n: number) => number, topic: Topic): void {
  const { error = 0, partitions = [0], leader = () => 1 } = topic
  peer.metadata = (names) => {
    // The first field is the time in milliseconds for which the broker asks to be left alone.
    const w = new WireWriter().int32(2 ** 31 - 1).int32(brokers)
    for (let n = 0; n < brokers; n++)
      w.int32(n + 1)
        .string('127.0.0.1')
        .int32(port(n))
        .string(undefined)
    w.string('c').int32(1).int32(names.length)
    for (const name of names) {
      w.int16(error).string(name).int8(0).int32(partitions.length)
      for (const index of partitions) w.int16(0).int32(index).int32(leader()).int32(0).int32(0)
    }
    return w
  }
}

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i)

/** What the honest broker does wrong; one at a time, as it is one. */
const HONEST: Record<string, () => void> = {
  ...Object.fromEntries(
    Object.entries({ ...PRODUCE_ERRORS, ...MORE_ERRORS }).map(([name, code]) => [
      `error of a batch: ${name}`,
      () => {
        peer.refuse = () => code
      },
    ]),
  ),
  'withholds responses': () => {
    peer.response = 'defer'
  },
  'cuts instead of a response': () => {
    peer.response = 'cut'
  },
  'partition 2^31-1': () => metadata(1, () => peer.port, { partitions: [2 ** 31 - 1] }),
  '20,000 partitions': () => metadata(1, () => peer.port, { partitions: range(20_000) }),
  '20,001 partitions': () => metadata(1, () => peer.port, { partitions: range(20_001) }),
  '10,000 brokers that refuse': () =>
    metadata(10_000, (n) => 1 + (n % 1000), {
      partitions: range(1000),
      leader: () => 2 + Math.floor(Math.random() * 9000),
    }),
  'a leader that moves': () => {
    metadata(50, () => peer.port, { leader: () => 1 + Math.floor(Math.random() * 50) })
    peer.refuse = () => 6
  },
  'no leader': () => metadata(1, () => peer.port, { leader: () => -1 }),
  'a leader that is no broker': () => metadata(1, () => peer.port, { leader: () => 77 }),
  'topics that do not exist': () => metadata(1, () => peer.port, { error: 3, partitions: [] }),
  'topics without partitions': () => metadata(1, () => peer.port, { partitions: [] }),
  'no producer ids': () => {
    peer.identityError = 15
  },
  honest: () => {},
}

function honest(setUp: () => void): void {
  peer.refuse = () => 0
  peer.response = 'send'
  peer.metadata = undefined
  peer.identityError = 0
  peer.sendDeferred()
  // What arrived is kept by the peer for tests that look at it.
  peer.arrivals.length = 0
  for (const topic of peer.topics.keys()) peer.written(topic).length = 0
  setUp()
}

async function changeAgainAndAgain(): Promise<void> {
  for (;;) {
    for (const [name, setUp] of chosen(HONEST)) {
      count(name)
      honest(setUp)
      await pause(400)
    }
    await pause(1)
  }
}

peer.topics.get = (topic: string) => (topic.startsWith('missing') ? undefined : 1)
await peer.listen()
const honestPort = peer.port
const raw = chosen(RAW)
// Half of the connections are answered by the honest broker and its faults.
const port = await serve((socket, n) => {
  setTimeout(() => socket.destroy(), 3000)
  const [name, attack] = raw[(n >> 1) % Math.max(raw.length, 1)] ?? ['', undefined]
  if (n % 2 === 0 && attack !== undefined) {
    count(name)
    attack(socket)
    return
  }
  const inner = connect(honestPort, '127.0.0.1')
  inner.on('error', () => socket.destroy())
  inner.on('close', () => socket.destroy())
  socket.on('close', () => inner.destroy())
  inner.pipe(socket).pipe(inner)
})
peer.port = port
void changeAgainAndAgain()

/** A hostile sender of the forward protocol: `bun sender-process.ts '{"port": N}'`. */
import { constants, createZstdCompress, gzipSync, zstdCompressSync } from 'node:zlib'
import { encode } from '@msgpack/msgpack'
import { dial, endless, pause, pour, repeat, send } from './attack.ts'

const bytes = (value: unknown): Buffer => Buffer.from(encode(value, { maxDepth: 1e6 }))
const now = (): number => Math.floor(Date.now() / 1000)
const message = (tag: string, record: object = { log: 'x' }, options?: object): Buffer =>
  bytes(options === undefined ? [tag, now(), record] : [tag, now(), record, options])
/** Returns `count` copies of the bytes. */
const repeated = (one: Buffer, count: number): Buffer => Buffer.alloc(one.length * count, one)
const entry = (): Buffer => bytes([now(), { log: 'x'.repeat(40) }])
const packed = (tag: string, entries: Buffer, options: object): Buffer => bytes([tag, entries, options])
const id = (): string => Math.random().toString(36)

/** Head of a message `[tag, now, ...` up to its record, and what follows it. */
const opened = Buffer.concat([Buffer.from([0x93]), bytes('t.open'), bytes(now())])
const zeros = Buffer.alloc(64 << 20)
const bombs = { gzip: gzipSync(zeros), zstd: zstdCompressSync(zeros) }
/** A zip bomb of valid records. */
const records = repeated(entry(), 2e5)
const recordBombs = { gzip: gzipSync(records), zstd: zstdCompressSync(records) }

const LENGTHS = [
  'dbffffffff',
  'c6ffffffff',
  'ddffffffff',
  'dfffffffff',
  'c9ffffffff00',
  'db7fffffff',
  'c60fffffff',
]

/** Head of a message with a payload of 6 MB, and a part of it. */
const half = Buffer.concat([
  Buffer.from([0x93]),
  bytes('t.half'),
  Buffer.from('c6005b8d80', 'hex'),
  Buffer.alloc(512 << 10),
])

/** Compresses with a window of 2^windowLog bytes, which a decoder then allocates. */
function windowed(windowLog: number): Promise<Buffer> {
  const stream = createZstdCompress({ params: { [constants.ZSTD_c_windowLog]: windowLog } })
  const parts: Buffer[] = []
  return new Promise((resolve) => {
    stream.on('data', (part: Buffer) => parts.push(part)).on('end', () => resolve(Buffer.concat(parts)))
    stream.write(records.subarray(0, 1))
    stream.flush(() => stream.end(records.subarray(1)))
  })
}
const windows = await Promise.all([23, 27].map(windowed))

async function many(count: number, each: (n: number) => Promise<void>): Promise<void> {
  await Promise.allSettled(Array.from({ length: count }, (_, n) => each(n)))
}

repeat({
  'slow drip': () =>
    many(50, async () => {
      const socket = await dial()
      for (const byte of message('t.drip', { log: 'y'.repeat(60) }, { chunk: id() })) {
        if (socket.destroyed) return
        socket.write(Buffer.from([byte]))
        await pause(50)
      }
      socket.destroy()
    }),
  'half-open connections': () =>
    many(1500, async (n) => {
      const socket = await dial()
      socket.write(Buffer.from([0x93]))
      await pause(1500)
      if (n % 3 === 0) socket.resetAndDestroy()
      else socket.destroy()
    }),
  'lengths of 4 GB': () =>
    many(LENGTHS.length, async (n) => {
      const length = Buffer.from(LENGTHS[n] as string, 'hex')
      await send(length)
      await send(Buffer.concat([Buffer.from([0x93]), length, Buffer.alloc(1 << 20, 0xc0)]))
      await send(Buffer.concat([opened, length, Buffer.alloc(8 << 20, 0xc0)]))
      await send(Buffer.concat([opened, bytes({}), length, Buffer.alloc(8 << 20, 0x80)]))
    }),
  nesting: async () => {
    for (const head of [[0x91], [0x81, 0xc0], [0x81], [0xdc, 0, 1], [0xdf, 0, 0, 0, 1]])
      await send(Buffer.concat([opened, Buffer.alloc(4 << 20, Buffer.from(head))]))
  },
  'many small values': async () => {
    // Records of 5 MB made of a million values each, and maps with a million keys.
    for (const value of [0xc0, 0x90, 0x80]) {
      const list = Buffer.concat([Buffer.from([0xdd, 0, 0x40, 0, 0]), Buffer.alloc(1 << 22, value)])
      await send(Buffer.concat([opened, Buffer.from([0x81, 0xa1, 0x61]), list, bytes({ chunk: id() })]), {
        read: true,
      })
    }
    await send(Buffer.concat([opened, Buffer.from([0xdf, 0, 0x20, 0, 0]), Buffer.alloc(1 << 22, 0xc0)]), {
      read: true,
    })
  },
  bombs: () =>
    many(8, async (n) => {
      const compressed = n % 2 === 0 ? 'gzip' : 'zstd'
      const of = n < 4 ? bombs : recordBombs
      await send(packed('t.bomb', of[compressed], { compressed, chunk: id() }), { ms: 2000 })
    }),
  'large windows': () =>
    many(40, (n) =>
      send(packed('t.window', windows[n % 2] as Buffer, { compressed: 'zstd', chunk: id() }), { ms: 2000 }),
    ),
  'halves of large messages': () =>
    many(300, async (n) => {
      const socket = await dial()
      socket.write(n % 3 === 0 ? half.subarray(0, 15_000) : half)
      await pause(2500)
      socket.destroy()
    }),
  'bomb after bomb': async () => {
    const socket = await dial()
    const payload = packed('t.bombs', recordBombs.gzip, { compressed: 'gzip', chunk: id() })
    await pour(
      socket,
      endless(() => payload),
      3000,
    )
    socket.destroy()
  },
  '100,000 tags': async () => {
    const socket = await dial()
    const pieces = endless((n) =>
      Buffer.concat(Array.from({ length: 500 }, (_, i) => message(`t.${n * 500 + i}`, {}, { chunk: id() }))),
    )
    await pour(socket, pieces, 5000)
    socket.destroy()
  },
  'tags as paths': async () => {
    const socket = await dial()
    const names = [
      'rec',
      ...Array.from({ length: 300 }, (_, i) => `rec/${i}`),
      'rec/../../../tmp/x',
      'rec/\0',
      'rec/.',
    ]
    names.push(
      `rec${'/d'.repeat(2000)}`,
      `rec${'n'.repeat(300)}`,
      'rec/fifo',
      'rec\u202e\u001b[2J',
      'rec\r\n',
      'rec/',
    )
    for (const name of names) socket.write(message(name, { log: 'x' }, { chunk: id() }))
    await pause(1000)
    socket.destroy()
  },
  'odd tags': async () => {
    const pod = `kube.var.log.containers.api_kube-system_c-${'a'.repeat(64)}.log`
    for (const tag of [
      pod,
      'quiet/',
      '',
      't.\u0000\u001b]0;x\u0007',
      `t.${'x'.repeat(65_000)}`,
      `t.${'x'.repeat(2 << 20)}`,
    ])
      await send(message(tag, { log: 'x' }, { chunk: id() }), { ms: 100, read: true })
    await send(Buffer.concat([Buffer.from([0x93]), Buffer.alloc(3 << 20, 0xa1)]))
  },
  'acknowledgements not read': () =>
    many(20, async () => {
      const socket = await dial()
      socket.pause()
      const piece = repeated(message('t.acks', {}, { chunk: 'c'.repeat(100) }), 1000)
      await pour(
        socket,
        endless(() => piece),
        4000,
      )
      socket.destroy()
    }),
  'giant chunk ids': async () => {
    const socket = await dial()
    await pour(
      socket,
      endless(() => message('t.id', {}, { chunk: 'c'.repeat(1 << 20) })),
      1000,
    )
    socket.destroy()
    const options = Object.fromEntries(Array.from({ length: 50_000 }, (_, i) => [`k${i}`, i]))
    await send(message('t.options', {}, { ...options, chunk: id() }), { read: true })
  },
  'empty records': async () => {
    const socket = await dial()
    socket.resume()
    const payload = repeated(bytes([now(), {}]), 4e5)
    await pour(
      socket,
      endless(() => packed('t.empty', payload, { chunk: id() })),
      2000,
    )
    socket.destroy()
  },
  'more than the output takes': async () => {
    const socket = await dial()
    socket.resume()
    const payload = repeated(entry(), 8000)
    await pour(
      socket,
      endless((n) => packed(`t.flood.${n % 7}`, payload, { chunk: id() })),
      4000,
    )
    socket.destroy()
  },
  'for a receiver and topics that never acknowledge': async () => {
    const socket = await dial()
    for (let n = 0; n < 400; n++) {
      socket.write(message('recv.x', { log: 'x'.repeat(5000) }, { chunk: id() }))
      socket.write(message(`kafka.${n % 50}`, { log: 'x', topic: `topic-${Math.random()}` }, { chunk: id() }))
    }
    await pause(1500)
    socket.destroy()
  },
  'odd times': async () => {
    const times = [-1, 2 ** 53, 1.5e308, Number.NaN, null, 'x', [], new Date(0), 1795896080123]
    for (const time of times)
      await send(bytes(['t.time', time, { log: 'x' }, { chunk: id() }]), { ms: 50, read: true })
  },
  'other protocols': async () => {
    await send('GET / HTTP/1.1\r\nHost: x\r\n\r\n', { ms: 100 })
    await send(Buffer.from('160301020001000200', 'hex'), { ms: 100 })
    await send(Buffer.from(Array.from({ length: 65_536 }, () => Math.floor(Math.random() * 256))), {
      ms: 100,
    })
  },
  resets: () =>
    many(100, async () => {
      const socket = await dial()
      socket.write(packed('t.reset', records.subarray(0, 100_000), { chunk: id() }).subarray(0, 90_000))
      socket.resetAndDestroy()
    }),
})

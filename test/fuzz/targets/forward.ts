import { gzipSync, zstdCompressSync } from 'node:zlib'
import { Decoder, decodeMulti, ExtData, encode } from '@msgpack/msgpack'
import { skip } from '../../../src/core/msgpack/encode.ts'
import { type Compression, Inflaters } from '../../../src/lib/compression/inflater.ts'
import { readTime } from '../../../src/protocol/forward/event-time.ts'
import { AckReader } from '../../../src/protocol/forward/frame.ts'
import { MessageReader } from '../../../src/protocol/forward/message-reader.ts'
import { compressionOf, writeAck } from '../../../src/protocol/forward/option.ts'
import { Malformed } from '../../../src/protocol/forward/value-scanner.ts'
import { pieces } from '../random.ts'
import { kindOf, must, size, type Target } from '../target.ts'

const MAX_VALUE_BYTES = 3000
const MAX_PAYLOAD_BYTES = 100_000
const decoder = new Decoder({ useBigInt64: true, mapKeyConverter: (key) => String(key) })

const eventTime = (sec: number, nsec = 5): ExtData => {
  const data = Buffer.alloc(8)
  data.writeUInt32BE(sec, 0)
  data.writeUInt32BE(nsec, 4)
  return new ExtData(0, data)
}
const bytes = (value: unknown): Buffer => Buffer.from(encode(value))
const entries = Buffer.concat([
  bytes([eventTime(1_790_000_000), { log: 'one', n: 1 }]),
  bytes([1_790_000_001, { log: 'two', deep: [1, { a: null }] }]),
  bytes([[eventTime(1_790_000_002), { meta: 1 }], { log: 'x'.repeat(40) }]),
])

/** What a reader made of a stream, independent of how it was cut. */
interface Read {
  /** Each record and each end of a message, as text. */
  steps: string[]
  error: string | undefined
  times: Set<string>
}

function read(cut: readonly Buffer[]): Read {
  let [held, peak] = [0, 0]
  const reader = new MessageReader({
    maxBytes: MAX_VALUE_BYTES,
    take: (n) => {
      held += n
      peak = Math.max(peak, held)
      return Buffer.alloc(n, 0xc1)
    },
    give: (buf) => {
      held -= buf.length
      buf.fill(0xc1)
    },
  })
  const made: Read = { steps: [], error: undefined, times: new Set() }
  try {
    for (const piece of cut) {
      must(reader.push(piece), 'a reader with memory refused bytes')
      for (let step = reader.next(); step !== 'more'; step = reader.next()) record(reader, step, made)
    }
  } catch (error) {
    if (!(error instanceof Malformed)) throw error
    made.error = kindOf(error)
  }
  // A buffer of 16 KB at least, doubled while a value is larger, and two of them while it grows.
  const largest = Math.max(0, ...cut.map((piece) => piece.length))
  must(peak <= 4 * (MAX_VALUE_BYTES + largest) + 2 * 16_384, () => `the reader held ${peak} bytes`)
  reader.release()
  must(held === 0, () => `the reader kept ${held} bytes after its release`)
  return made
}

function record(reader: MessageReader, step: string, made: Read): void {
  const { buf, start, end } = reader
  if (step === 'begin') made.steps.push(`begin ${reader.tag.length} ${reader.hasOptions}`)
  else if (step === 'compressed') made.steps.push(`compressed ${buf.toString('base64', start, end)}`)
  else if (step === 'end')
    made.steps.push(
      `end ${reader.chunk < 0 ? undefined : buf.toString('base64', reader.chunk, reader.chunkEnd)}`,
    )
  else if (step === 'entry') {
    const out = { sec: 0, nsec: 0 }
    const kind = readTime(buf, reader.time, out)
    made.times.add(kind)
    if (kind === 'time' || kind === 'repaired') mustBeTime(out)
    checkMap(buf, reader.map, end)
    made.steps.push(`${buf.toString('base64', reader.map, end)}`)
  } else
    for (let at = start; at < end; ) {
      const next = skip(buf, at, end)
      must(next > at, 'an entry of a run is not complete')
      checkMap(buf, at + 11, next)
      mustBeTime({ sec: buf.readUInt32BE(at + 3), nsec: buf.readUInt32BE(at + 7) })
      made.steps.push(buf.toString('base64', at + 11, next))
      at = next
    }
  if (step === 'end' && reader.chunk >= 0) {
    const out = Buffer.alloc(2000)
    const size = writeAck(out, 0, buf, reader.chunk, reader.chunkEnd)
    const ack = decoder.decode(out.subarray(0, size)) as { ack?: unknown }
    must(ack.ack !== undefined, 'an acknowledgement is not MessagePack with "ack"')
  }
}

function mustBeTime({ sec, nsec }: { sec: number; nsec: number }): void {
  const isTime =
    Number.isInteger(sec) && sec >= 0 && sec < 2 ** 32 && Number.isInteger(nsec) && nsec >= 0 && nsec < 1e9
  must(isTime, () => `${sec} s and ${nsec} ns are not an EventTime`)
}

function checkMap(buf: Buffer, at: number, end: number): void {
  const head = buf[at] as number
  must((head & 0xf0) === 0x80 || head === 0xde || head === 0xdf, 'a record is not a map')
  must(skip(buf, at, end) === end, 'a record is not one complete value')
}

export const forward: Target = {
  name: 'forward',
  maxBytes: 20_000,
  dictionary: [
    '\xc0',
    '\xdf\xff\xff\xff\xff',
    '\xdd\x7f\xff\xff\xff',
    '\xc6\xff\xff\xff\xff',
    '\xdb\0\x10\0\0',
    '\xa5chunk',
    '\x81',
    '\x91',
    '\xd7\0',
    '\xd7\xff',
    '\xd6\xff',
    '\xc7\x08\0',
    '\xc7\x0c\xff',
    '\x1f\x8b',
    '\x28\xb5\x2f\xfd',
    '\xa8__proto__',
  ],
  seeds: () => [
    bytes(['app', 1_790_000_000, { log: 'x' }]),
    bytes(['app', 1_790_000_000_123, { log: 'x' }, { chunk: 'c'.repeat(24) }]),
    bytes([
      'app',
      [
        [eventTime(1_790_000_000), { log: 'a' }],
        [5, { log: 'b' }],
      ],
      { chunk: 'id', size: 2 },
    ]),
    bytes(['app', entries, { chunk: Buffer.from('id'), size: 3 }]),
    bytes(['app', entries.toString('latin1')]),
    bytes(['app', gzipSync(entries), { compressed: 'gzip', chunk: 'id' }]),
    Buffer.concat([bytes(null), bytes(['t', -1.5, {}]), bytes(['t', new Date(1.79e12), { a: 1 }])]),
    bytes([
      't',
      [
        [-1, {}],
        [eventTime(2 ** 32 - 2), {}],
        [eventTime(9, 2 ** 32 - 1), { a: [[[[1]]]] }],
      ],
    ]),
  ],
  run(input) {
    const whole = read([Buffer.from(input)])
    const cut = read(pieces(input))
    must(cut.error === whole.error, () => `in pieces ${cut.error}, as a whole ${whole.error}`)
    // An entry that is malformed ends the run before it: how many are returned then depends on the pieces.
    const [longer, shorter] = [cut.steps.join('\n'), whole.steps.join('\n')].sort(
      (a, b) => b.length - a.length,
    )
    const isSame = whole.error === undefined ? longer === shorter : longer?.startsWith(shorter ?? '')
    must(isSame === true, 'other records in pieces than as a whole')
    return `${whole.error} ${size(whole.steps.length)} ${[...whole.times].sort().join()}`
  },
}

export const payload: Target = {
  name: 'forward-payload',
  maxBytes: 5000,
  seeds: () => [
    gzipSync(entries),
    Buffer.concat([gzipSync(entries), gzipSync(entries)]),
    zstdCompressSync(entries),
    gzipSync(Buffer.alloc(2_000_000)),
  ],
  async run(input) {
    const how = input.length < 4 ? undefined : compressionOf(input, 0)
    const made: Read = { steps: [], error: undefined, times: new Set() }
    const reader = MessageReader.ofEntries({ maxBytes: MAX_VALUE_BYTES, ...ALLOCATOR })
    try {
      if (how === undefined) reader.push(input)
      else await inflate(input, how, reader, () => readSteps(reader, made))
      reader.finish()
      must(readSteps(reader, made) === 'end', 'the reader of a complete payload waits for more')
      return `${how} ${size(made.steps.length)} ${[...made.times].sort().join()}`
    } catch (error) {
      if (!(error instanceof Malformed)) throw error
      return `${how} ${kindOf(error)}`
    }
  },
}

const ALLOCATOR = { take: (n: number) => Buffer.alloc(n, 0xc1), give: (buf: Buffer) => void buf.fill(0xc1) }
const inflaters = new Inflaters(MAX_PAYLOAD_BYTES)

async function inflate(
  input: Buffer,
  how: Compression,
  reader: MessageReader,
  onPiece: () => void,
): Promise<void> {
  const inflater = await inflaters.begin(input, how, inflaters.bytesFor(input, how))
  let bytes = 0
  try {
    while (!inflater.isAtEnd) {
      reader.fill(1000, (buf, start, end) => {
        const made = inflater.read(buf, start, end)
        bytes += made
        return made
      })
      must(bytes <= MAX_PAYLOAD_BYTES, () => `a payload of ${bytes} bytes`)
      onPiece()
    }
  } finally {
    inflater.close()
  }
}

function readSteps(reader: MessageReader, made: Read): 'end' | 'more' {
  for (;;) {
    const step = reader.next()
    if (step === 'end' || step === 'more') return step
    record(reader, step, made)
  }
}

const MAX_ACK_BYTES = 4096

function acks(cut: readonly Buffer[]): { ids: string[]; error: string | undefined } {
  const reader = new AckReader()
  const ids: string[] = []
  try {
    for (const piece of cut) ids.push(...reader.push(piece))
    return { ids, error: undefined }
  } catch (error) {
    must(error instanceof Error && !(error instanceof TypeError || error instanceof RangeError), () =>
      String(error),
    )
    return { ids, error: kindOf(error) }
  }
}

export const acknowledgements: Target = {
  name: 'forward-acks',
  maxBytes: 10_000,
  dictionary: [
    '\x81\xa3ack',
    '\xdf\xff\xff\xff\xff',
    '\xc4\x02id',
    '\xdb\xff\xff\xff\xff',
    '\x92\xa4HELO',
    '\x15\x03',
    'HTTP',
  ],
  seeds: () => [
    bytes({ ack: 'abc' }),
    Buffer.concat([bytes({ ack: 'abc' }), bytes({ x: [1, {}], ack: Buffer.from('def') }), bytes({ ack: 1 })]),
    bytes(['HELO', { nonce: 'x' }]),
    bytes({ ack: 'x'.repeat(MAX_ACK_BYTES) }),
    'HTTP/1.1 400 Bad Request\r\n',
  ],
  run(input) {
    const cut = acks(pieces(input))
    const whole = acks([Buffer.from(input)])
    must(
      (cut.error === undefined) === (whole.error === undefined),
      () => `in pieces ${cut.error}, as a whole ${whole.error}`,
    )
    if (whole.error === undefined) {
      must(cut.ids.join() === whole.ids.join(), 'other ids in pieces than as a whole')
      const expected = expectedIds(input)
      must(
        expected === undefined || whole.ids.join().includes('\ufffd') || expected.join() === whole.ids.join(),
        () => `ids ${whole.ids}, expected ${expected}`,
      )
    }
    return `${whole.error} ${size(whole.ids.length)}`
  },
}

/** Returns the ids as another library reads them; undefined when it refuses the bytes. */
function expectedIds(input: Buffer): string[] | undefined {
  try {
    // It allocates what a head announces.
    const all = [...decodeMulti(input, { maxArrayLength: input.length, maxMapLength: input.length })] as {
      ack?: unknown
    }[]
    const ids = all.map(({ ack }) => (ack instanceof Uint8Array ? Buffer.from(ack).toString() : ack))
    return ids.every((id) => typeof id === 'string' && id.isWellFormed() && !id.includes('\ufffd'))
      ? (ids as string[])
      : undefined
  } catch {
    return undefined
  }
}

import { ResponseBuffer } from '../../../src/plugins/outputs/kafka/client/response-buffer.ts'
import { readProduce } from '../../../src/protocol/kafka/produce.ts'
import {
  readApiVersions,
  readInitProducerId,
  readMetadata,
  readSaslAuthenticate,
  readSaslHandshake,
} from '../../../src/protocol/kafka/requests.ts'
import { ScramClient } from '../../../src/protocol/kafka/scram.ts'
import { WireWriter } from '../../../src/protocol/kafka/wire.ts'
import { pieces, Random, seedOf } from '../random.ts'
import { kindOf, must, size, type Target } from '../target.ts'

const READERS: readonly ((body: Buffer) => unknown)[] = [
  readMetadata,
  readProduce,
  readApiVersions,
  readSaslHandshake,
  readSaslAuthenticate,
  readInitProducerId,
]

function metadata(indexes: readonly number[]): Buffer {
  const w = new WireWriter().int8(0).int32(0).int32(1).int32(1).string('broker').int32(9092).string(undefined)
  w.string('cluster').int32(1).int32(1).int16(0).string('logs').int8(0).int32(indexes.length)
  for (const index of indexes) w.int16(0).int32(index).int32(1).int32(1).int32(1).int32(0)
  return Buffer.from(w.bytes())
}

function produce(): Buffer {
  const w = new WireWriter().int8(1).int32(1).string('logs').int32(1).int32(0).int16(0)
  for (let i = 0; i < 6; i++) w.int32(0)
  return Buffer.from(w.int32(0).bytes())
}

/** Values in a response: each takes at least a byte, so their number is bounded by its size. */
function values(read: unknown): number {
  if (read === null || typeof read !== 'object' || read instanceof Buffer) return 1
  return Object.values(read).reduce<number>((n, each) => n + values(each), 1)
}

export const kafka: Target = {
  name: 'kafka',
  maxBytes: 10_000,
  dictionary: ['\x7f\xff\xff\xff', '\xff\xff\xff\xff', '\x80\0\0\0', '\0\x01\0\0', '\x7f\xff'],
  seeds: () => [
    metadata([0, 1, 2]),
    metadata([2 ** 31 - 1]),
    metadata([0, 0]),
    produce(),
    Buffer.from(new WireWriter().int8(2).int16(0).int32(1).int16(0).int16(0).int16(9).bytes()),
    Buffer.from(new WireWriter().int8(3).int16(33).int32(1).string('PLAIN').bytes()),
    Buffer.from(
      new WireWriter().int8(4).int16(0).string('').data(Buffer.from('v=x')).int32(0).int32(5).bytes(),
    ),
    Buffer.from(new WireWriter().int8(5).int32(0).int16(0).int32(0).int32(7).int16(1).bytes()),
  ],
  run(input) {
    const which = (input[0] ?? 0) % READERS.length
    const body = input.subarray(1)
    try {
      const read = (READERS[which] as (body: Buffer) => unknown)(body)
      must(values(read) <= 10 * (body.length + 10), 'more values than bytes')
      return `${which} ${size(values(read))}`
    } catch (error) {
      must(error instanceof Error && !(error instanceof TypeError), () => `${error}`)
      return `${which} ${kindOf(error)}`
    }
  },
}

const MAX_RESPONSE_BYTES = 5000

/** Responses of the stream up to one of an impossible size. */
function responses(cut: readonly Buffer[]): string[] {
  const buffer = new ResponseBuffer()
  const found: string[] = []
  for (const piece of cut) {
    buffer.push(piece)
    for (;;) {
      const { size: bytes } = buffer
      if (bytes === undefined) break
      if (bytes < 4 || bytes > MAX_RESPONSE_BYTES) return [...found, 'size']
      const response = buffer.take(bytes)
      if (response === undefined) break
      must(response.length === bytes, 'a response has another size')
      found.push(response.toString('base64'))
    }
  }
  return found
}

export const kafkaStream: Target = {
  name: 'kafka-stream',
  maxBytes: 20_000,
  dictionary: ['\0\0\0\x04', '\0\0\x10\0', '\x7f\xff\xff\xff', '\xff\xff\xff\xff'],
  seeds: () => [
    Buffer.from('0000000400000001000000080000000200000000', 'hex'),
    Buffer.alloc(4004, 1).fill('00000fa0', 0, 4, 'hex'),
  ],
  run(input) {
    const whole = responses([Buffer.from(input)])
    must(whole.join() === responses(pieces(input)).join(), 'other responses in pieces than as a whole')
    return `${size(whole.length)} ${whole.at(-1) === 'size'}`
  },
}

const NONCE = 'fyko+d2lbbFgONRv9qkxdawL'
const ITERATIONS = /i=(\d*)/
/** More iterations take long, and are not what is looked for. */
const MAX_TRIED_ITERATIONS = 9999

export const scram: Target = {
  name: 'kafka-scram',
  maxMs: 3000,
  maxBytes: 2000,
  dictionary: [NONCE, 'r=', 's=', 'i=', 'v=', ',', '4096', '=', 'e=other-error'],
  seeds: () => [
    `r=${NONCE}3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096\nv=6rriTRBi23WpRR`,
    'e=invalid-proof',
    `r=${NONCE},s=,i=1e9`,
  ],
  async run(input) {
    const random = new Random(seedOf(input))
    const [first = '', last = ''] = input.toString().split('\n')
    const count = Number(ITERATIONS.exec(first)?.[1] ?? 0)
    if (count >= MAX_TRIED_ITERATIONS && count <= 1_000_000) return 'many iterations'
    const client = new ScramClient(random.pick(['sha256', 'sha512'] as const), 'user', 'pencil', NONCE)
    client.first()
    try {
      await client.final(Buffer.from(first))
      client.verify(Buffer.from(last))
    } catch (error) {
      must(error instanceof Error && !(error instanceof TypeError), () => `${error}`)
      return kindOf(error)
    }
    // Nobody without the password can know the signature, which depends on a nonce that is sent.
    must(false, 'a server without the password was accepted')
  },
}

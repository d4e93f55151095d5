import { randomBytes } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import type { Chunk } from '../../../core/chunk.ts'
import type { GelfText } from '../../../lib/gelf/gelf-text.ts'
import { JsonText } from '../../../lib/json/msgpack-to-json.ts'
import type { DatagramBatch } from '../../../lib/net/datagram-batch.ts'
import type { SocketEncoder } from '../../../lib/net/socket-output.ts'
import { Entry } from '../../../lib/records/entry.ts'
import { countText } from '../../../lib/text/duration.ts'

const MAGIC = Buffer.of(0x1e, 0x0f)
const ID_BYTES = 8
const MAX_PARTS = 128
/** Fast, and nearly as small for texts of this size. */
const LEVEL = 1

/**
 * Frames messages of GELF. Over a connection each ends with NUL. A datagram is a message, with gzip or without; one that is larger than
 * the packet size is several datagrams:
 *
 * ```
 *   part = 0x1e 0x0f id(8) number(1) count(1) bytes
 * ```
 */
export class GelfMessages implements SocketEncoder {
  readonly #gelf: GelfText
  readonly #packetSize: number
  readonly #compress: boolean
  readonly #entry = new Entry()
  readonly #message = new JsonText()
  /** Different for all messages of all agents, as the peer joins parts by it: random, and counted up. */
  readonly #id = randomBytes(ID_BYTES)

  constructor(gelf: GelfText, packetSize: number, compress: boolean) {
    this.#gelf = gelf
    this.#packetSize = packetSize
    this.#compress = compress
  }

  stream(text: JsonText, chunk: Chunk): void {
    const entry = this.#entry
    for (let at = chunk.start; at < chunk.end; at = entry.end) {
      entry.read(chunk, at)
      this.#gelf.write(text, chunk.buf, entry, chunk.tag)
      text.byte(0)
    }
  }

  datagrams(batch: DatagramBatch, chunk: Chunk): void {
    const entry = this.#entry
    const message = this.#message
    for (let at = chunk.start; at < chunk.end; at = entry.end) {
      entry.read(chunk, at)
      message.reset()
      this.#gelf.write(message, chunk.buf, entry, chunk.tag)
      const bytes = this.#compress ? gzipSync(message.bytes(), { level: LEVEL }) : message.bytes()
      this.#addParts(batch, bytes, at - chunk.start, entry.end - chunk.start)
    }
  }

  #addParts(batch: DatagramBatch, bytes: Buffer, entry: number, entryEnd: number): void {
    const { text } = batch
    const size = this.#packetSize
    const parts = Math.ceil(bytes.length / size)
    if (parts > MAX_PARTS) {
      const reason = `the message has ${countText(bytes.length)} bytes, and GELF allows ${MAX_PARTS} datagrams of Packet_Size ${size}`
      batch.refuse(entry, entryEnd, reason)
      return
    }
    if (parts > 1) this.#id.writeUInt32LE((this.#id.readUInt32LE(0) + 1) >>> 0, 0)
    for (let i = 0; i < parts; i++) {
      if (parts > 1) {
        text.copy(MAGIC, 0, MAGIC.length)
        text.copy(this.#id, 0, ID_BYTES)
        text.byte(i)
        text.byte(parts)
      }
      text.copy(bytes, i * size, Math.min(bytes.length, (i + 1) * size))
      batch.end(entry, entryEnd)
    }
  }
}

import { type RecordAccessor, textHead, textLength } from '../../../../core/msgpack/record.ts'
import type { Entry } from '../../../../lib/records/entry.ts'
import { NO_HEADERS } from '../../../../protocol/kafka/batch.ts'
import { writeVarint } from '../../../../protocol/kafka/varint.ts'
import type { KafkaOptions } from '../options.ts'
import { accessorOf } from './accessor.ts'
import { writeDecimal } from './timestamp.ts'

const FILE = Buffer.from('file')
const FILE_ID = Buffer.from('file_id')
const OFFSET = Buffer.from('offset')
/** A path is no longer (PATH_MAX); of a longer value the end is left out. */
const FILE_MAX = 4096
const ID_MAX = 256
const DIGITS_MAX = 16

/** The headers of a record; after `set` they are the first `length` bytes of `buf`. */
export class Headers {
  buf: Buffer = NO_HEADERS
  length = 1
  readonly #file: RecordAccessor | undefined
  readonly #id: RecordAccessor | undefined
  readonly #offset: RecordAccessor | undefined
  /** Where the headers of the record itself begin, behind the agent's. */
  readonly #own: number = 0
  #count = 0
  readonly #incomplete: () => void

  /** No record has any. */
  get none(): boolean {
    return this.buf === NO_HEADERS
  }

  /** `incomplete` is called for each record that lacks one of the fields. */
  constructor(o: KafkaOptions, agentId: string, incomplete: () => void) {
    this.#incomplete = incomplete
    if (!o.positionHeaders) return
    this.#file = accessorOf('position_file_key', o.positionFileKey)
    this.#id = accessorOf('position_id_key', o.positionIdKey)
    this.#offset = accessorOf('position_offset_key', o.positionOffsetKey)
    const agent = Buffer.from(agentId)
    this.buf = Buffer.alloc(FILE_MAX + ID_MAX + agent.length + 128)
    this.#own = this.#pair(1, Buffer.from('agent'), agent, 0, agent.length)
  }

  set(src: Buffer, { map, end }: Entry): void {
    if (this.#file === undefined || this.#id === undefined || this.#offset === undefined) return
    this.#count = 1
    let at = this.#text(this.#own, FILE, src, this.#file.find(src, map, end), FILE_MAX)
    at = this.#text(at, FILE_ID, src, this.#id.find(src, map, end), ID_MAX)
    const offset = numberAt(src, this.#offset.find(src, map, end))
    if (offset >= 0) at = this.#pair(at, OFFSET, DIGITS, 0, writeDecimal(DIGITS, 0, offset))
    // Of all that there may be.
    if (this.#count < 4) this.#incomplete()
    writeVarint(this.buf, 0, this.#count)
    this.length = at
  }

  #text(at: number, key: Buffer, src: Buffer, value: number, most: number): number {
    const head = value < 0 ? -1 : textHead(src, value)
    return head < 0 ? at : this.#pair(at, key, src, value + head, Math.min(textLength(src, value), most))
  }

  #pair(from: number, key: Buffer, src: Buffer, start: number, length: number): number {
    this.#count++
    let at = writeVarint(this.buf, from, key.length)
    at += key.copy(this.buf, at)
    at = writeVarint(this.buf, at, length)
    return at + src.copy(this.buf, at, start, start + length)
  }
}

const DIGITS = Buffer.alloc(DIGITS_MAX)

/** A whole number of MessagePack that is not negative, or -1. */
function numberAt(buf: Buffer, at: number): number {
  if (at < 0) return -1
  const t = buf[at] as number
  if (t < 0x80) return t
  if (t === 0xcc) return buf.readUInt8(at + 1)
  if (t === 0xcd) return buf.readUInt16BE(at + 1)
  if (t === 0xce) return buf.readUInt32BE(at + 1)
  if (t === 0xcf) return buf.readUInt32BE(at + 1) * 2 ** 32 + buf.readUInt32BE(at + 5)
  return -1
}

import { textHead, textLength } from '../../../../core/msgpack/record.ts'
import { RecordAccessor } from '../../../../lib/records/accessor.ts'
import type { Entry } from '../../../../lib/records/entry.ts'
import { NO_HEADERS } from '../../../../protocol/kafka/batch.ts'
import { writeVarint } from '../../../../protocol/kafka/varint.ts'
import type { KafkaOptions } from '../options.ts'
import { writeDecimal } from './timestamp.ts'

const FILE = Buffer.from('file')
const FILE_ID = Buffer.from('file_id')
const OFFSET = Buffer.from('offset')
/** Maximum length of the `file` header (PATH_MAX); longer values are truncated. */
const MAX_FILE_BYTES = 4096
const MAX_ID_BYTES = 256
const MAX_DIGITS = 16

/** Encodes the headers of a record; after `set` they are the first `length` bytes of `buf`. */
export class Headers {
  buf: Buffer = NO_HEADERS
  length = 1
  readonly #file: RecordAccessor | undefined
  readonly #id: RecordAccessor | undefined
  readonly #offset: RecordAccessor | undefined
  /** Offset after the `agent` header, where the headers of each record begin. */
  readonly #recordStart: number = 0
  #count = 0
  readonly #onIncomplete: () => void

  /** True when no record has headers. */
  get isEmpty(): boolean {
    return this.buf === NO_HEADERS
  }

  /** Calls `onIncomplete` for each record that lacks one of the fields. */
  constructor(options: KafkaOptions, agentId: string, onIncomplete: () => void) {
    this.#onIncomplete = onIncomplete
    if (!options.positionHeaders) return
    this.#file = RecordAccessor.parse(options.positionFileKey, 'position_file_key')
    this.#id = RecordAccessor.parse(options.positionIdKey, 'position_id_key')
    this.#offset = RecordAccessor.parse(options.positionOffsetKey, 'position_offset_key')
    const agent = Buffer.from(agentId)
    this.buf = Buffer.alloc(MAX_FILE_BYTES + MAX_ID_BYTES + agent.length + 128)
    this.#recordStart = this.#writeHeader(1, Buffer.from('agent'), agent, 0, agent.length)
  }

  set(src: Buffer, { map, end }: Entry): void {
    if (this.#file === undefined || this.#id === undefined || this.#offset === undefined) return
    this.#count = 1
    let at = this.#writeTextHeader(
      this.#recordStart,
      FILE,
      src,
      this.#file.find(src, map, end),
      MAX_FILE_BYTES,
    )
    at = this.#writeTextHeader(at, FILE_ID, src, this.#id.find(src, map, end), MAX_ID_BYTES)
    const offset = readUint(src, this.#offset.find(src, map, end))
    if (offset >= 0) at = this.#writeHeader(at, OFFSET, DIGITS, 0, writeDecimal(DIGITS, 0, offset))
    // A complete record has agent, file, file_id and offset.
    if (this.#count < 4) this.#onIncomplete()
    writeVarint(this.buf, 0, this.#count)
    this.length = at
  }

  #writeTextHeader(at: number, key: Buffer, src: Buffer, value: number, most: number): number {
    const head = value < 0 ? -1 : textHead(src, value)
    return head < 0
      ? at
      : this.#writeHeader(at, key, src, value + head, Math.min(textLength(src, value), most))
  }

  #writeHeader(from: number, key: Buffer, src: Buffer, start: number, length: number): number {
    this.#count++
    let at = writeVarint(this.buf, from, key.length)
    at += key.copy(this.buf, at)
    at = writeVarint(this.buf, at, length)
    return at + src.copy(this.buf, at, start, start + length)
  }
}

const DIGITS = Buffer.alloc(MAX_DIGITS)

/** Returns the unsigned integer of MessagePack at `at`, or -1 for any other value. */
function readUint(buf: Buffer, at: number): number {
  if (at < 0) return -1
  const t = buf[at] as number
  if (t < 0x80) return t
  if (t === 0xcc) return buf.readUInt8(at + 1)
  if (t === 0xcd) return buf.readUInt16BE(at + 1)
  if (t === 0xce) return buf.readUInt32BE(at + 1)
  if (t === 0xcf) return buf.readUInt32BE(at + 1) * 2 ** 32 + buf.readUInt32BE(at + 5)
  return -1
}

import { type Accessor, textHead, textLength } from '../../../core/record.ts'
import { NO_HEADERS } from '../../../protocol/kafka/batch.ts'
import { writeVarint } from '../../../protocol/kafka/varint.ts'
import { accessorOf } from './accessor.ts'
import type { Entry } from './entry.ts'
import type { KafkaOptions } from './options.ts'
import { writeDecimal } from './time-text.ts'

const FILE = Buffer.from('file')
const OFFSET = Buffer.from('offset')
/** A path is no longer (PATH_MAX); of a longer value the end is left out. */
const FILE_MAX = 4096
const DIGITS_MAX = 16

/** The headers of a record; after `set` they are the first `length` bytes of `buf`. */
export class Headers {
  buf: Buffer = NO_HEADERS
  length = 1
  readonly #file: Accessor | undefined
  readonly #offset: Accessor | undefined
  /** Where the headers of the record itself begin, behind the agent's. */
  readonly #own: number = 0

  /** No record has any. */
  get none(): boolean {
    return this.buf === NO_HEADERS
  }

  constructor(o: KafkaOptions, agentId: string) {
    if (!o.positionHeaders) return
    this.#file = accessorOf('position_file_key', o.positionFileKey)
    this.#offset = accessorOf('position_offset_key', o.positionOffsetKey)
    const agent = Buffer.from(agentId)
    this.buf = Buffer.alloc(FILE_MAX + agent.length + 128)
    this.#own = this.#pair(1, Buffer.from('agent'), agent, 0, agent.length)
  }

  set(src: Buffer, { map, end }: Entry): void {
    if (this.#file === undefined || this.#offset === undefined) return
    let [count, at] = [1, this.#own]
    const file = this.#file.find(src, map, end)
    const head = file < 0 ? -1 : textHead(src, file)
    if (head > 0) {
      count++
      at = this.#pair(at, FILE, src, file + head, Math.min(textLength(src, file), FILE_MAX))
    }
    const offset = numberAt(src, this.#offset.find(src, map, end))
    if (offset >= 0) {
      count++
      const digits = DIGITS
      at = this.#pair(at, OFFSET, digits, 0, writeDecimal(digits, 0, offset))
    }
    writeVarint(this.buf, 0, count)
    this.length = at
  }

  #pair(from: number, key: Buffer, src: Buffer, start: number, length: number): number {
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

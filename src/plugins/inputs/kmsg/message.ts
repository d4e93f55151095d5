import {
  ENTRY_HEAD,
  encodeStr,
  writeEntryHead,
  writeNumber,
  writeStrHead,
} from '../../../core/msgpack/encode.ts'

/**
 * A message as /dev/kmsg has it, one in each read:
 *
 * ```
 *   message = PRIORITY "," SEQUENCE "," MICROSECONDS *("," FIELD) ";" TEXT LF *(" " KEY "=" VALUE LF)
 * ```
 * PRIORITY is facility * 8 + level; bytes of TEXT that cannot be printed are escaped as `\xNN` by the kernel. What follows TEXT
 * describes the device that the message is about.
 */
export class Message {
  /** Level, 0 to 7. */
  priority = 0
  sequence = 0
  /** Microseconds since the start of the machine. */
  stampUs = 0
  /** Position of TEXT in the buffer, and of the end without the last newline. */
  #from = 0
  #to = 0
  #src: Buffer = Buffer.alloc(0)
  #at = 0
  #end = 0

  /** Reads the message in src[0, end); returns false when it is none. */
  parse(src: Buffer, end: number): boolean {
    this.#src = src
    this.#at = 0
    this.#end = end
    const priority = this.#number()
    const sequence = this.#number()
    const stampUs = this.#number()
    const semicolon = src.indexOf(SEMICOLON, this.#at)
    if (priority < 0 || sequence < 0 || stampUs < 0 || semicolon < 0 || semicolon >= end) return false
    this.priority = priority & LEVEL_MASK
    this.sequence = sequence
    this.stampUs = stampUs
    this.#from = semicolon + 1
    this.#to = end > this.#from && src[end - 1] === LF ? end - 1 : end
    return true
  }

  /** Writes the entry and returns its end; it takes at most `boundOf(end)` bytes. */
  write(out: Buffer, at: number, sec: number, nsec: number): number {
    const stampSec = Math.floor(this.stampUs / 1e6)
    let p = writeEntryHead(out, at, sec, nsec)
    out[p++] = 0x85
    p += PRIORITY.copy(out, p)
    out[p++] = this.priority
    p += SEQUENCE.copy(out, p)
    p = writeNumber(out, p, this.sequence)
    p += SEC.copy(out, p)
    p = writeNumber(out, p, stampSec)
    p += USEC.copy(out, p)
    p = writeNumber(out, p, this.stampUs - stampSec * 1e6)
    p += MSG.copy(out, p)
    p = writeStrHead(out, p, this.#to - this.#from)
    return p + this.#src.copy(out, p, this.#from, this.#to)
  }

  /** Reads digits up to a comma or semicolon, and past a comma; returns -1 when there are none. */
  #number(): number {
    let value = 0
    const start = this.#at
    for (; this.#at < this.#end; this.#at++) {
      const digit = (this.#src[this.#at] as number) - 0x30
      if (digit < 0 || digit > 9) break
      value = value * 10 + digit
    }
    if (this.#at === start || !Number.isSafeInteger(value)) return -1
    if (this.#src[this.#at] === COMMA) this.#at++
    return value
  }
}

const LF = 0x0a
const COMMA = 0x2c
const SEMICOLON = 0x3b
const LEVEL_MASK = 7
const PRIORITY = encodeStr('priority')
const SEQUENCE = encodeStr('sequence')
const SEC = encodeStr('sec')
const USEC = encodeStr('usec')
const MSG = encodeStr('msg')
/** Keys, numbers and heads of an entry. */
const MAX_FRAME_BYTES = ENTRY_HEAD + 80

/** Returns the maximum size of the entry of a message of this length. */
export function boundOf(length: number): number {
  return length + MAX_FRAME_BYTES
}

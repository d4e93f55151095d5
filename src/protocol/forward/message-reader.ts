import { skip } from '../../core/msgpack/encode.ts'
import { arrayBody, arrayItems, textHead, textLength } from '../../core/msgpack/record.ts'
import { entryMapAt, entryTimeAt, isMap, isPlainEntry } from './event-time.ts'
import { chunkIdAt, compressionOf } from './option.ts'
import { type Allocator, ReceiveBuffer } from './receive-buffer.ts'
import { Malformed, ValueScanner } from './value-scanner.ts'
import { notForward } from './wrong-protocol.ts'

/**
 * Options of a MessageReader, which reads what a peer sends, as it arrives:
 *
 * ```
 *   stream    (message | nil)*                          nil: a heartbeat
 *   message   [tag, payload, option?]                   PackedForward, CompressedPackedForward
 *           | [tag, [entry*], option?]                  Forward
 *           | [tag, time, map, option?]                 Message
 *   payload   bin | str: entry*, or compressed with gzip or zstd, recognized by its first bytes
 *   entry     [time, map]
 *   option    map | nil; the key "chunk" requests an ack
 * ```
 * Entries are returned as they arrive. A message is never kept in memory as a whole, only the value that is being read and a
 * compressed payload. The entries of a message that breaks off have therefore been returned already, and arrive again when the
 * message is sent again.
 */
interface ReaderOptions extends Allocator {
  /** Limit in bytes for a payload as sent, for an entry, and for the values of one Message. */
  maxBytes: number
}

/**
 * begin: `tag` and `hasOptions` are known · entries: buf[start, end) has `count` entries, each `92 d7 00 <time> <map>` · entry: one
 * entry in another form, with its `time` and its `map` up to `end` · compressed: buf[start, end) is the payload · end: the message
 * is complete, buf[chunk, chunkEnd) is the id to acknowledge · more: nothing until the next `push`.
 */
export type MessageStep = 'begin' | 'entries' | 'entry' | 'compressed' | 'end' | 'more'

type State =
  | 'top'
  | 'tag'
  | 'body'
  | 'sniff'
  | 'packed'
  | 'compressed'
  | 'forward'
  | 'time'
  | 'map'
  | 'option'

/** What has no time and record cannot be kept, and an acknowledgement would lose it: the peer has to keep it. */
const NOT_AN_ENTRY = 'an entry that is not [time, record]'
const MAX_TAG_BYTES = 1024
const MAX_OPTION_BYTES = 65_536
/** Size of the entries returned together: small enough to fit into a chunk that is partly filled. */
const MAX_RUN_BYTES = 4096

export class MessageReader {
  tag = ''
  start = 0
  end = 0
  count = 0
  time = 0
  map = 0
  /** True when options follow the records: they may request an acknowledgement. */
  hasOptions = false
  /** Offset of the value of "chunk" as it was sent, to be sent back; -1 without one. */
  chunk = -1
  chunkEnd = -1
  /** Encoded `tag`: a peer that sends many messages usually sends the same one. */
  #tagBytes: Buffer = Buffer.alloc(0)
  readonly #maxBytes: number
  readonly #in: ReceiveBuffer
  readonly #scanner: ValueScanner
  #state: State = 'top'
  #items = 0
  /** Rest of the payload in bytes, or of a Forward message in entries. */
  #left = 0
  #timeBytes = 0

  constructor(options: ReaderOptions) {
    this.#maxBytes = options.maxBytes
    this.#in = new ReceiveBuffer(options)
    this.#scanner = new ValueScanner(options.maxBytes)
  }

  /** Returns a reader for the entries of a payload that is decompressed piece by piece: steps entries, entry and end. */
  static ofEntries(options: ReaderOptions): MessageReader {
    const reader = new MessageReader(options)
    reader.#left = Number.POSITIVE_INFINITY
    reader.#state = 'packed'
    return reader
  }

  get buf(): Buffer {
    return this.#in.buf
  }

  /** True inside a message: the end of the stream here cuts a message off. */
  get isInsideMessage(): boolean {
    return this.#state !== 'top' || this.#in.from < this.#in.to
  }

  /** Copies the bytes in; false when there is no memory for them now, and nothing was copied. */
  push(data: Buffer): boolean {
    return this.#in.push(data)
  }

  /** As `push`, of at least `bytes` bytes that `write` puts into buf[start, end): it returns their number. */
  fill(bytes: number, write: (buf: Buffer, start: number, end: number) => number): boolean {
    if (!this.#in.makeRoom(bytes)) return false
    this.#in.to += write(this.#in.buf, this.#in.to, this.#in.buf.length)
    return true
  }

  /** Ends the payload of `ofEntries` with the bytes so far. */
  finish(): void {
    this.#left = this.#in.to - this.#in.from
  }

  /** Releases the buffer; only when nothing in it is needed. */
  release(): void {
    this.#in.release()
  }

  /** Returns the next step; its fields are valid until the next call of `next` or `push`. Throws `Malformed`. */
  next(): MessageStep {
    for (;;) {
      const step = this.#step()
      if (step === undefined) continue
      if (step === 'more') this.#in.releaseIfEmpty()
      return step
    }
  }

  /** Returns undefined when only the state has changed. */
  #step(): MessageStep | undefined {
    switch (this.#state) {
      case 'top':
        return this.#top()
      case 'tag':
        return this.#readTag()
      case 'body':
        return this.#body()
      case 'sniff':
        return this.#sniff()
      case 'compressed':
        return this.#compressed()
      case 'packed':
      case 'forward':
        return this.#left === 0 ? this.#goTo('option') : this.#entries()
      case 'time':
        return this.#readTime()
      case 'map':
        return this.#readMap()
      case 'option':
        return this.#option()
    }
  }

  #goTo(state: State): undefined {
    this.#state = state
  }

  #top(): MessageStep | undefined {
    if (this.#in.from === this.#in.to) return 'more'
    const t = this.buf[this.#in.from] as number
    if (t === 0xc0) {
      this.#in.from++
      return undefined
    }
    if (t === 0xdc && this.#in.to - this.#in.from < 3) return 'more'
    const items = t === 0xdd ? -1 : arrayItems(this.buf, this.#in.from)
    if (items < 2 || items > 4) throw notForward(t)
    this.#in.from = arrayBody(this.buf, this.#in.from)
    this.#items = items
    this.chunk = -1
    return this.#goTo('tag')
  }

  #readTag(): MessageStep | undefined {
    if (this.#in.from === this.#in.to) return 'more'
    const t = this.buf[this.#in.from] as number
    if (textHead(this.buf, this.#in.from) < 0)
      throw new Malformed(`the byte 0x${t.toString(16)} where a tag begins`)
    const start = this.#in.from + textHead(this.buf, this.#in.from)
    const end = this.#scanner.scan(this.buf, this.#in.from, this.#in.to)
    if ((end < 0 ? this.#in.to : end) - start > MAX_TAG_BYTES)
      throw new Malformed(`a tag of more than ${MAX_TAG_BYTES} bytes`)
    if (end < 0) return 'more'
    if (this.#tagBytes.compare(this.buf, start, end) !== 0) {
      this.#tagBytes = Buffer.from(this.buf.subarray(start, end))
      this.tag = this.buf.toString('utf8', start, end)
    }
    this.#in.from = end
    return this.#goTo('body')
  }

  /** Determines the form of the message from the head of the value after the tag. */
  #body(): MessageStep | undefined {
    const { buf } = this
    const at = this.#in.from
    if (at === this.#in.to) return 'more'
    const head = textHead(buf, at)
    if (head > 0) {
      if (at + head > this.#in.to) return 'more'
      this.#left = textLength(buf, at)
      if (this.#left > this.#maxBytes)
        throw new Malformed(`a payload of ${this.#left} bytes, the limit is ${this.#maxBytes}`)
      this.#in.from = at + head
      return this.#begin('sniff', 2)
    }
    const t = buf[at] as number
    const isArray = (t >= 0x90 && t <= 0x9f) || t === 0xdc || t === 0xdd
    if (!isArray) return this.#begin('time', 3)
    const body = arrayBody(buf, at)
    if (body > this.#in.to) return 'more'
    const items = arrayItems(buf, at)
    if (items > 0 && body === this.#in.to) return 'more'
    // `[tag, [time, metadata], map]`: the array of a Forward holds arrays.
    if (items === 2 && this.#items > 2 && arrayItems(buf, body) < 0) return this.#begin('time', 3)
    this.#left = items
    this.#in.from = body
    return this.#begin('forward', 2)
  }

  /** Begins a message whose form has `parts` parts, and optionally the options. */
  #begin(state: State, parts: number): MessageStep {
    const options = this.#items - parts
    if (options !== 0 && options !== 1) throw new Malformed(`a message of ${this.#items} parts`)
    this.hasOptions = options === 1
    this.#goTo(state)
    return 'begin'
  }

  #sniff(): MessageStep | undefined {
    const seen = Math.min(4, this.#left)
    if (this.#in.to - this.#in.from < seen) return 'more'
    return this.#goTo(
      seen === 4 && compressionOf(this.buf, this.#in.from) !== undefined ? 'compressed' : 'packed',
    )
  }

  #compressed(): MessageStep | undefined {
    if (this.#in.to - this.#in.from < this.#left) return 'more'
    this.start = this.#in.from
    this.end = this.#in.from + this.#left
    this.#in.from = this.end
    this.#goTo('option')
    return 'compressed'
  }

  /** Returns all available entries in this program's form, or one entry in another form. */
  #entries(): MessageStep {
    const packed = this.#state === 'packed'
    const stop = packed ? Math.min(this.#in.to, this.#in.from + this.#left) : this.#in.to
    const start = this.#in.from
    let at = start
    let count = 0
    while (at - start < MAX_RUN_BYTES && (packed ? at < start + this.#left : count < this.#left)) {
      const end = this.#scanner.scan(this.buf, at, stop)
      if (end < 0) {
        if (packed && stop === start + this.#left) throw new Malformed('a payload that ends within an entry')
        break
      }
      if (!isPlainEntry(this.buf, at)) {
        if (count === 0) return this.#otherEntry(at, end)
        break
      }
      at = end
      count++
    }
    if (count === 0) return 'more'
    this.start = start
    this.end = at
    this.count = count
    this.#left -= packed ? at - start : count
    this.#in.from = at
    return 'entries'
  }

  #otherEntry(at: number, end: number): MessageStep {
    this.time = entryTimeAt(this.buf, at)
    const map = this.time < 0 ? -1 : entryMapAt(this.buf, this.time, end)
    if (map < 0) throw new Malformed(NOT_AN_ENTRY)
    this.map = map
    this.start = at
    this.end = skip(this.buf, map, end)
    this.#left -= this.#state === 'packed' ? end - at : 1
    this.#in.from = end
    return 'entry'
  }

  #readTime(): MessageStep | undefined {
    const end = this.#scanner.scan(this.buf, this.#in.from, this.#in.to)
    if (end < 0) return 'more'
    this.#timeBytes = end - this.#in.from
    return this.#goTo('map')
  }

  #readMap(): MessageStep | undefined {
    const map = this.#in.from + this.#timeBytes
    const end = this.#scanner.scan(this.buf, map, this.#in.to)
    if (end < 0) return 'more'
    this.start = this.time = this.#in.from
    if (!isMap(this.buf[map] as number)) throw new Malformed(NOT_AN_ENTRY)
    this.map = map
    this.end = end
    this.#in.from = end
    this.#goTo('option')
    return 'entry'
  }

  #option(): MessageStep | undefined {
    if (this.hasOptions) {
      const end = this.#scanner.scan(this.buf, this.#in.from, this.#in.to)
      if ((end < 0 ? this.#in.to : end) - this.#in.from > MAX_OPTION_BYTES)
        throw new Malformed(`options of more than ${MAX_OPTION_BYTES} bytes`)
      if (end < 0) return 'more'
      this.chunk = chunkIdAt(this.buf, this.#in.from, end)
      if (this.chunk >= 0) this.chunkEnd = skip(this.buf, this.chunk, end)
      this.#in.from = end
    }
    this.#goTo('top')
    return 'end'
  }
}

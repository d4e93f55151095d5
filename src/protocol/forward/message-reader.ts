import { arrayBody, arrayItems, textHead, textLength } from '../../core/msgpack/record.ts'
import { entryBody, entryTime, isMap, isReady } from './event-time.ts'
import { chunkIdOf, compressionOf } from './option.ts'
import { type Allocator, ReceiveBuffer } from './receive-buffer.ts'
import { Malformed, ValueScanner } from './value-scanner.ts'
import { notForward } from './wrong-protocol.ts'

/**
 * What a peer sends, as it comes:
 *
 * ```
 *   stream    (message | nil)*                          nil: a heartbeat
 *   message   [tag, payload, option?]                   PackedForward, CompressedPackedForward
 *           | [tag, [entry*], option?]                  Forward
 *           | [tag, time, map, option?]                 Message
 *   payload   bin | str: entry*, or its gzip or zstd form, known by its first bytes
 *   entry     [time, map]
 *   option    map | nil; "chunk" in it asks for an ack
 * ```
 * Entries are given out as they arrive: a message is never held as a whole, only the value that is being read and a
 * compressed payload. So the entries of a message that breaks off have been given out, and come again when it is sent again.
 */
interface ReaderOptions extends Allocator {
  /** Most bytes of a payload as sent, of an entry, of the values of one Message. */
  maxBytes: number
}

/**
 * begin: `tag` and `mayAsk` are known · entries: buf[start, end) are `count` of them, each `92 d7 00 <time> <map>` · entry: one in
 * another form, with its `time` and its `map` up to `end` (`map` -1: it is none) · compressed: buf[start, end) is the
 * payload · end: the message is whole, `chunk` is what to acknowledge · more: there is nothing until the next `push`.
 */
export type Step = 'begin' | 'entries' | 'entry' | 'compressed' | 'end' | 'more'

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

const MAX_TAG_BYTES = 1024
const MAX_OPTION_BYTES = 65_536
/** Entries that are given out together: few enough to fit behind others in a chunk. */
const RUN_BYTES = 4096

export class MessageReader {
  tag = ''
  start = 0
  end = 0
  count = 0
  time = 0
  map = 0
  /** Options come behind the records: an acknowledgement may be asked for. */
  mayAsk = false
  /** The value of "chunk" as it was sent, to be sent back: a copy. */
  chunk: Buffer | undefined
  readonly #maxBytes: number
  readonly #in: ReceiveBuffer
  readonly #scanner: ValueScanner
  #state: State = 'top'
  #items = 0
  /** Of a payload: bytes to come; of Forward: entries. */
  #left = 0
  #timeBytes = 0

  constructor(options: ReaderOptions) {
    this.#maxBytes = options.maxBytes
    this.#in = new ReceiveBuffer(options)
    this.#scanner = new ValueScanner(options.maxBytes)
  }

  /** The entries of a payload that was decompressed: steps entries, entry and end. */
  static ofEntries(bytes: Buffer, maxBytes: number): MessageReader {
    const reader = new MessageReader({ maxBytes, take: () => undefined, give: () => {} })
    reader.#in.buf = bytes
    reader.#in.to = reader.#left = bytes.length
    reader.#state = 'packed'
    return reader
  }

  get buf(): Buffer {
    return this.#in.buf
  }

  /** Within a message: the end of the stream here is a message cut off. */
  get within(): boolean {
    return this.#state !== 'top' || this.#in.from < this.#in.to
  }

  /** Takes the bytes over; false: there is no room for them now, nothing was taken. */
  push(data: Buffer): boolean {
    return this.#in.push(data)
  }

  /** Gives the buffer back; only when nothing in it is needed. */
  release(): void {
    this.#in.release()
  }

  /** The next step; what it says is valid until the next call of `next` or `push`. Throws `Malformed`. */
  next(): Step {
    for (;;) {
      const step = this.#step()
      if (step === undefined) continue
      if (step === 'more') this.#in.releaseIfEmpty()
      return step
    }
  }

  /** Undefined: the state changed, go on. */
  #step(): Step | undefined {
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

  #top(): Step | undefined {
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
    this.chunk = undefined
    return this.#goTo('tag')
  }

  #readTag(): Step | undefined {
    if (this.#in.from === this.#in.to) return 'more'
    const t = this.buf[this.#in.from] as number
    if (textHead(this.buf, this.#in.from) < 0)
      throw new Malformed(`the byte 0x${t.toString(16)} where a tag begins`)
    const start = this.#in.from + textHead(this.buf, this.#in.from)
    const end = this.#scanner.scan(this.buf, this.#in.from, this.#in.to)
    if ((end < 0 ? this.#in.to : end) - start > MAX_TAG_BYTES)
      throw new Malformed(`a tag of more than ${MAX_TAG_BYTES} bytes`)
    if (end < 0) return 'more'
    this.tag = this.buf.toString('utf8', start, end)
    this.#in.from = end
    return this.#goTo('body')
  }

  /** The head of what follows the tag says the form of the message. */
  #body(): Step | undefined {
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

  /** A message of this form has so many parts, or one more, the options. */
  #begin(state: State, parts: number): Step {
    const options = this.#items - parts
    if (options !== 0 && options !== 1) throw new Malformed(`a message of ${this.#items} parts`)
    this.mayAsk = options === 1
    this.#goTo(state)
    return 'begin'
  }

  #sniff(): Step | undefined {
    const seen = Math.min(4, this.#left)
    if (this.#in.to - this.#in.from < seen) return 'more'
    return this.#goTo(
      seen === 4 && compressionOf(this.buf, this.#in.from) !== undefined ? 'compressed' : 'packed',
    )
  }

  #compressed(): Step | undefined {
    if (this.#in.to - this.#in.from < this.#left) return 'more'
    this.start = this.#in.from
    this.end = this.#in.from + this.#left
    this.#in.from = this.end
    this.#goTo('option')
    return 'compressed'
  }

  /** As many entries in our own form as are there, or one in another. */
  #entries(): Step {
    const packed = this.#state === 'packed'
    const stop = packed ? Math.min(this.#in.to, this.#in.from + this.#left) : this.#in.to
    const start = this.#in.from
    let at = start
    let count = 0
    while (at - start < RUN_BYTES && (packed ? at < start + this.#left : count < this.#left)) {
      const end = this.#scanner.scan(this.buf, at, stop)
      if (end < 0) {
        if (packed && stop === start + this.#left) throw new Malformed('a payload that ends within an entry')
        break
      }
      if (!isReady(this.buf, at)) {
        if (count === 0) return this.#other(at, end)
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

  #other(at: number, end: number): Step {
    this.time = entryTime(this.buf, at)
    this.map = this.time < 0 ? -1 : entryBody(this.buf, this.time, end)
    this.start = at
    this.end = end
    this.#left -= this.#state === 'packed' ? end - at : 1
    this.#in.from = end
    return 'entry'
  }

  #readTime(): Step | undefined {
    const end = this.#scanner.scan(this.buf, this.#in.from, this.#in.to)
    if (end < 0) return 'more'
    this.#timeBytes = end - this.#in.from
    return this.#goTo('map')
  }

  #readMap(): Step | undefined {
    const map = this.#in.from + this.#timeBytes
    const end = this.#scanner.scan(this.buf, map, this.#in.to)
    if (end < 0) return 'more'
    this.start = this.time = this.#in.from
    this.map = isMap(this.buf[map] as number) ? map : -1
    this.end = end
    this.#in.from = end
    this.#goTo('option')
    return 'entry'
  }

  #option(): Step | undefined {
    if (this.mayAsk) {
      const end = this.#scanner.scan(this.buf, this.#in.from, this.#in.to)
      if ((end < 0 ? this.#in.to : end) - this.#in.from > MAX_OPTION_BYTES)
        throw new Malformed(`options of more than ${MAX_OPTION_BYTES} bytes`)
      if (end < 0) return 'more'
      this.chunk = chunkIdOf(this.buf, this.#in.from, end)
      this.#in.from = end
    }
    this.#goTo('top')
    return 'end'
  }
}

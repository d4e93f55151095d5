import type { InflateRaw } from 'node:zlib'
import { peek } from './fingerprint.ts'

/**
 * A .gz as in RFC 1952. Anything after the last member that is not another member is ignored, as gzip does.
 *
 * ```
 *   file   = *member *%x00 [garbage]
 *   member = header deflated crc32 size      ; the last two have 4 bytes each, little-endian
 *   header = %x1F %x8B %x08 flags 6OCTET [length extra] [name %x00] [comment %x00] [crc16]
 * ```
 */
const MAGIC = [0x1f, 0x8b]
const DEFLATE = 8
const FIXED_HEADER_BYTES = 10
const TRAILER_BYTES = 8
const FLAG = { CRC16: 2, EXTRA: 4, NAME: 8, COMMENT: 16, RESERVED: 0xe0 }
/**
 * Longer headers are rejected: names have at most 4 KB, and after a wrong flag the header might never end.
 */
const MAX_HEADER_BYTES = 131_072

/** True when a member may begin with these bytes. A single byte is enough, as more may follow. */
function isGzipHead(head: Buffer): boolean {
  return head.every((byte, at) => at >= MAGIC.length || byte === MAGIC[at])
}

/**
 * True when an open file named .gz is not compressed. False for an empty one, which may still become
 * anything.
 */
export function isPlainContent(fd: number): boolean {
  const head = peek(fd, 0, 2) ?? peek(fd, 0, 1)
  return head !== undefined && !isGzipHead(head)
}

/** True when a member may begin at `position`. */
export function isMemberAt(fd: number, position: number): boolean {
  const head = peek(fd, position, 3)
  return head !== undefined && isGzipHead(head) && head[2] === 8
}

/** Returns the length of the header; undefined when more bytes are needed. Throws for an invalid header. */
function headerLength(head: Buffer): number | undefined {
  if (!isGzipHead(head)) throw new Error('it is not in gzip format')
  if (head.length > MAX_HEADER_BYTES) throw new Error('the header of a member is too long')
  if (head.length < FIXED_HEADER_BYTES) return undefined
  const flags = head[3] as number
  if (head[2] !== DEFLATE || (flags & FLAG.RESERVED) !== 0) throw new Error('unknown compression method')
  let at = FIXED_HEADER_BYTES
  if ((flags & FLAG.EXTRA) !== 0) {
    if (head.length < at + 2) return undefined
    at += 2 + head.readUInt16LE(at)
  }
  for (const flag of [FLAG.NAME, FLAG.COMMENT]) {
    if ((flags & flag) === 0) continue
    const end = head.indexOf(0, at)
    if (end < 0 || at > head.length) return undefined
    at = end + 1
  }
  if ((flags & FLAG.CRC16) !== 0) at += 2
  return head.length < at ? undefined : at
}

/** Functions of node:zlib, which is imported on first use. */
type Zlib = Pick<typeof import('node:zlib'), 'createInflateRaw' | 'crc32'>

/**
 * Inflates members one by one as their bytes arrive, and knows whether the last bytes ended a member. A
 * gunzip stream of node:zlib tells that only after the end of its input.
 */
export class GzipMembers {
  readonly #zlib: Zlib
  readonly #onData: (data: Buffer) => void
  #state: 'between' | 'header' | 'body' | 'trailer' | 'garbage' = 'between'
  /** Bytes of an incomplete header or trailer. */
  #held: Buffer = Buffer.alloc(0)
  #inflater: InflateRaw | undefined
  #ended: Promise<void> | undefined
  #failed: Promise<never> | undefined
  #checksum = 0
  #memberBytes = 0
  #isPaused = false
  /** Compressed position of the next byte. */
  #position: number
  /** Compressed position after the last complete member and the zeros that follow it. */
  #memberEnd: number

  /** `position`: compressed position at which a member begins. `onData` may call `pause`. */
  constructor(zlib: Zlib, position: number, onData: (data: Buffer) => void) {
    this.#zlib = zlib
    this.#onData = onData
    this.#position = this.#memberEnd = position
  }

  /** Compressed position of the next byte; all bytes before it were consumed. */
  get position(): number {
    return this.#position
  }

  get memberEnd(): number {
    return this.#memberEnd
  }

  /** True when the bytes consumed so far are complete members. */
  get isBetween(): boolean {
    return this.#state === 'between'
  }

  /** True when a member was inflated but its checksum and size were not compared, or differ. */
  get isInTrailer(): boolean {
    return this.#state === 'trailer'
  }

  /** True when the last member is followed by something else; no more bytes are consumed then. */
  get isGarbage(): boolean {
    return this.#state === 'garbage'
  }

  /**
   * Consumes the next bytes, which must not change until it resolves. Waits while paused. Rejects when the
   * bytes are damaged.
   */
  async take(bytes: Buffer): Promise<void> {
    let rest = bytes
    while (rest.length > 0 && this.#state !== 'garbage') {
      const used = await this.#takeSome(rest)
      this.#position += used
      rest = rest.subarray(used)
      if (this.#state === 'between') this.#memberEnd = this.#position
    }
  }

  pause(): void {
    this.#isPaused = true
    this.#inflater?.pause()
  }

  resume(): void {
    this.#isPaused = false
    this.#inflater?.resume()
  }

  close(): void {
    this.#inflater?.destroy()
  }

  /** Returns the number of bytes consumed: at least one, unless the state changed. */
  async #takeSome(bytes: Buffer): Promise<number> {
    switch (this.#state) {
      case 'between':
        return this.#takeBetween(bytes)
      case 'header':
        return this.#takeHeader(bytes)
      case 'trailer':
        return this.#takeTrailer(bytes)
      default:
        return this.#inflate(bytes)
    }
  }

  #takeBetween(bytes: Buffer): number {
    // A file has to begin with a member, so zeros at its start are not padding.
    const zeros = this.#position === 0 ? 0 : countZeros(bytes)
    if (zeros > 0) return zeros
    const isFirst = this.#position === 0
    this.#state = isFirst || bytes[0] === MAGIC[0] ? 'header' : 'garbage'
    this.#held = bytes.subarray(0, 0)
    return 0
  }

  #takeHeader(bytes: Buffer): number {
    const before = this.#held.length
    const head = Buffer.concat([this.#held, bytes])
    // After the last member, a first byte of the magic number without the second one is garbage.
    if (this.#memberEnd > 0 && !isGzipHead(head.subarray(0, MAGIC.length))) {
      this.#state = 'garbage'
      return 0
    }
    const length = headerLength(head)
    if (length === undefined) {
      this.#held = head
      return bytes.length
    }
    this.#state = 'body'
    this.#beginMember()
    return length - before
  }

  #beginMember(): void {
    const inflater = this.#zlib.createInflateRaw()
    this.#inflater = inflater
    this.#checksum = 0
    this.#memberBytes = 0
    this.#held = Buffer.alloc(0)
    this.#ended = new Promise((resolve) => inflater.once('end', resolve))
    this.#failed = new Promise((_, reject) => inflater.on('error', reject))
    // Rejects in `#inflate`. An error between two calls is thrown by the next one.
    this.#failed.catch(() => {})
    inflater.on('data', (data: Buffer) => {
      this.#checksum = this.#zlib.crc32(data, this.#checksum)
      this.#memberBytes += data.length
      this.#onData(data)
    })
    if (this.#isPaused) inflater.pause()
  }

  async #inflate(bytes: Buffer): Promise<number> {
    const inflater = this.#inflater as InflateRaw
    const before = inflater.bytesWritten
    const written = new Promise<void>((resolve) => inflater.write(bytes, () => resolve()))
    await Promise.race([written, this.#failed])
    const used = inflater.bytesWritten - before
    if (used === bytes.length) return used
    // Bytes are left over, so the member ends here. Its last data may have to wait for the reader.
    await Promise.race([this.#ended, this.#failed])
    this.#state = 'trailer'
    return used
  }

  #takeTrailer(bytes: Buffer): number {
    const used = Math.min(bytes.length, TRAILER_BYTES - this.#held.length)
    this.#held = Buffer.concat([this.#held, bytes.subarray(0, used)])
    if (this.#held.length < TRAILER_BYTES) return used
    if (this.#held.readUInt32LE(0) !== this.#checksum) throw new Error('the checksum is wrong')
    if (this.#held.readUInt32LE(4) !== this.#memberBytes % 2 ** 32) throw new Error('the size is wrong')
    this.#state = 'between'
    this.#inflater = undefined
    return used
  }
}

function countZeros(bytes: Buffer): number {
  let n = 0
  while (bytes[n] === 0) n++
  return n
}

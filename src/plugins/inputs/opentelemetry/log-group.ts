import { encodeStr, writeMapHead, writeNumber } from '../../../core/msgpack/encode.ts'
import type { EntryBlocks } from '../../../lib/http-input/entry-blocks.ts'
import { GROUP_ATTRIBUTES_KEY, GROUP_KEY, GROUP_METADATA_KEY } from '../../../lib/records/group.ts'
import { KEYS } from './log-entry.ts'

const SCHEMA = Buffer.concat([Buffer.from([0x83]), encodeStr('schema'), encodeStr('otlp')])
const RESOURCE_ID = encodeStr('resource_id')
const SCOPE_ID = encodeStr('scope_id')
const HEAD_BYTES = 120
/** Bytes of a part besides its values. */
const PART_BYTES = 150
/** Size up to which the memory of a part is its own. A larger one has it from the memory for what clients have sent. */
const MAX_OWN_BYTES = 16_384
const EMPTY = Buffer.alloc(0)

/** A resource or a scope, encoded once for all of its records. */
export class GroupPart {
  buf: Buffer = EMPTY
  /** Bytes that were written; -1 when it is not written yet. */
  length = -1
  #isOwn = true

  /** Makes space for a part of values of this size; false when there is no memory. */
  reserve(bytes: number, out: EntryBlocks): boolean {
    const needed = bytes + PART_BYTES
    if (needed <= this.buf.length) return true
    const isOwn = needed <= MAX_OWN_BYTES
    const buf = isOwn ? Buffer.allocUnsafeSlow(needed) : out.space(needed)
    if (buf === undefined) return false
    if (!this.#isOwn) out.giveSpace(this.buf)
    this.buf = buf
    this.#isOwn = isOwn
    return true
  }

  /** Forgets the memory, which was given back. */
  reset(): void {
    this.buf = EMPTY
    this.length = -1
    this.#isOwn = true
  }
}

/**
 * What the records of a scope have in common: the pair `"group": {"metadata": {...}, "attributes": {"resource": ..., "scope": ...}}` of
 * their metadata. See lib/records/group.ts.
 */
export class LogGroup {
  /** The map of the resource. */
  readonly resource = new GroupPart()
  /** The pair of the scope, or nothing. */
  readonly scope = new GroupPart()
  readonly #head = Buffer.allocUnsafe(HEAD_BYTES)
  #headBytes = 0
  /** All of a small group, so that one copy is enough. */
  #joined: Buffer = EMPTY
  #bytes = 0

  /** Begins the head, when both parts were written. */
  begin(resource: number, scope: number): void {
    const out = this.#head
    let to = GROUP_KEY.copy(out)
    to = writeMapHead(out, to, 2)
    to += GROUP_METADATA_KEY.copy(out, to)
    to += SCHEMA.copy(out, to)
    to += RESOURCE_ID.copy(out, to)
    to = writeNumber(out, to, resource)
    to += SCOPE_ID.copy(out, to)
    to = writeNumber(out, to, scope)
    to += GROUP_ATTRIBUTES_KEY.copy(out, to)
    to = writeMapHead(out, to, this.scope.length > 0 ? 2 : 1)
    this.#headBytes = to + KEYS.resource.copy(out, to)
    this.#bytes = this.#headBytes + this.resource.length + this.scope.length
    if (this.#bytes > MAX_OWN_BYTES) return
    if (this.#joined.length < this.#bytes) this.#joined = Buffer.allocUnsafe(this.#bytes)
    this.#copyParts(this.#joined, 0)
  }

  /** Returns the bytes that it takes in an entry of `out`. */
  bytesIn(out: EntryBlocks): number {
    return out.isTrial ? 0 : this.#bytes
  }

  /** Copies it to `out.buf[to]`; returns the offset after it. An entry that is not kept does without: it may be large. */
  copy(out: EntryBlocks, to: number): number {
    if (out.isTrial) {
      out.leaveOut(this.#bytes)
      return to
    }
    if (this.#bytes > MAX_OWN_BYTES) return this.#copyParts(out.buf, to)
    return to + this.#joined.copy(out.buf, to, 0, this.#bytes)
  }

  #copyParts(out: Buffer, to: number): number {
    let end = to + this.#head.copy(out, to, 0, this.#headBytes)
    end += this.resource.buf.copy(out, end, 0, this.resource.length)
    return end + this.scope.buf.copy(out, end, 0, this.scope.length)
  }

  reset(): void {
    this.resource.reset()
    this.scope.reset()
  }
}

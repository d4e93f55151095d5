import type { BufferSource } from '../../../core/buffer-source.ts'
import { type Chunk, type ChunkInit, headRoom, TAIL_ROOM } from '../../../core/chunk.ts'
import type { Places } from '../../../core/places.ts'
import { utf8SequenceLength } from '../../../core/utf8.ts'
import { TextTable } from '../../../lib/records/text-table.ts'

/** Most bytes of a tag; the forward protocol's input takes no longer ones. */
export const MAX_TAG_BYTES = 1024

/** Records of one chunk that get the same tag. */
export interface Group {
  /** Undefined for a text that cannot be a tag. */
  tag: string | undefined
  label: string | undefined
  bytes: number
  count: number
  buf: Buffer
  end: number
  /** Places of the records, if those of the chunk have any. */
  places: Places | undefined
}

/** The new tags of a chunk, in the order in which its records have them first. */
export class Groups {
  readonly list: Group[] = []
  readonly #numbers = new TextTable()

  clear(): void {
    this.list.length = 0
    this.#numbers.clear()
  }

  /**
   * Returns the number of the group with the tag buf[0, tagEnd) and a label, whose name may follow the tag up to `end` so that
   * the same tag with another label is another group.
   */
  find(buf: Buffer, tagEnd: number, end: number, label: string | undefined): number {
    const known = this.#numbers.find(buf, 0, end)
    if (known >= 0) return known
    const tag = isTag(buf, tagEnd) ? buf.toString('utf8', 0, tagEnd) : undefined
    this.list.push({ tag, label, bytes: 0, count: 0, buf: EMPTY, end: 0, places: undefined })
    return this.#numbers.add(buf, 0, end)
  }

  /** Takes a buffer for the records of each group. */
  takeBuffers(buffers: BufferSource): void {
    for (const group of this.list) {
      if (group.tag === undefined || group.count === 0) continue
      group.end = headRoom(group.tag)
      group.buf = buffers.force(group.end + group.bytes + TAIL_ROOM)
    }
  }
}

const EMPTY = Buffer.alloc(0)
const DEL = 0x7f
const FIRST_C1 = 0xc2
const LAST_C1 = 0x9f

/** Returns true when buf[0, end) can be a tag: UTF-8 without control characters, neither empty nor too long. */
export function isTag(buf: Buffer, end: number): boolean {
  if (end === 0 || end > MAX_TAG_BYTES) return false
  for (let at = 0; at < end; ) {
    const byte = buf[at] as number
    const length = utf8SequenceLength(buf, at, end)
    if (byte < 0x20 || byte === DEL || length < 0) return false
    if (byte === FIRST_C1 && (buf[at + 1] as number) <= LAST_C1) return false
    at += length
  }
  return true
}

/** Returns the records of a group as they are sent on. */
export function recordsOf(group: Group, tag: string, chunk: Chunk): ChunkInit {
  const { input, id, origins, hasMetadata, rewrites, branch } = chunk
  const { buf, end, count, places } = group
  return {
    tag,
    input,
    buf,
    start: headRoom(tag),
    end,
    count,
    id,
    inputBytes: 0,
    origins,
    hasMetadata,
    rewrites,
    branch,
    places,
  }
}

import type { BufferSource } from '../../../core/buffer-source.ts'
import { type Chunk, headRoom, TAIL_ROOM } from '../../../core/chunk.ts'
import { ShipperError } from '../../../core/error.ts'
import { encodeStr, skip } from '../../../core/msgpack/encode.ts'
import { closeMap, mapHeadSize } from '../../../core/msgpack/map-head.ts'
import { mapBody, mapPairs } from '../../../core/msgpack/record.ts'
import type { Filter, FilterContext } from '../../../core/plugin.ts'
import { RecordAccessor } from '../../../lib/records/accessor.ts'
import { bodyAt, metadataAt } from '../../../lib/records/entry-parts.ts'
import { isOneOf } from '../../../lib/records/keys.ts'
import { mayHaveKey } from '../../../lib/records/may-have-key.ts'
import { createEdit, type Edit } from './edit.ts'
import { type ContentModifierOptions, checkNeeded, needed } from './options.ts'

/** Bytes that a record grows by at most besides those of the edit: a longer head of its map, metadata that it did not have. */
const HEADS_BYTES = 8
const EMPTY_MAP = 0x80
const PAIR = 0x92

/** Changes one key in the map that the key is in; all other bytes of a record are copied as they are. */
export class ContentModifier implements Filter {
  readonly #buffers: BufferSource
  readonly #inMetadata: boolean
  /** Undefined when the action has no effect. */
  readonly #edit: Edit | undefined
  readonly #parent: RecordAccessor | undefined
  readonly #key: RecordAccessor
  /** The key as MessagePack, if chunks without it need no search. */
  readonly #searched: Buffer | undefined
  /** False when no record of the chunk has the key. */
  #mayHaveKey = true

  constructor(options: ContentModifierOptions, { buffers, regexLimit }: FilterContext) {
    this.#buffers = buffers
    this.#inMetadata = options.context === 'attributes' || options.context === 'metadata'
    if (!options.context.startsWith('otel_')) checkNeeded(options)
    const text = options.context.startsWith('otel_') ? 'none' : needed(options, 'key')
    const { parent, key } = placeOf(text)
    this.#parent = parent
    this.#key = new RecordAccessor([key])
    if (options.context.startsWith('otel_')) return
    this.#edit = createEdit(options, key, regexLimit)
    // Only for adding: elsewhere a key in an unusual form must not be missed, or what is to be removed would stay.
    if (this.#edit.adds) this.#searched = encodeStr(key.toString())
  }

  apply(chunk: Chunk): void {
    const edit = this.#edit
    if (edit === undefined) return
    const { buf, end } = chunk
    this.#mayHaveKey = this.#searched === undefined || mayHaveKey(chunk, this.#searched)
    const head = headRoom(chunk.tag)
    const growth = edit.copies * chunk.size + chunk.count * (edit.growth + HEADS_BYTES)
    const out = this.#buffers.force(head + chunk.size + growth + TAIL_ROOM)
    let to = head
    for (let at = chunk.start; at < end; ) {
      const next = skip(buf, at, end)
      to = this.#writeEntry(edit, buf, at, next, out, to)
      at = next
    }
    if (this.#inMetadata && edit.adds) chunk.hasMetadata = true
    chunk.replace(out, head, to, chunk.count)
  }

  #writeEntry(edit: Edit, buf: Buffer, at: number, end: number, out: Buffer, to: number): number {
    const root = this.#inMetadata ? metadataAt(buf, at, end) : bodyAt(buf, at, end)
    if (root < 0 && this.#inMetadata && edit.adds && this.#parent === undefined) {
      const body = bodyAt(buf, at, end)
      if (body >= 0) return addMetadata(edit, buf, at, body, end, out, to)
    }
    const map = root < 0 || this.#parent === undefined ? root : this.#parent.find(buf, root, end)
    if (map < 0 || mapPairs(buf, map) < 0) return to + buf.copy(out, to, at, end)
    const value = this.#mayHaveKey ? this.#key.find(buf, map, end) : -1
    if (!edit.begin(buf, value)) return to + buf.copy(out, to, at, end)
    const start = to + buf.copy(out, to, at, map)
    const mapEnd = map === root && !this.#inMetadata ? end : skip(buf, map, end)
    const done = this.#writeMap(edit, buf, map, mapEnd, value, out, start)
    return done + buf.copy(out, done, mapEnd, end)
  }

  /** Writes the map at `map` with its changes; `value` is that of the key, or -1. Returns the offset after it. */
  #writeMap(
    edit: Edit,
    buf: Buffer,
    map: number,
    end: number,
    value: number,
    out: Buffer,
    to: number,
  ): number {
    const pairs = mapPairs(buf, map)
    const body = to + mapHeadSize(pairs)
    const { removed } = edit
    let kept = pairs
    let pos = body
    let pair = mapBody(buf, map)
    if (this.#mayHaveKey && removed.length > 0) {
      let run = pair
      for (let i = 0; i < pairs; i++) {
        const valueAt = skip(buf, pair, end)
        const next = skip(buf, valueAt, end)
        if (isOneOf(buf, pair, removed)) {
          pos += buf.copy(out, pos, run, pair)
          if (valueAt === value && edit.replace !== undefined) pos = edit.replace(buf, value, next, out, pos)
          else kept--
          run = next
        }
        pair = next
      }
      pair = run
    }
    pos += buf.copy(out, pos, pair, end)
    return closeMap(out, to, body, edit.append(buf, out, pos), kept + edit.appended)
  }
}

/** Writes the entry `[time, map]` as `[[time, metadata], map]`. */
function addMetadata(
  edit: Edit,
  buf: Buffer,
  at: number,
  body: number,
  end: number,
  out: Buffer,
  to: number,
): number {
  if (!edit.begin(buf, -1)) return to + buf.copy(out, to, at, end)
  out[to] = PAIR
  const map = to + 1 + buf.copy(out, to + 1, at, body)
  out[map] = EMPTY_MAP
  const done = closeMap(out, map, map + 1, edit.append(buf, out, map + 1), edit.appended)
  return done + buf.copy(out, done, body, end)
}

function placeOf(text: string): { parent: RecordAccessor | undefined; key: Buffer } {
  const place = RecordAccessor.parse(text, 'key').place
  if (place !== undefined) return place
  throw new ShipperError('E_CONFIG_BAD_VALUE', `"key" must end with a key, not with an index: "${text}"`, {
    option: 'key',
    hint: 'an item of a list cannot be added or removed by itself',
  })
}

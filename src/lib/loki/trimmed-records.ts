import { Chunk } from '../../core/chunk.ts'
import { ShipperError } from '../../core/error.ts'
import { skip, writeMapHead } from '../../core/msgpack/encode.ts'
import { mapBody, mapPairs } from '../../core/msgpack/record.ts'
import { Entry } from '../records/entry.ts'
import { isKey } from '../records/keys.ts'

/** Keys in a map that is the value of `key`: left out as a whole, or keys below it. */
interface TrimmedKey {
  key: Buffer
  isLeaf: boolean
  below: TrimmedKey[]
}

/** Last trimmed value of a key: it is the same in many records of a container. */
interface Trimmed {
  source: Buffer
  sourceBytes: number
  result: Buffer
  resultBytes: number
}

/** Memory that is kept for copies. */
const MAX_KEPT_BYTES = 4_000_000

/**
 * Copies entries without fields below the first level, such as `$kubernetes['pod_name']`. A trimmed value is reused while
 * the value stays the same.
 */
export class TrimmedRecords {
  readonly #keys: TrimmedKey[] = []
  readonly #last: Trimmed[] = []
  readonly #entry = new Entry()
  #out: Buffer = Buffer.alloc(0)
  #at = 0

  /** `paths`: the keys down to each field, at least two. */
  constructor(paths: readonly (readonly Buffer[])[]) {
    for (const path of paths) add(this.#keys, path)
    for (const _ of this.#keys) {
      const empty = Buffer.alloc(256)
      this.#last.push({ source: empty, sourceBytes: -1, result: empty, resultBytes: 0 })
    }
  }

  /** Returns a chunk with copies of the entries in `[start, end)`, valid until the next call. */
  trim(chunk: Chunk, start: number, end: number, count: number): Chunk {
    // No copy is longer than its entry.
    if (this.#out.length < end - start || this.#out.length > MAX_KEPT_BYTES)
      this.#out = Buffer.allocUnsafe(Math.max(65_536, end - start))
    this.#at = 0
    const entry = this.#entry
    for (let at = start; at < end; at = entry.end) {
      entry.read(chunk, at)
      this.#copy(chunk.buf, at, entry.map, entry.end)
    }
    const { tag, input, id, hasMetadata } = chunk
    return new Chunk(
      { tag, input, id, hasMetadata, buf: this.#out, start: 0, end: this.#at, count, inputBytes: 0 },
      NO_BUFFERS,
    )
  }

  #copy(buf: Buffer, start: number, map: number, end: number): void {
    let copied = start
    let at = mapBody(buf, map)
    for (let left = mapPairs(buf, map); left > 0; left--) {
      const value = skip(buf, at, end)
      const next = skip(buf, value, end)
      const index = mapPairs(buf, value) < 0 ? -1 : indexOf(this.#keys, buf, at)
      if (index >= 0) {
        this.#append(buf, copied, value)
        const trimmed = this.#trimmed(index, buf, value, next)
        this.#append(trimmed.result, 0, trimmed.resultBytes)
        copied = next
      }
      at = next
    }
    this.#append(buf, copied, end)
  }

  #append(src: Buffer, start: number, end: number): void {
    this.#at += src.copy(this.#out, this.#at, start, end)
  }

  #trimmed(index: number, buf: Buffer, start: number, end: number): Trimmed {
    const last = this.#last[index] as Trimmed
    const bytes = end - start
    if (last.sourceBytes === bytes && buf.compare(last.source, 0, bytes, start, end) === 0) return last
    if (last.source.length < bytes) {
      last.source = Buffer.allocUnsafe(bytes * 2)
      last.result = Buffer.allocUnsafe(bytes * 2)
    }
    buf.copy(last.source, 0, start, end)
    last.sourceBytes = bytes
    last.resultBytes = writeTrimmed(this.#keys[index] as TrimmedKey, buf, start, end, last.result, 0)
    return last
  }
}

function add(keys: TrimmedKey[], [first, ...rest]: readonly Buffer[]): void {
  if (first === undefined) return
  let found = keys.find(({ key }) => key.equals(first))
  if (found === undefined) {
    found = { key: first, isLeaf: false, below: [] }
    keys.push(found)
  }
  if (rest.length === 0) found.isLeaf = true
  else add(found.below, rest)
}

function indexOf(keys: readonly TrimmedKey[], buf: Buffer, at: number): number {
  for (let i = 0; i < keys.length; i++) if (isKey(buf, at, (keys[i] as TrimmedKey).key)) return i
  return -1
}

/** Writes the map at `start` without the keys below `key`; returns the offset after it. */
function writeTrimmed(
  { below }: TrimmedKey,
  buf: Buffer,
  start: number,
  end: number,
  out: Buffer,
  to: number,
): number {
  const pairs = mapPairs(buf, start)
  const body = mapBody(buf, start)
  let kept = 0
  let at = body
  const isLeft = (key: number): boolean => below[indexOf(below, buf, key)]?.isLeaf !== true
  for (let i = 0; i < pairs; i++) {
    if (isLeft(at)) kept++
    at = skip(buf, skip(buf, at, end), end)
  }
  let pos = writeMapHead(out, to, kept)
  at = body
  for (let i = 0; i < pairs; i++) {
    const value = skip(buf, at, end)
    const next = skip(buf, value, end)
    const key = below[indexOf(below, buf, at)]
    if (key === undefined) pos += buf.copy(out, pos, at, next)
    else if (!key.isLeaf) {
      pos += buf.copy(out, pos, at, value)
      if (mapPairs(buf, value) >= 0) pos = writeTrimmed(key, buf, value, next, out, pos)
      else pos += buf.copy(out, pos, value, next)
    }
    at = next
  }
  return pos
}

const NO_BUFFERS = {
  take: () => undefined,
  force: (): Buffer => {
    throw new ShipperError('E_INTERNAL', 'a copy of records has no buffers')
  },
  takeLongLived: (): Buffer => {
    throw new ShipperError('E_INTERNAL', 'a copy of records has no buffers')
  },
  give: () => {},
}

import { skip } from '../../core/msgpack/encode.ts'
import { mapBody, mapPairs, textHead, textLength } from '../../core/msgpack/record.ts'
import { JsonText } from '../json/msgpack-to-json.ts'
import type { RecordAccessor } from '../records/accessor.ts'
import { TagText } from '../records/template.ts'

export type LabelPair = readonly [name: string, value: string]

/** Where a label comes from. */
export type LabelSource =
  | { name: string; from: 'field'; accessor: RecordAccessor }
  /** The tag, or one of its parts between dots. */
  | { name: string; from: 'tag'; part?: number }
  /** A label for each pair of a map, whose values are texts unless `anyValues`. */
  | { from: 'map'; accessor: RecordAccessor; anyValues: boolean; nameOf(key: string): string }

/** Number of sets of labels that are kept: bounds the memory for labels with a different value in each record. */
const MAX_SETS = 4096
const FLOAT32 = 0xca
const FLOAT64 = 0xcb

/** The values of a record, one after the other; maps as they are. */
class Values {
  readonly text = new JsonText()
  /** Where each ends in the text; -1 for none. */
  readonly ends: number[] = []

  read(sources: readonly LabelSource[], tag: TagText, buf: Buffer, map: number, end: number): void {
    const { text, ends } = this
    text.reset()
    for (let i = 0; i < sources.length; i++) {
      const source = sources[i] as LabelSource
      ends[i] = -1
      if (source.from === 'tag') {
        if (source.part === undefined) text.copy(tag.bytes, 0, tag.bytes.length)
        else if (!tag.writePart(text, source.part)) continue
        ends[i] = text.at
        continue
      }
      const at = source.accessor.find(buf, map, end)
      if (at < 0) continue
      if (source.from === 'field') plainValue(text, buf, at)
      else if (mapPairs(buf, at) >= 0) text.copy(buf, at, skip(buf, at, end))
      else continue
      ends[i] = text.at
    }
  }

  equals({ text, ends }: Values): boolean {
    const { buf, at } = this.text
    if (at !== text.at) return false
    for (let i = 0; i < ends.length; i++) if (ends[i] !== this.ends[i]) return false
    return buf.compare(text.buf, 0, at, 0, at) === 0
  }
}

/** Writes a value as the text of a label; a float with six digits, as fluent-bit does. */
function plainValue(text: JsonText, buf: Buffer, at: number): void {
  const t = buf[at] as number
  if (t === FLOAT32 || t === FLOAT64)
    text.raw((t === FLOAT64 ? buf.readDoubleBE(at + 1) : buf.readFloatBE(at + 1)).toFixed(6))
  else text.plain(buf, at)
}

/**
 * Chooses the labels (or the structured metadata) of records: fixed ones, and those that are values of fields. A set is formatted
 * once; a record with the same values as the previous one costs a comparison of bytes. `form`: format of a set.
 */
export class RecordLabels<T = string> {
  readonly #fixed: readonly LabelPair[]
  readonly #sources: readonly LabelSource[]
  readonly #form: (pairs: readonly LabelPair[]) => T
  readonly #sets = new Map<string, T>()
  readonly #tag = new TagText()
  #tagText: string | undefined
  /** Values of the current record and of the previous one. */
  #now = new Values()
  #before = new Values()
  #labels: T | undefined

  constructor(
    fixed: readonly LabelPair[],
    sources: readonly LabelSource[],
    form: (pairs: readonly LabelPair[]) => T,
  ) {
    this.#fixed = fixed
    this.#sources = sources
    this.#form = form
  }

  /** Sets the tag of the records that follow. */
  setTag(tag: string): void {
    if (tag === this.#tagText) return
    this.#tagText = tag
    this.#tag.set(tag)
    if (this.#sources.every(({ from }) => from !== 'tag')) return
    this.#labels = undefined
  }

  /** Returns the labels of the record whose map is at `map` and ends at `end`. */
  of(buf: Buffer, map: number, end: number): T {
    if (this.#labels !== undefined && this.#sources.length === 0) return this.#labels
    const now = this.#now
    now.read(this.#sources, this.#tag, buf, map, end)
    if (this.#labels !== undefined && now.equals(this.#before)) return this.#labels
    const key = `${now.ends.join()} ${now.text.bytes().toString('latin1')}`
    let labels = this.#sets.get(key)
    if (labels === undefined) {
      if (this.#sets.size === MAX_SETS) this.#sets.clear()
      labels = this.#form(this.#pairs(now))
      this.#sets.set(key, labels)
    }
    this.#labels = labels
    this.#now = this.#before
    this.#before = now
    return labels
  }

  /** Returns the pairs of a record; one without a value, or an empty one, is left out. */
  #pairs({ text, ends }: Values): LabelPair[] {
    const pairs = [...this.#fixed]
    let start = 0
    ends.forEach((end, i) => {
      if (end < 0) return
      const source = this.#sources[i] as LabelSource
      if (source.from === 'map') pairs.push(...mapLabels(text.buf, start, end, source))
      else {
        const value = text.buf.toString('utf8', start, end)
        if (value !== '') pairs.push([source.name, value])
      }
      start = end
    })
    return pairs
  }
}

function mapLabels(
  buf: Buffer,
  map: number,
  end: number,
  { anyValues, nameOf }: Extract<LabelSource, { from: 'map' }>,
): LabelPair[] {
  const pairs: LabelPair[] = []
  const text = new JsonText()
  let at = mapBody(buf, map)
  for (let left = mapPairs(buf, map); left > 0; left--) {
    const value = skip(buf, at, end)
    const head = textHead(buf, at)
    if (head > 0 && (anyValues || textHead(buf, value) > 0)) {
      text.reset()
      plainValue(text, buf, value)
      const name = nameOf(buf.toString('utf8', at + head, at + head + textLength(buf, at)))
      if (text.at > 0 && name !== '') pairs.push([name, text.bytes().toString()])
    }
    at = skip(buf, value, end)
  }
  return pairs
}

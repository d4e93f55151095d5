import { skip } from '../../../core/msgpack/encode.ts'
import { mapBody, mapPairs, textHead, textLength } from '../../../core/msgpack/record.ts'
import { RecordAccessor } from '../../../lib/records/accessor.ts'
import { KeyTable } from '../../../lib/records/key-table.ts'

/** Where a field of the present record is: the offsets of its key (of a field on the first level) and value, or -1. */
export class Field {
  /** The text of the key; undefined for a field that is deeper in the record. */
  readonly name: string | undefined
  key = -1
  value = -1

  constructor(name?: string) {
    this.name = name
  }
}

/** Finds the fields that matter in a record, those of the first level in one pass over its keys. */
export class RecordFields {
  readonly #keys: Buffer[] = []
  readonly #fields: Field[] = []
  readonly #nested: { accessor: RecordAccessor; field: Field }[] = []
  #table = new KeyTable([])

  /** True when each field is one of the first level. */
  get isFlat(): boolean {
    return this.#nested.length === 0
  }

  /** Returns the field of a key or record accessor. */
  add(text: string, option: string): Field {
    const accessor = RecordAccessor.parseLoose(text, option)
    const { place } = accessor
    if (place === undefined || place.parent !== undefined) {
      const field = new Field()
      this.#nested.push({ accessor, field })
      return field
    }
    const index = this.#keys.findIndex((key) => key.equals(place.key))
    if (index >= 0) return this.#fields[index] as Field
    const field = new Field(place.key.toString())
    this.#keys.push(place.key)
    this.#fields.push(field)
    this.#table = new KeyTable(this.#keys)
    return field
  }

  /** Reads the record whose map is at `map`; returns the offset after it. */
  read(buf: Buffer, map: number, end: number): number {
    const fields = this.#fields
    for (let i = 0; i < fields.length; i++) {
      const field = fields[i] as Field
      field.key = field.value = -1
    }
    let at = mapBody(buf, map)
    for (let left = mapPairs(buf, map); left > 0; left--) {
      const head = textHead(buf, at)
      const length = head > 0 ? textLength(buf, at) : 0
      const value = head > 0 ? at + head + length : skip(buf, at, end)
      const index = head > 0 ? this.#table.find(buf, at + head, length) : -1
      if (index >= 0) {
        const field = fields[index] as Field
        field.key = at
        field.value = value
      }
      const valueHead = textHead(buf, value)
      at = valueHead > 0 ? value + valueHead + textLength(buf, value) : skip(buf, value, end)
    }
    for (const { accessor, field } of this.#nested) field.value = accessor.find(buf, map, at)
    return at
  }
}

import { encodeStr } from '../../../../core/msgpack/encode.ts'
import { LaterKeys } from '../../../../core/msgpack/unique-keys.ts'
import type { Parser } from '../../../../core/parser.ts'

/** Key of the flag that marks a truncated line. */
export const TRUNCATED_KEY = 'truncated'
/** Offset 0 as uint64. */
const OFFSET = Buffer.from([0xcf, 0, 0, 0, 0, 0, 0, 0, 0])

/** Keys of the added fields; undefined for a field that is not added. */
export interface AddedKeys {
  pathKey: string | undefined
  idKey: string | undefined
  offsetKey: string | undefined
}

interface AddedField {
  key: string
  /** Undefined for the offset, which differs from line to line. */
  value: Buffer | undefined
}

/**
 * Fields that the options add to each line: path, id and offset. No entry has a key twice; of two fields with
 * the same key the later one stays. The fields of a parser come before these, the unparsed line and the flag
 * of a truncated line after them.
 */
export class AddedFields {
  readonly #fields: readonly AddedField[]

  constructor({ pathKey, idKey, offsetKey }: AddedKeys, path: string, id: string) {
    const all = [
      { key: pathKey, value: encodeStr(path) },
      { key: idKey, value: encodeStr(id) },
      { key: offsetKey, value: undefined },
    ].filter((field): field is AddedField => field.key !== undefined)
    this.#fields = all.filter(({ key }, i) => !all.slice(i + 1).some((later) => later.key === key))
  }

  get count(): number {
    return this.#fields.length
  }

  /** Returns the keys of all fields; undefined when there are none. */
  laterKeys(): LaterKeys | undefined {
    return this.count === 0 ? undefined : new LaterKeys(this.#fields.map(({ key }) => encodeStr(key)))
  }

  hasOneOf(keys: readonly string[]): boolean {
    return this.#fields.some(({ key }) => keys.includes(key))
  }

  /**
   * Returns the pairs except those with one of `laterKeys`, and the position of the eight offset bytes in
   * them, or -1.
   */
  encode(laterKeys: readonly string[] = []): { bytes: Buffer; count: number; offsetAt: number } {
    const fields = this.#fields.filter(({ key }) => !laterKeys.includes(key))
    const pairs = fields.map(({ key, value = OFFSET }) => Buffer.concat([encodeStr(key), value]))
    const bytes = Buffer.concat(pairs)
    // The offset is always the last field.
    const hasOffset = fields.at(-1)?.value === undefined && fields.length > 0
    return { bytes, count: fields.length, offsetAt: hasOffset ? bytes.length - 8 : -1 }
  }
}

/** Returns the keys that a fast path writes without comparing them with those of the entry. */
export function keysOf(form: NonNullable<Parser['lineFormat']>): string[] {
  if (form.name === 'docker') return ['log', 'stream', 'time']
  const time = form.time === undefined ? [] : [form.time.key]
  return [...time, ...form.middle.map(({ key }) => key), form.text.key]
}

import { Rfc3339 } from './rfc3339.ts'
import { compileFormat } from './strptime-format.ts'
import {
  type NumberForm,
  StrptimeReader,
  type TimeParts,
  type TimeReader,
  type TimeSettings,
} from './strptime-reader.ts'
import { UTC } from './zone.ts'

export type { TimeReader, TimeSettings }

/** Formats that mean RFC 3339, with or without fraction and zone; its own reader is faster. */
const RFC3339 = /^(?:%Y-%m-%d|%F)[T ](?:%H:%M:%S|%T)(?:[.,]%L)?(?:%z|%Z|Z)?$/
const ENDS_WITH_ZONE = /%[zZ]$/

/** Returns a reader that tries the formats in order. Throws E_CONFIG_BAD_VALUE when one is invalid. */
export function compileTimes(formats: readonly string[], settings: TimeSettings): TimeReader {
  const readers = formats.map((format) => compileTime(format, settings))
  return readers.length === 1 ? (readers[0] as TimeReader) : new FirstMatch(readers)
}

/**
 * Returns a reader for a format of strptime(3) with `%L` for fractions; throws E_CONFIG_BAD_VALUE when it is
 * invalid.
 */
export function compileTime(format: string, settings: TimeSettings = {}): TimeReader {
  const zone = settings.zone ?? UTC
  const reader = new StrptimeReader(compileFormat(format), zone, settings)
  return RFC3339.test(format)
    ? new FastPathReader(new Rfc3339(zone, ENDS_WITH_ZONE.test(format)), reader)
    : reader
}

/** Returns the reader that reads times in RFC 3339 first, if it has one; others are only asked when that fails. */
export function rfc3339Of(reader: TimeReader | undefined): Rfc3339 | undefined {
  if (reader instanceof FirstMatch) return rfc3339Of(reader.first)
  return reader instanceof FastPathReader ? reader.rfc3339 : undefined
}

class FirstMatch implements TimeReader {
  readonly #readers: readonly TimeReader[]
  #isFirst = false

  constructor(readers: readonly TimeReader[]) {
    this.#readers = readers
  }

  get first(): TimeReader | undefined {
    return this.#readers[0]
  }

  parse(src: Buffer, start: number, end: number, out: { sec: number; nsec: number }): boolean {
    for (let i = 0; i < this.#readers.length; i++)
      if ((this.#readers[i] as TimeReader).parse(src, start, end, out)) {
        this.#isFirst = i === 0
        return true
      }
    return false
  }

  /** That of the first format that reads numbers, if the ones before refuse all with many digits. */
  get number(): NumberForm | undefined {
    let minDigits = 1
    for (const { number, maxDigits } of this.#readers) {
      if (number !== undefined) return { ...number, minDigits: Math.max(minDigits, number.minDigits) }
      if (maxDigits === undefined) return undefined
      minDigits = Math.max(minDigits, maxDigits + 1)
    }
    return undefined
  }

  /** An earlier format might read a text that differs from the last one in its digits. */
  get parts(): TimeParts | undefined {
    return this.#isFirst ? this.#readers[0]?.parts : undefined
  }
}

/** Reads RFC 3339 first and falls back to strptime, which also allows single digits and names of zones. */
export class FastPathReader implements TimeReader {
  readonly rfc3339: Rfc3339
  readonly #fallback: TimeReader
  #isFast = false

  constructor(rfc3339: Rfc3339, fallback: TimeReader) {
    this.rfc3339 = rfc3339
    this.#fallback = fallback
  }

  parse(src: Buffer, start: number, end: number, out: { sec: number; nsec: number }): boolean {
    this.#isFast = this.rfc3339.parse(src, start, end, out)
    return this.#isFast || this.#fallback.parse(src, start, end, out)
  }

  /** RFC 3339 has four digits first, as the format has. */
  get maxDigits(): number | undefined {
    return this.#fallback.maxDigits
  }

  /** What the first reader refuses because of its form, it refuses with other digits too. */
  get parts(): TimeParts | undefined {
    return this.#isFast ? this.rfc3339.parts : this.#fallback.parts
  }
}

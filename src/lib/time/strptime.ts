import { Rfc3339 } from './rfc3339.ts'
import { compileFormat } from './strptime-format.ts'
import { StepReader, type TimeReader, type TimeSettings } from './strptime-reader.ts'
import { UTC } from './zone.ts'

export type { TimeReader, TimeSettings }

/** All of these say RFC 3339: its own reader takes them, with or without fraction and zone. */
const RFC3339 = /^(?:%Y-%m-%d|%F)[T ](?:%H:%M:%S|%T)(?:[.,]%L)?(?:%z|%Z|Z)?$/
const ENDS_WITH_ZONE = /%[zZ]$/

/** A reader for this format of strptime(3), with `%L` for fractions. Throws E_CONFIG_BAD_VALUE for a format it does not know. */
export function compileTime(format: string, settings: TimeSettings = {}): TimeReader {
  const zone = settings.zone ?? UTC
  const steps = new StepReader(compileFormat(format), zone, settings)
  return RFC3339.test(format) ? new QuickReader(new Rfc3339(zone, ENDS_WITH_ZONE.test(format)), steps) : steps
}

/** strptime allows what RFC 3339 does not: one digit where two are usual, names of zones. */
export class QuickReader implements TimeReader {
  readonly quick: Rfc3339
  readonly #steps: TimeReader

  constructor(quick: Rfc3339, steps: TimeReader) {
    this.quick = quick
    this.#steps = steps
  }

  parse(src: Buffer, start: number, end: number, out: { sec: number; nsec: number }): boolean {
    return this.quick.parse(src, start, end, out) || this.#steps.parse(src, start, end, out)
  }
}

/** Something that reads bytes from outside, with the properties that must hold for any of them. */
export interface Target {
  readonly name: string
  /** Valid inputs of the format; those of test/fuzz/corpus/NAME are added. */
  seeds(): readonly (Buffer | string)[]
  /** Texts of the format that mutations insert, as latin1. */
  readonly dictionary?: readonly string[]
  /** Maximum size of an input. */
  readonly maxBytes: number
  /** Time that an input may take. It is tried three times, since other programs take time as well. Default 500. */
  readonly maxMs?: number
  /**
   * Reads the input and throws when a property does not hold. Returns the kind of behavior: an input with a new kind is
   * kept and mutated further.
   */
  run(input: Buffer): string | Promise<string>
  /** Releases what the target has opened. */
  close?(): Promise<void> | void
}

/** A property that does not hold. */
export class Finding extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'Finding'
  }
}

/** Throws a Finding unless the condition holds. */
export function must(condition: boolean, property: string | (() => string)): asserts condition {
  if (!condition) throw new Finding(typeof property === 'string' ? property : property())
}

const NUMBER = /\d+/g
const QUOTED = /"[^"]*"|'[^']*'/gs
const MAX_KIND_CHARS = 60

/** Returns the kind of an error: its message without values. */
export function kindOf(error: unknown): string {
  const text = error instanceof Error ? `${error.name} ${error.message}` : String(error)
  return text.replaceAll(QUOTED, '""').replaceAll(NUMBER, '#').slice(0, MAX_KIND_CHARS)
}

/** Returns a number in steps of powers of two. */
export function size(n: number): number {
  return n <= 0 ? 0 : Math.floor(Math.log2(n)) + 1
}

import type { InvalidValue } from './checks.ts'

/**
 * An option table is the one source of a plugin's options: the type of the parsed object, parsing, defaults, checks,
 * `--help` and the generated page all come from it. Keys are fluent-bit's spelling in lower case (`refresh_interval`,
 * `db.sync`); names are matched without regard to case, and the parsed object has them in camel case (`refreshInterval`,
 * `dbSync`).
 */
export type OptionType =
  | 'string' // as written
  | 'bool' // true|on|yes / false|off|no
  | 'int'
  | 'double'
  | 'size' // 5M = 5,000,000 bytes; K|KB|M|MB|G|GB, 1000-based as in fluent-bit; false = 0
  | 'time' // seconds, decimals allowed, or with suffix ms|s|m|h|d; parsed to MILLISECONDS
  | 'enum' // one of `values`, without regard to case, parsed to the spelling in `values`
  | 'clist' // comma list
  | 'slist' // words separated by blanks; with `words: n` exactly n, the last one takes the rest

export interface Option {
  readonly type: OptionType
  /** One sentence or two: this is the documentation. */
  readonly help: string
  /** Written as a user would write it; parsed like any other value. Absent: the parsed value is undefined. */
  readonly default?: string
  readonly required?: true
  /** May be given more than once: the parsed value is an array, in order. */
  readonly repeat?: true
  readonly values?: readonly string[]
  /** Of int, double; of size in bytes; of time in milliseconds. */
  readonly min?: number
  readonly max?: number
  /** Number of words of an slist. */
  readonly words?: number
  readonly aliases?: readonly string[]
  /** Its aliases mean different things, and their order counts: each value begins with the name that was written. */
  readonly named?: true
  /** Never printed: shown as `******`. */
  readonly secret?: true
  /**
   * What the type cannot say of a parsed value (with `repeat` of each), e.g. that an expression can be compiled. Pure:
   * it looks at nothing but the value. What depends on several options is for `create`.
   */
  check?(value: unknown): InvalidValue | undefined
  /** Accepted so that existing configuration runs, and without effect; says why. */
  readonly ignored?: string
}

export type OptionTable = { readonly [name: string]: Option }

type Camel<S extends string> = S extends `${infer A}_${infer B}`
  ? `${Camel<A>}${Capitalize<Camel<B>>}`
  : S extends `${infer A}.${infer B}`
    ? `${Camel<A>}${Capitalize<Camel<B>>}`
    : S

type ScalarOf<O extends Option> = O['type'] extends 'bool'
  ? boolean
  : O['type'] extends 'int' | 'double' | 'size' | 'time'
    ? number
    : O['type'] extends 'clist' | 'slist'
      ? string[]
      : O['type'] extends 'enum'
        ? O extends { values: readonly (infer V)[] }
          ? V
          : string
        : string

type ValueOf<O extends Option> = O extends { repeat: true }
  ? ScalarOf<O>[]
  : O extends { default: string } | { required: true }
    ? ScalarOf<O>
    : ScalarOf<O> | undefined

/** The parsed form of a table: camel-case keys, typed values. Times are in milliseconds, sizes in bytes. */
export type OptionsOf<T extends OptionTable> = { [K in keyof T & string as Camel<K>]: ValueOf<T[K]> }

/** Keeps the literal types of a table, so that `OptionsOf` can use them. */
export function defineOptions<const T extends OptionTable>(table: T): T {
  return table
}

/** `db.journal_mode` -> `dbJournalMode`. */
export function camelName(name: string): string {
  return name.replace(/[_.]+([a-z0-9])/g, (_, c: string) => c.toUpperCase())
}

import type { InvalidValue } from './checks.ts'

/**
 * An option table is the only source of a plugin's options: the type of the parsed object, parsing, defaults, checks,
 * `--help` and the generated page are all derived from it. Keys are in fluent-bit's spelling and lower case
 * (`refresh_interval`, `db.sync`). Names match regardless of case; the parsed object has them in camel case
 * (`refreshInterval`, `dbSync`).
 */
export type OptionType =
  | 'string' // as written
  | 'bool' // true|on|yes / false|off|no
  | 'int'
  | 'double'
  | 'size' // 5M = 5,000,000 bytes; K|KB|M|MB|G|GB, 1000-based as in fluent-bit; false, off, no = 0
  | 'time' // seconds, decimals allowed, or with suffix ms|s|m|h|d; parsed to MILLISECONDS
  | 'enum' // one of `values`, regardless of case, parsed to the spelling in `values`
  | 'clist' // comma-separated list
  | 'slist' // words separated by blanks; with `words: n` exactly n, the last of which takes the rest

export interface Option {
  readonly type: OptionType
  /** One or two sentences; this is the documentation of the option. */
  readonly help: string
  /** Default as a user would write it; parsed like any other value. Without one the parsed value is undefined. */
  readonly default?: string
  readonly required?: true
  /** True when the option may be given more than once: the parsed value is an array, in order. */
  readonly repeat?: true
  readonly values?: readonly string[]
  /** Minimum of an int or double, of a size in bytes, or of a time in milliseconds. */
  readonly min?: number
  readonly max?: number
  /** True when a smaller size is raised to `min`, with a warning, so that existing configurations run. */
  readonly raised?: true
  /** Number of words of an slist. */
  readonly words?: number
  /** What these words are, with an example: `KEY EXPRESSION, e.g. log ^abc`. */
  readonly form?: string
  readonly aliases?: readonly string[]
  /** True when the aliases differ in meaning and their order matters: each value begins with the name that was written. */
  readonly named?: true
  /** True when the value is never printed, but shown as `******`; `user`: only the user and the password of an address are. */
  readonly secret?: true | 'user'
  /** True for a path or address, of whose query the values are shown as `******`. */
  readonly hasQuery?: true
  /**
   * Checks what the type does not express, e.g. that a regular expression compiles; called for each value of an option
   * with `repeat`. Pure: depends on the parsed value only, and on whether variables were expanded in it. Checks across several
   * options belong into `create`.
   */
  check?(value: unknown, isExpanded: boolean): InvalidValue | undefined
  /**
   * Set when the value, or the last of its words, is a regular expression, for `-D -v`. `search`: one without special
   * characters is searched for as it is; `rule`: it is in a rule of a [MULTILINE_PARSER].
   */
  readonly expression?: 'regex' | 'search' | 'rule'
  /** What this option has no effect without: an option of the table, of the type bool, that is on, or one of several conditions. */
  readonly needs?: string | Needs
  /** True when the value is the path of a file that is read at the start. */
  readonly isFile?: true
  /** True when the value is the path of a directory that is read at the start. */
  readonly isFolder?: true
  /** Reason why the option has no effect. It is accepted so that existing configurations run. */
  readonly ignored?: string
}

/** Conditions on options of a table, of which one has to hold: the value is one of these, or any, or there is none. */
export type Needs = { readonly [option: string]: readonly string[] | 'set' | 'unset' }

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

/** Parsed form of a table: camel-case keys, typed values. Times are in milliseconds, sizes in bytes. */
export type OptionsOf<T extends OptionTable> = { [K in keyof T & string as Camel<K>]: ValueOf<T[K]> }

/** Returns the table unchanged, with the literal types that `OptionsOf` needs. */
export function defineOptions<const T extends OptionTable>(table: T): T {
  return table
}

/** Converts a name of the table to camel case: `db.journal_mode` -> `dbJournalMode`. */
export function camelName(name: string): string {
  return name.replace(/[_.]+([a-z0-9])/g, (_, c: string) => c.toUpperCase())
}

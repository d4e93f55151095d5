import type { SourceLocation } from '../core/error.ts'

/** The section that options are read from. */
export interface OptionContext {
  /** Owner of the options, as named in messages: `tail`, `service`. */
  label: string
  /** Location reported for a missing required option. */
  location: SourceLocation
  /** Command or page that lists the options, e.g. `shipper -i tail -h`. */
  list: string
  /** True when an unknown option is a warning only: in [SERVICE] and [PARSER] fluent-bit passes over it. */
  isLenient?: boolean
  /** Prefix of options that are a warning only when they are unknown; see OutputSpec. */
  passesOn?: string
  /** True when the first value of a repeated option counts, as for fluent-bit's parsers; else the last, as for plugins. */
  firstWins?: boolean
  /** True when two values for an option of the first table are a problem: fluent-bit refuses an option of a plugin that is repeated. */
  repeatedIsError?: boolean
  /** True for an unknown option that fluent-bit takes in every plugin of the kind, whether it has a use for it or not. */
  isPassedOver?(key: string, value: string): boolean
  /** Names of what the section may have besides options, to be suggested: `processors`. */
  groups?: readonly string[]
  /** Returns the section to which an unknown option with this value belongs. */
  ownerOf?(key: string, value: string): string | undefined
}

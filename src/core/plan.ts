import type { SourceLocation } from './error.ts'
import type { MultilinePlan } from './multiline.ts'
import type { FILTER_OPTIONS, INPUT_OPTIONS, OUTPUT_OPTIONS } from './options/common.ts'
import type { OptionsOf } from './options/option.ts'
import type { SERVICE_OPTIONS } from './options/service.ts'
import type { FilterSpec, InputSpec, OutputSpec, ParserSpec } from './plugin.ts'

/** The checked and typed configuration: all that the agent knows of it. */
export interface Plan {
  service: OptionsOf<typeof SERVICE_OPTIONS>
  inputs: InputPlan[]
  filters: FilterPlan[]
  outputs: OutputPlan[]
  parsers: ParserPlan[]
  multilines: MultilinePlan[]
  /** Messages logged once at start: ignored options, outputs that nothing can match, unset variables. */
  warnings: string[]
}

interface StagePlan<S, C> {
  spec: S
  /** Instance name: the alias, or e.g. `tail.0`, counted per plugin in order of declaration; unique among its kind. */
  name: string
  /** Name in log lines, unique among all kinds: `output:forward.0` in a relay. `name` if it is not given. */
  logName?: string
  /** Options parsed with the table of the spec. */
  options: unknown
  /** Options parsed with the common table of the kind. */
  common: C
  /** Location of the section. */
  location: SourceLocation
  /** Locations of the option values, by the names of the tables; of a repeated option, the last. */
  optionLocations: ReadonlyMap<string, SourceLocation>
}

export interface InputPlan extends StagePlan<InputSpec, OptionsOf<typeof INPUT_OPTIONS>> {
  /** `common.tag`, or the instance name. */
  tag: string
}
export type FilterPlan = StagePlan<FilterSpec, OptionsOf<typeof FILTER_OPTIONS>>
export type OutputPlan = StagePlan<OutputSpec, OptionsOf<typeof OUTPUT_OPTIONS>>
export interface ParserPlan {
  /** Spec of the section's Format. */
  spec: ParserSpec
  /** Name of the section. */
  name: string
  options: unknown
  location: SourceLocation
}

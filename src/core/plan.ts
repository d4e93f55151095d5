import type { SourceLocation } from './error.ts'
import type { MultilinePlan } from './multiline.ts'
import type { FILTER_OPTIONS, INPUT_OPTIONS, OUTPUT_OPTIONS } from './options/common.ts'
import type { OptionsOf } from './options/option.ts'
import type { SERVICE_OPTIONS } from './options/service.ts'
import type { FilterSpec, InputSpec, OutputSpec, ParserSpec } from './plugin.ts'

/** What the configuration says, checked and typed: the only thing that the agent is given. */
export interface Plan {
  service: OptionsOf<typeof SERVICE_OPTIONS>
  inputs: InputPlan[]
  filters: FilterPlan[]
  outputs: OutputPlan[]
  parsers: ParserPlan[]
  multilines: MultilinePlan[]
  /** Said once at start: ignored options, outputs that nothing can match, unset variables. */
  warnings: string[]
}

interface StagePlan<S, C> {
  spec: S
  /** Instance name: the alias, or `tail.0`, counted per plugin in order of declaration. */
  name: string
  /** Parsed by the spec's own table. */
  options: unknown
  /** Parsed by the table of the kind. */
  common: C
  location: SourceLocation
  /** Where the values of its options stand, by the names of the tables; of an option that is repeated, the last. */
  optionLocations: ReadonlyMap<string, SourceLocation>
}

/** The tag is `common.tag`, or the instance name. */
export interface InputPlan extends StagePlan<InputSpec, OptionsOf<typeof INPUT_OPTIONS>> {
  tag: string
}
export type FilterPlan = StagePlan<FilterSpec, OptionsOf<typeof FILTER_OPTIONS>>
export type OutputPlan = StagePlan<OutputSpec, OptionsOf<typeof OUTPUT_OPTIONS>>
/** `name` is the section's Name; `spec` its Format. */
export interface ParserPlan {
  spec: ParserSpec
  name: string
  options: unknown
  location: SourceLocation
}

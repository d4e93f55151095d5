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
  /** Path of the configuration file, as given; undefined when there is none. */
  configFile?: string
  /** Order of filters and outputs as fluentd has it; undefined: by Match, as fluent-bit. */
  routing?: OrderedRouting
  /** Undefined when no input is buffered on disk, and `storage.path` has nothing of an earlier run. */
  buffer?: BufferPlan
}

/** The buffer on disk: what the storage options say. */
export interface BufferPlan {
  /** `storage.path`, or a folder beside the first database. */
  folder: string
  /** Names of the inputs whose chunks are kept in it; empty when the buffer only has to be emptied. */
  inputs: readonly string[]
  /** `storage.backlog.mem_limit`: bytes of chunks in memory that were read back for one output. */
  memoryBytes: number
  /** `storage.max_chunks_up`: chunks in memory for one output. */
  maxChunks: number
  /** `storage.delete_irrecoverable_chunks`: whether damaged segments are deleted, and not kept under another name. */
  deletesDamaged: boolean
  /** `storage.backlog.flush_on_shutdown`: whether a stop waits for what is on disk. */
  flushesAtStop: boolean
  /** `storage.total_limit_size` in bytes, by the name of the output. */
  limits: ReadonlyMap<string, number>
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
  /** Filters for the records of this input only, before all others. */
  processors?: readonly ProcessorPlan[]
  /** Routes by condition; outputs that one of them names get records of this input by no other way. */
  routes?: readonly RoutePlan[]
  /** Label of OrderedRouting at which its records begin; undefined: the steps outside of any label. */
  label?: string
}
export type FilterPlan = StagePlan<FilterSpec, OptionsOf<typeof FILTER_OPTIONS>>
export interface OutputPlan extends StagePlan<OutputSpec, OptionsOf<typeof OUTPUT_OPTIONS>> {
  /** Filters for what this output gets; the other outputs get the records without them. */
  processors?: readonly ProcessorPlan[]
}

/** A filter that belongs to one input or one output; its Match is not used. */
export interface ProcessorPlan extends FilterPlan {
  /** Records that do not meet it pass unchanged, in their order. */
  condition?: Condition
}

/**
 * A condition on one record. A field that is missing never satisfies a comparison: it is only not equal, not in a list, and does
 * not match.
 */
export interface Condition {
  op: 'and' | 'or'
  rules: readonly ConditionRule[]
}

export interface ConditionRule {
  /** Record accessor, e.g. `$level`. */
  field: string
  op: 'eq' | 'neq' | 'gt' | 'lt' | 'gte' | 'lte' | 'regex' | 'not_regex' | 'in' | 'not_in'
  /** One value; of `in` and `not_in` any number of them. */
  values: readonly string[]
  /** What the field is looked up in: the record, or its metadata. */
  context: 'body' | 'metadata'
  location: SourceLocation
}

/** An entry of `routes` of an input. */
export interface RoutePlan {
  name: string
  /** `default`: what no other route of the input has taken. Undefined: every record. */
  condition: Condition | 'default' | undefined
  /** Names of output instances. */
  outputs: readonly string[]
  location: SourceLocation
}

/**
 * Routing as in fluentd: records pass the steps of a label in the order of the file. Each filter whose patterns match changes
 * them, the first match whose patterns match takes them. Each filter and output of a step is also in `filters` and `outputs`
 * of the plan, under the same name; one that several steps have is one instance.
 */
export interface OrderedRouting {
  /** Steps by the name of their label, with its `@`; the empty name has those outside of any label. */
  labels: ReadonlyMap<string, readonly OrderedStep[]>
}

export interface OrderedStep {
  /** Tag patterns as written, of which one has to match: `*` is one part, `**` any number, `{a,b}` alternatives. */
  patterns: readonly string[]
  location: SourceLocation
  filter?: FilterPlan
  /** Where a match sends its records; several of `copy`. None: they are discarded, as by `null`. */
  targets?: readonly OrderedTarget[]
}

/** An output, or a label whose steps the records pass next. */
export type OrderedTarget = { output: OutputPlan } | { label: string }

/** Name in OrderedRouting.labels of the steps outside of any label. */
export const ROOT = ''
/** Label by which a target can mean them. */
export const ROOT_LABEL = '@ROOT'
/** Label that gets records on which a filter fails. */
export const ERROR_LABEL = '@ERROR'

/** Returns every filter of a plan: `filters` and all processors. */
export function filtersOf({ inputs, filters, outputs }: Plan): (FilterPlan | ProcessorPlan)[] {
  return [
    ...inputs.flatMap(({ processors }) => processors ?? []),
    ...filters,
    ...outputs.flatMap(({ processors }) => processors ?? []),
  ]
}

/** Returns the path of the first offset database; undefined when no input has one. */
export function statePathOf({ inputs }: Plan): string | undefined {
  for (const { spec, options } of inputs) {
    const path = spec.statePath?.(options as never)
    if (path !== undefined) return path
  }
  return undefined
}

/** What a filter does with the records on which it fails: its options Dead_Letter_File, Dead_Letter_Limit and On_Error. */
interface FilterDeadLetters {
  deadLetterFile: string | undefined
  deadLetterLimit: number
  onError?: string
}

/** Returns the dead letters of a filter; undefined when its table has no such options. */
export function deadLettersOf({ spec, options }: FilterPlan): FilterDeadLetters | undefined {
  return Object.hasOwn(spec.options, 'dead_letter_file') ? (options as FilterDeadLetters) : undefined
}

export interface ParserPlan {
  /** Spec of the section's Format. */
  spec: ParserSpec
  /** Name of the section. */
  name: string
  options: unknown
  location: SourceLocation
}

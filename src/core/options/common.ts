import { checkRetryLimit, checkTotalLimit } from './checks.ts'
import { OUTPUT_DEAD_LETTERS } from './dead-letters.ts'
import { defineOptions } from './option.ts'

/** Option of every stage: [PARSER] and [MULTILINE_PARSER] have one of their own. */
const REGEX_STEP_LIMIT = {
  regex_step_limit: {
    type: 'int',
    min: 1,
    help: 'Maximum number of steps per byte that the regular expressions of this instance may take, with those of its parsers that have no limit of their own. Default: Regex_Step_Limit in [SERVICE].',
  },
} as const

const LOG_SUPPRESS_INTERVAL = defineOptions({
  log_suppress_interval: {
    type: 'time',
    default: '0',
    help: 'Log identical messages at most once within this time.',
  },
})

/** Options of every input besides those of its own table; read by the engine. */
export const INPUT_OPTIONS = defineOptions({
  tag: { type: 'string', help: 'Tag of the records. Default: the instance name, e.g. `cpu.0`.' },
  alias: { type: 'string', help: 'Instance name in logs and metrics.' },
  log_level: {
    type: 'enum',
    values: ['off', 'error', 'warn', 'warning', 'info', 'debug', 'trace'],
    help: 'Log level of this instance. Default: the one in [SERVICE].',
  },
  mem_buf_limit: {
    type: 'size',
    default: '0',
    help: 'Maximum number of bytes of this input in memory, read but not acknowledged. At the limit the input pauses, and nothing is dropped except UDP datagrams, which nobody can hold back. With storage.type filesystem, only what is not on disk yet counts toward this limit. While an output is slow or fails, sources pause earlier, see Fair shares in docs/DELIVERY.md. 0: one eighth of Memory_Limit in [SERVICE].',
  },
  ...REGEX_STEP_LIMIT,
  routable: { type: 'bool', default: 'true', help: 'If false, no output gets the records.' },
  threaded: {
    type: 'bool',
    default: 'false',
    help: 'Run in a separate thread.',
    ignored: 'the agent is single-threaded',
  },
  'storage.type': {
    type: 'enum',
    values: ['memory', 'filesystem', 'memrb'],
    help: 'Where records wait for their outputs: in memory, or on disk in the folder storage.path of [SERVICE]; see docs/guides/buffer.md. With `filesystem`, a sender is acknowledged as soon as its records are on disk, and the position of a file moves then, so that lines of files are written to disk a second time. `memrb` is the same as `memory`: the input pauses at its memory limit, and nothing is dropped. Default: `memory`, or with storage.inherit the storage.type in [SERVICE].',
  },
  'storage.pause_on_chunks_overlimit': {
    type: 'bool',
    default: 'false',
    help: 'Pause at the limit of chunks.',
    ignored: 'an input pauses when what is not on disk yet reaches its memory limit',
  },
  'thread.ring_buffer.capacity': {
    type: 'string',
    help: 'Buffer between threads.',
    ignored: 'the agent is single-threaded',
  },
  'thread.ring_buffer.window': {
    type: 'string',
    help: 'Buffer between threads.',
    ignored: 'the agent is single-threaded',
  },
  rate_window: {
    type: 'string',
    help: 'Read rate limit.',
    ignored: 'the outputs’ acknowledgements determine the read rate',
  },
  rate_gate: {
    type: 'string',
    help: 'Read rate limit.',
    ignored: 'the outputs’ acknowledgements determine the read rate',
  },
  'rate_gate.max_bytes': {
    type: 'string',
    help: 'Read rate limit.',
    ignored: 'the outputs’ acknowledgements determine the read rate',
  },
  'rate_gate.max_records': {
    type: 'string',
    help: 'Read rate limit.',
    ignored: 'the outputs’ acknowledgements determine the read rate',
  },
  'rate_gate.backpressure': {
    type: 'string',
    help: 'Read rate limit.',
    ignored: 'the outputs’ acknowledgements determine the read rate',
  },
  'rate_gate.resume_ratio': {
    type: 'string',
    help: 'Read rate limit.',
    ignored: 'the outputs’ acknowledgements determine the read rate',
  },
  ...LOG_SUPPRESS_INTERVAL,
})

/** Options of every filter besides those of its own table; read by the engine. */
export const FILTER_OPTIONS = defineOptions({
  match: {
    type: 'string',
    help: 'Pattern of the tags that the filter processes; `*` matches any number of characters.',
  },
  match_regex: {
    type: 'string',
    expression: 'regex',
    help: 'Regular expression, in Onigmo syntax, for the tags that the filter processes; takes precedence over Match.',
  },
  alias: { type: 'string', help: 'Instance name in logs and metrics.' },
  log_level: {
    type: 'enum',
    values: ['off', 'error', 'warn', 'warning', 'info', 'debug', 'trace'],
    help: 'Log level of this instance. Default: the one in [SERVICE].',
  },
  ...LOG_SUPPRESS_INTERVAL,
  ...REGEX_STEP_LIMIT,
})

/** Options of every output besides those of its own table; read by the engine. */
export const OUTPUT_OPTIONS = defineOptions({
  match: {
    type: 'string',
    help: 'Pattern of the tags that the output gets; `*` matches any number of characters.',
  },
  match_regex: {
    type: 'string',
    expression: 'regex',
    help: 'Regular expression, in Onigmo syntax, for the tags that the output gets; takes precedence over Match.',
  },
  alias: { type: 'string', help: 'Instance name in logs and metrics.' },
  log_level: {
    type: 'enum',
    values: ['off', 'error', 'warn', 'warning', 'info', 'debug', 'trace'],
    help: 'Log level of this instance. Default: the one in [SERVICE].',
  },
  ...LOG_SUPPRESS_INTERVAL,
  ...REGEX_STEP_LIMIT,
  retry_limit: {
    type: 'string',
    default: 'no_limits',
    check: checkRetryLimit,
    help: 'How often a failed chunk is retried: a number from 1, `no_limits` (also `false`, `off`), or `no_retries`. After the last retry the records go to the dead letters. fluent-bit’s default is 1; here reading waits instead.',
  },
  ...OUTPUT_DEAD_LETTERS,
  dead_letter_after: {
    type: 'time',
    default: '5m',
    help: 'Time for which a destination that a tag or a record has chosen is tried while it is refused (a file that cannot be created, a topic that does not exist). After that its records go to the dead letters, or earlier when such records leave no memory of the input for others. A destination that the configuration names is tried forever.',
  },
  workers: {
    type: 'int',
    default: '1',
    help: 'Number of threads.',
    ignored: 'the agent is single-threaded',
  },
  'storage.total_limit_size': {
    type: 'size',
    check: checkTotalLimit,
    help: 'Maximum number of bytes that wait for this output, of inputs with storage.type filesystem; at least 64K. Beyond it, the oldest records are dropped for this output, counted in `dropped_records` and logged as an error. The files may take up to 16 MB more for each output, because only whole files are deleted. `off` or unset: no limit other than the disk; when that is full, the inputs wait.',
  },
})

import { checkRegExp, checkRetryLimit } from './checks.ts'
import { defineOptions } from './option.ts'

/** Options that every plugin of a kind takes besides its own table; the engine reads them. */
export const INPUT_OPTIONS = defineOptions({
  tag: { type: 'string', help: 'Tag of the records. Default: the name of the instance, e.g. `cpu.0`.' },
  alias: { type: 'string', help: 'Name of the instance in logs and metrics.' },
  log_level: {
    type: 'enum',
    values: ['off', 'error', 'warn', 'warning', 'info', 'debug', 'trace'],
    help: 'Log level of this instance. Default: that of [SERVICE].',
  },
  mem_buf_limit: {
    type: 'size',
    default: '0',
    help: 'Most bytes of this input that may be in memory, read but not acknowledged. At the limit it stops reading; nothing is dropped. 0: an eighth of Memory_Limit of [SERVICE].',
  },
  routable: { type: 'bool', default: 'true', help: 'False: no output gets the records.' },
  threaded: {
    type: 'bool',
    default: 'false',
    help: 'Run in a thread of its own.',
    ignored: 'one thread does it all',
  },
  'storage.type': {
    type: 'enum',
    values: ['memory', 'filesystem', 'memrb'],
    default: 'memory',
    help: 'Where chunks wait.',
    ignored: 'the file that is read is the buffer',
  },
  'storage.pause_on_chunks_overlimit': {
    type: 'bool',
    default: 'false',
    help: 'Pause at the limit of chunks.',
    ignored: 'reading always stops at the limit',
  },
  'thread.ring_buffer.capacity': {
    type: 'string',
    help: 'Buffer between threads.',
    ignored: 'one thread does it all',
  },
  'thread.ring_buffer.window': {
    type: 'string',
    help: 'Buffer between threads.',
    ignored: 'one thread does it all',
  },
  rate_window: {
    type: 'string',
    help: 'Limit of the rate of reading.',
    ignored: 'reading goes as fast as the outputs acknowledge',
  },
  rate_gate: {
    type: 'string',
    help: 'Limit of the rate of reading.',
    ignored: 'reading goes as fast as the outputs acknowledge',
  },
  'rate_gate.max_bytes': {
    type: 'string',
    help: 'Limit of the rate of reading.',
    ignored: 'reading goes as fast as the outputs acknowledge',
  },
  'rate_gate.max_records': {
    type: 'string',
    help: 'Limit of the rate of reading.',
    ignored: 'reading goes as fast as the outputs acknowledge',
  },
  'rate_gate.backpressure': {
    type: 'string',
    help: 'Limit of the rate of reading.',
    ignored: 'reading goes as fast as the outputs acknowledge',
  },
  'rate_gate.resume_ratio': {
    type: 'string',
    help: 'Limit of the rate of reading.',
    ignored: 'reading goes as fast as the outputs acknowledge',
  },
  log_suppress_interval: {
    type: 'time',
    default: '0',
    help: 'Repeat an equal message at most once in this time.',
  },
})

export const FILTER_OPTIONS = defineOptions({
  match: { type: 'string', help: 'Tags that the filter is for; `*` is any run of characters.' },
  match_regex: {
    type: 'string',
    check: checkRegExp,
    help: 'Tags that the filter is for, as a regular expression; wins over Match.',
  },
  alias: { type: 'string', help: 'Name of the instance in logs and metrics.' },
  log_level: {
    type: 'enum',
    values: ['off', 'error', 'warn', 'warning', 'info', 'debug', 'trace'],
    help: 'Log level of this instance. Default: that of [SERVICE].',
  },
})

export const OUTPUT_OPTIONS = defineOptions({
  match: { type: 'string', help: 'Tags that the output gets; `*` is any run of characters.' },
  match_regex: {
    type: 'string',
    check: checkRegExp,
    help: 'Tags that the output gets, as a regular expression; wins over Match.',
  },
  alias: { type: 'string', help: 'Name of the instance in logs and metrics.' },
  log_level: {
    type: 'enum',
    values: ['off', 'error', 'warn', 'warning', 'info', 'debug', 'trace'],
    help: 'Log level of this instance. Default: that of [SERVICE].',
  },
  retry_limit: {
    type: 'string',
    default: 'no_limits',
    check: checkRetryLimit,
    help: 'How often a failed chunk is tried again: a number from 1, `no_limits` (also `false`, `off`), or `no_retries`. With a limit the chunk is dropped after it, counted and logged. fluent-bit’s default is 1; here the file waits.',
  },
  workers: { type: 'int', default: '1', help: 'Number of threads.', ignored: 'one thread does it all' },
  'storage.total_limit_size': {
    type: 'size',
    help: 'Limit of the chunks on disk.',
    ignored: 'the file that is read is the buffer',
  },
})

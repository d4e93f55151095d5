import { type Element, newElement } from './element.ts'

/**
 * Parameters of fluentd 0.12 and older, which stood in the plugin's section, by the names that they have in a section of their
 * own now.
 */
const BUFFER: Readonly<Record<string, string>> = {
  buffer_type: '@type',
  buffer_path: 'path',
  num_threads: 'flush_thread_count',
  flush_interval: 'flush_interval',
  try_flush_interval: 'flush_thread_interval',
  queued_chunk_flush_interval: 'flush_thread_burst_interval',
  disable_retry_limit: 'retry_forever',
  retry_limit: 'retry_max_times',
  max_retry_wait: 'retry_max_interval',
  retry_wait: 'retry_wait',
  buffer_chunk_limit: 'chunk_limit_size',
  buffer_queue_limit: 'queue_limit_length',
  buffer_queue_full_action: 'overflow_action',
  flush_at_shutdown: 'flush_at_shutdown',
  time_slice_format: 'time_slice_format',
  time_slice_wait: 'timekey_wait',
  utc: 'timekey_use_utc',
  timezone: 'timekey_zone',
}

const PARSE: Readonly<Record<string, string>> = {
  format: '@type',
  types: 'types',
  types_delimiter: 'types_delimiter',
  types_label_delimiter: 'types_label_delimiter',
  keys: 'keys',
  time_key: 'time_key',
  time_format: 'time_format',
  localtime: 'localtime',
  utc: 'utc',
  delimiter: 'delimiter',
  keep_time_key: 'keep_time_key',
  null_empty_string: 'null_empty_string',
  null_value_pattern: 'null_value_pattern',
  json_parser: 'json_parser',
  label_delimiter: 'label_delimiter',
  format_firstline: 'format_firstline',
  message_key: 'message_key',
  with_priority: 'with_priority',
  message_format: 'message_format',
  rfc5424_time_format: 'rfc5424_time_format',
}

const FORMAT: Readonly<Record<string, string>> = {
  format: '@type',
  delimiter: 'delimiter',
  force_quotes: 'force_quotes',
  keys: 'keys',
  fields: 'fields',
  label_delimiter: 'label_delimiter',
  output_time: 'output_time',
  output_tag: 'output_tag',
  message_key: 'message_key',
  add_newline: 'add_newline',
  output_type: 'output_type',
}

const INJECT: Readonly<Record<string, string>> = {
  include_time_key: 'include_time_key',
  include_tag_key: 'include_tag_key',
  tag_key: 'tag_key',
}

const SECTIONS = { buffer: BUFFER, parse: PARSE, format: FORMAT, inject: INJECT } as const
const NUMBERED_FORMAT = /^format\d+$/

/**
 * Moves the old parameters of a section into a section of their own, as fluentd does. When there is such a section already,
 * they stay, and are unknown.
 */
export function moveOldParameters(element: Element, kinds: readonly (keyof typeof SECTIONS)[]): void {
  for (const kind of kinds) {
    if (element.children.some((child) => child.name === kind)) continue
    const names = SECTIONS[kind]
    const isMoved = (name: string): boolean =>
      Object.hasOwn(names, name) || (kind === 'parse' && NUMBERED_FORMAT.test(name))
    const moved = element.attributes.filter(({ name }) => isMoved(name))
    if (moved.length === 0) continue
    const child = newElement(kind, '', element.location)
    child.attributes = moved.map((attribute) => ({
      ...attribute,
      name: names[attribute.name] ?? attribute.name,
      written: attribute.name,
    }))
    if (kind === 'parse') {
      // The patterns of `format multi_format`.
      child.children = element.children.filter(({ name }) => name === 'pattern')
      element.children = element.children.filter(({ name }) => name !== 'pattern')
    }
    element.children.push(child)
    element.attributes = element.attributes.filter(({ name }) => !isMoved(name))
  }
}

const OLD_EXPRESSION = /^\/.*\/[imx]*$/s

/** Turns `format /expression/` into a parser of type regexp. */
export function splitOldExpression(parse: Element): void {
  const type = parse.attributes.find(({ name }) => name === '@type')
  if (type?.value === undefined || !OLD_EXPRESSION.test(type.value)) return
  parse.attributes = parse.attributes.map((one) => (one === type ? { ...one, value: 'regexp' } : one))
  parse.attributes.push({ ...type, name: 'expression' })
}

import type { Section } from '../config-tree.ts'
import { boolOf, sizeOf, timeOf } from './conversions.ts'
import { attributeOf, childOf, type Element, textOf, typeOf } from './element.ts'
import { FILE_BUFFER_RULES, isFileBuffer, translateFileBuffer } from './file-buffer.ts'
import { applyRules, checkChildren, each, noted, OWN, type Rules } from './params.ts'
import { set, setFrom, type Translation } from './translation.ts'

const BUFFER_IS_THE_FILE = noted(
  'the file that is read is the buffer; what has no file waits with its sender',
)
const NEVER_LATER = noted('chunks are sent in their order, and again until they are acknowledged')

const RULES: Rules = {
  flush_interval: OWN,
  flush_mode: OWN,
  retry_forever: OWN,
  retry_max_times: OWN,
  retry_limit: OWN,
  retry_timeout: OWN,
  retry_wait: OWN,
  retry_max_interval: OWN,
  overflow_action: OWN,
  chunk_limit_size: OWN,
  ...each(
    [
      'path',
      'path_suffix',
      'total_limit_size',
      'queue_limit_length',
      'queued_chunks_limit_size',
      'chunk_limit_records',
      'symlink_path',
    ],
    BUFFER_IS_THE_FILE,
  ),
  ...each(
    [
      'retry_exponential_backoff_base',
      'retry_type',
      'retry_randomize',
      'retry_secondary_threshold',
      'delayed_commit_timeout',
    ],
    NEVER_LATER,
  ),
  ...each(
    [
      'flush_thread_count',
      'flush_thread_interval',
      'flush_thread_burst_interval',
      'flush_at_shutdown',
      'chunk_full_threshold',
    ],
    noted('several chunks are on their way at a time, and a stop sends what it has'),
  ),
  ...each(
    ['timekey', 'timekey_wait', 'timekey_use_utc', 'timekey_zone', 'time_slice_format', 'localtime'],
    noted('chunks are not made by time'),
  ),
  compress: noted('the output compresses what it sends, if it is told to'),
  disable_chunk_backup: noted('a chunk is kept until it is acknowledged'),
  ...each(
    ['path_permission', 'file_permission', 'dir_permission', 'keep_unreadable_chunks'],
    BUFFER_IS_THE_FILE,
  ),
}

/** Waits of fluentd before records are sent, without flush_interval. */
const DEFAULT_FLUSH = '60 s'
const IMMEDIATE_MS = 100
const MIN_CHUNK_BYTES = 4096
const MAX_CHUNK_BYTES = 2_000_000

/**
 * Translates <buffer> and <secondary> of an output: the time until records are sent, retries, and where records go that are
 * given up.
 */
export function translateBuffer(
  match: Element,
  section: Section,
  label: string,
  translation: Translation,
): void {
  const buffer = childOf(match, 'buffer')
  const secondary = childOf(match, 'secondary')
  if (secondary !== undefined) translateSecondary(secondary, section, label, translation)
  if (buffer === undefined) {
    translation.note(
      `[${label}] records are sent after Flush, 1 s; fluentd waits ${DEFAULT_FLUSH}`,
      match.location,
    )
    return
  }
  const isOnDisk = isFileBuffer(buffer, translation)
  const rules = isOnDisk ? { ...RULES, ...FILE_BUFFER_RULES } : RULES
  applyRules(buffer, rules, undefined, `${label} buffer`, translation)
  checkChildren(buffer, [], `${label} buffer`, translation)
  setFlush(buffer, label, translation)
  setRetries(buffer, section, label, translation)
  setChunkSize(buffer, label, translation)
  if (isOnDisk) translateFileBuffer(buffer, section, label, translation)
  const overflow = attributeOf(buffer, 'overflow_action')
  if (overflow?.value === 'drop_oldest_chunk' && !isOnDisk)
    translation.warn(
      `[${label}] nothing is dropped: reading waits while the output does not follow`,
      overflow.location,
    )
  else if (overflow?.value === 'throw_exception')
    translation.note(
      `[${label}] reading waits while the output does not follow (overflow_action block)`,
      overflow.location,
    )
}

function setFlush(buffer: Element, label: string, translation: Translation): void {
  const interval = attributeOf(buffer, 'flush_interval')
  const mode = attributeOf(buffer, 'flush_mode')
  if (mode?.value === 'immediate') {
    translation.shortest('Flush', IMMEDIATE_MS, mode.valueLocation)
    return
  }
  if (interval === undefined) {
    const waits = isByTime(buffer) ? 'timekey and timekey_wait' : DEFAULT_FLUSH
    translation.note(`[${label}] records are sent after Flush, 1 s; fluentd waits ${waits}`, buffer.location)
    return
  }
  const ms = timeOf(interval.value ?? '')
  if (ms === undefined)
    translation.problem(
      'E_CONFIG_BAD_VALUE',
      '"flush_interval" must be a time such as 5s',
      interval.valueLocation,
    )
  else translation.shortest('Flush', Math.max(ms, 1), interval.valueLocation)
}

/** True when time is one of the chunk keys: fluentd then sends a chunk when its time is over. */
function isByTime({ argument }: Element): boolean {
  return argument.split(',').some((key) => key.trim() === 'time')
}

function setRetries(buffer: Element, section: Section, label: string, translation: Translation): void {
  const forever = attributeOf(buffer, 'retry_forever')
  const isForever = forever !== undefined && boolOf(forever, translation) === true
  const times = attributeOf(buffer, 'retry_max_times') ?? attributeOf(buffer, 'retry_limit')
  if (!isForever && times?.value !== undefined)
    setFrom(section, 'Retry_Limit', times, times.value === '0' ? 'no_retries' : times.value)
  const limit = attributeOf(buffer, 'retry_timeout')
  if (!isForever && limit !== undefined)
    translation.warn(
      `[${label}] "retry_timeout" has no effect: records are kept until they are delivered`,
      limit.location,
    )
  if (!isForever && times === undefined)
    translation.note(`[${label}] retries have no end; fluentd drops records after 72 h`, buffer.location)
  const waits = { retry_wait: 'Scheduler.Base', retry_max_interval: 'Scheduler.Cap' }
  for (const [name, key] of Object.entries(waits)) {
    const attribute = attributeOf(buffer, name)
    const ms = timeOf(attribute?.value ?? '')
    if (attribute !== undefined && ms !== undefined && ms > 0)
      translation.shortest(key, ms, attribute.valueLocation)
  }
}

function setChunkSize(buffer: Element, label: string, translation: Translation): void {
  const attribute = attributeOf(buffer, 'chunk_limit_size')
  const bytes = sizeOf(attribute?.value ?? '')
  if (attribute === undefined) return
  if (bytes === undefined || bytes > MAX_CHUNK_BYTES)
    translation.note(
      `[${label}] "chunk_limit_size" has no effect: chunks have at most 1 MB`,
      attribute.location,
    )
  else translation.smallestChunk(Math.max(bytes, MIN_CHUNK_BYTES), attribute.valueLocation)
}

/** Files as a second output become the file of the dead letters. */
function translateSecondary(
  secondary: Element,
  section: Section,
  label: string,
  translation: Translation,
): void {
  const type = typeOf(secondary)?.value ?? ''
  const { location } = secondary
  const directory = textOf(secondary, 'directory')
  const path = textOf(secondary, 'path')
  const file =
    type === 'secondary_file' && directory !== undefined
      ? `${directory}/${textOf(secondary, 'basename') ?? 'dump.bin'}.jsonl`
      : type === 'file' && path !== undefined
        ? `${path}.jsonl`
        : undefined
  if (file === undefined) {
    const message = `[${label}] <secondary> of type ${type} has no effect: records that are given up go to the dead letters`
    translation.warn(message, location)
    return
  }
  set(section, 'Dead_Letter_File', file, location)
  const message = `[${label}] <secondary>: records that are given up go to ${file}, as JSON lines; \`shipper dead-letters\` reads it`
  translation.note(message, location)
}

import { dirname } from 'node:path'
import type { Section } from '../config-tree.ts'
import { sizeOf } from './conversions.ts'
import { attributeOf, type Element, textOf, typeOf } from './element.ts'
import { noted, OWN, type Rules } from './params.ts'
import { set, setFrom, type Translation } from './translation.ts'

/** Types of buffers in files. */
const FILE_TYPES = ['file', 'file_single']
/** Inputs that read again what was not acknowledged: their files, or the journal, are the buffer. */
const REREADING = ['tail', 'systemd']
/** fluentd's total_limit_size of a buffer in files. */
const DEFAULT_LIMIT_BYTES = 64 * 1024 ** 3

/** Rules for the parameters that say where a buffer in files is, and how large it may be. */
export const FILE_BUFFER_RULES: Rules = {
  path: OWN,
  total_limit_size: OWN,
  path_suffix: noted('the files of the buffer have names of their own'),
}

/** True for a buffer in files that records of a source pass which has nowhere else to wait. */
export function isFileBuffer(buffer: Element, translation: Translation): boolean {
  if (!FILE_TYPES.includes(typeOf(buffer)?.value ?? '')) return false
  const path = textOf(buffer, 'path') ?? ''
  return path !== '' && translation.inputsWithout(REREADING).length > 0
}

/**
 * Translates a buffer in files: what comes from senders is kept in one folder for all outputs. What is read from files waits
 * there, and is not written a second time.
 */
export function translateFileBuffer(
  buffer: Element,
  section: Section,
  label: string,
  translation: Translation,
): void {
  const path = attributeOf(buffer, 'path')
  if (path?.value === undefined) return
  const folder = folderOf(path.value)
  const used = translation.bufferFolder(folder, path.location)
  if (used !== folder)
    translation.note(`[${label}] there is one buffer for all outputs, in ${used}`, path.location)
  else
    translation.note(
      `[${label}] the buffer is in ${folder}, with other files than those of fluentd: what fluentd has left there is not sent`,
      path.location,
    )
  for (const input of translation.inputsWithout(REREADING))
    if (!input.properties.some(({ key }) => key === 'storage.type'))
      set(input, 'storage.type', 'filesystem', buffer.location)
  setLimit(buffer, section, label, translation)
}

/** Returns the folder of a path, which may be a pattern of names: `/var/log/fluent/app.*.buffer`. */
function folderOf(path: string): string {
  const at = path.indexOf('*')
  if (at < 0) return path
  return path[at - 1] === '/' ? path.slice(0, at - 1) || '/' : dirname(path.slice(0, at))
}

/** Sets the limit of an output whose oldest records are dropped; the others wait until there is space. */
function setLimit(buffer: Element, section: Section, label: string, translation: Translation): void {
  const limit = attributeOf(buffer, 'total_limit_size')
  const bytes = limit?.value === undefined ? undefined : sizeOf(limit.value)
  if (limit?.value !== undefined && bytes === undefined)
    translation.problem(
      'E_CONFIG_BAD_VALUE',
      '"total_limit_size" must be a size such as 8g',
      limit.valueLocation,
    )
  else if (textOf(buffer, 'overflow_action') === 'drop_oldest_chunk') {
    if (limit === undefined)
      set(section, 'storage.total_limit_size', String(DEFAULT_LIMIT_BYTES), buffer.location)
    else setFrom(section, 'storage.total_limit_size', limit, String(bytes))
  } else if (limit !== undefined)
    translation.note(
      `[${label}] "total_limit_size" has no effect: the size of the disk is the limit, and sources wait when it is reached`,
      limit.location,
    )
}

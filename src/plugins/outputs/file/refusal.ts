import type { Chunk } from '../../../core/chunk.ts'
import { ChosenPath } from './chosen-path.ts'
import { Groups } from './groups.ts'
import type { FileOptions } from './options.ts'

/**
 * Returns a check of what becomes of a record that names no file, where records choose their file; undefined when it is written to
 * Fallback_File.
 */
export function refusalBy(options: FileOptions): ((chunk: Chunk) => string | undefined) | undefined {
  const { onMissingField } = options
  if (onMissingField === 'fallback') return undefined
  const fate = onMissingField === 'drop' ? 'would be dropped by On_Missing_Field' : 'would be rejected'
  const groups = new Groups(new ChosenPath(options), (target) => target)
  return (chunk) => {
    groups.divide(chunk, undefined)
    const target = groups.list[0]?.target
    groups.clear()
    if (target === undefined || 'destination' in target) return undefined
    return `${fate}: ${target.reason}`
  }
}

import { formatSize } from '../../../core/options/units.ts'
import { counted } from '../../../lib/text/counted.ts'
import { durationText } from '../../../lib/text/duration.ts'
import type { OpenObjects } from './open-objects.ts'

/**
 * Returns where records are that no object has yet, and why the positions of their files do not move: `in 2 open objects: the next is
 * completed in 8 min (Upload_Timeout 10 min), or at Total_File_Size 100M; positions do not move before`.
 */
export function whereHeld(
  { size, sealedCount }: Pick<OpenObjects, 'size' | 'sealedCount'>,
  nextMs: number | undefined,
  { totalBytes, timeoutMs }: { totalBytes: number; timeoutMs: number },
): string {
  const sealed = sealedCount === 0 ? '' : `, ${sealedCount} complete and not yet stored`
  const next =
    nextMs === undefined
      ? ''
      : `the next is completed in ${durationText(nextMs)} (Upload_Timeout ${durationText(timeoutMs)}), or at Total_File_Size ${formatSize(totalBytes)}; `
  return `in ${counted(size, 'open object')}${sealed}: ${next}positions do not move before an object is stored`
}

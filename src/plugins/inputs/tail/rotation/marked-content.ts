import type { OffsetRow } from '../../../../core/offset-store.ts'
import { hasMarkedContent, isOfCompressed, type Opened } from '../file/content-mark.ts'
import { fingerprintOf } from '../file/fingerprint.ts'
import { inflated } from './decompressed.ts'

/** Largest mark of a plain file that is compared with a compressed one, which has to be inflated up to it. */
const MAX_MARK = 2 ** 23

/** Does the same as `hasMarkedContent`, also for a compressed copy. A large one counts as another content. */
export function hasMarkedCopy(row: OffsetRow, { fd, isCompressed }: Opened, size: number): boolean {
  const { placeMark: mark } = row
  if (mark === undefined || !isCompressed || isOfCompressed(row))
    return hasMarkedContent(row, { fd, isCompressed }, size)
  if (Math.max(mark.size, size) > MAX_MARK) return false
  const content = inflated(fd, size, mark.size)
  if (content?.length !== mark.size) return false
  return fingerprintOf(content.subarray(mark.size - mark.hashed)) === mark.hash
}

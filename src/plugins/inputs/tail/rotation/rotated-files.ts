import type { TailFile } from '../file/tail-file.ts'
import { Copies, type CopiesOptions } from './copies.ts'
import { HeldFiles, type HeldFilesOptions } from './held-files.ts'
import { RotatedDirectories } from './rotated-directories.ts'
import { SiblingFilter, type SiblingFilterOptions } from './sibling-filter.ts'
import { SkippedCopies, type SkippedCopiesOptions } from './skipped-copies.ts'
import { TruncatedCopies, type TruncatedCopiesOptions } from './truncated-copies.ts'
import { UnseenFiles, type UnseenFilesOptions } from './unseen-files.ts'

/** Options of the parts, without the parts themselves. */
type RotatedFilesOptions = Omit<
  HeldFilesOptions &
    CopiesOptions &
    SiblingFilterOptions &
    UnseenFilesOptions &
    TruncatedCopiesOptions &
    SkippedCopiesOptions,
  'directories' | 'held' | 'skipped' | 'copies' | 'filter' | 'unseen' | 'onClosing'
>

/**
 * Handles files that leave their path or lose their content while the agent runs. Builds the parts, each of
 * which has one subject, and connects them.
 */
export class RotatedFiles {
  readonly directories = new RotatedDirectories()
  readonly held: HeldFiles
  readonly copies: Copies
  readonly filter: SiblingFilter
  readonly unseen: UnseenFiles
  readonly truncatedCopies: TruncatedCopies
  readonly skippedCopies: SkippedCopies

  constructor(options: RotatedFilesOptions) {
    const { directories } = this
    const onClosing = (file: TailFile): void => this.copies.release(file)
    const held = new HeldFiles({ ...options, directories, onClosing })
    const copies = new Copies({ ...options, skipped: options.positions.skipped, held: held.all })
    const filter = new SiblingFilter({ ...options, held })
    const unseen = new UnseenFiles({ ...options, directories, held, filter })
    this.held = held
    this.copies = copies
    this.filter = filter
    this.unseen = unseen
    this.truncatedCopies = new TruncatedCopies({ ...options, directories, held, unseen, copies })
    this.skippedCopies = new SkippedCopies({ ...options, directories, held, unseen })
  }
}

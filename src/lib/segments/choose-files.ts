import { remove } from '../fs/file-system.ts'
import { bufferError } from './failure.ts'
import { segmentPath } from './segment.ts'
import type { SegmentHead } from './segment-codec.ts'
import { type Ends, readEnds } from './segment-ends.ts'

/** A file with the name of a segment. */
export interface SegmentFile {
  /** Number in its name. */
  readonly number: number
  readonly path: string
  readonly ends: Ends
}

/** A file whose header can be read. */
interface HeadedFile extends SegmentFile {
  readonly head: SegmentHead
}

/** The files of a folder: which of them are its segments. */
interface Choice {
  /** One file for each segment, in ascending order of the numbers in their headers. */
  readonly chosen: HeadedFile[]
  /** Others with the header of a segment. */
  readonly copies: HeadedFile[]
  /** Files of which neither header nor footer can be read. */
  readonly unreadable: SegmentFile[]
  /** Files that a newer version has written. */
  readonly newer: SegmentFile[]
}

/**
 * Reads the ends of the files with these numbers, and returns which are segments. The number of a segment is
 * the one in its header, as its entries and all positions in it have this number: a renamed file is read,
 * unless a file with the right name has it. Throws a retryable E_BUFFER when the disk can read none of them.
 * `removesBegun`: whether the last files are removed if they have no header yet, as a killed process leaves
 * them; they are left out in any case.
 */
export function chooseFiles(folder: string, numbers: readonly number[], removesBegun: boolean): Choice {
  const files: SegmentFile[] = []
  for (const number of numbers) {
    const path = segmentPath(folder, number)
    const ends = readEnds(folder, path)
    if (ends !== undefined) files.push({ number, path, ends })
  }
  const [failed] = files
  if (
    failed?.ends.failure !== undefined &&
    files.every(({ ends }) => ends.failure !== undefined && ends.head === undefined)
  )
    throw bufferError(`read ${failed.path} in`, folder, failed.ends.failure)
  while (files.at(-1)?.ends.isBegun === true) {
    const { path } = files.pop() as SegmentFile
    // What cannot be removed is looked at again by the next run.
    if (removesBegun) remove(path)
  }
  const byNumber = Map.groupBy(files.flatMap(headed), ({ head }) => head.number)
  const chosen = [...byNumber.values()].map(best)
  return {
    chosen: chosen.sort((a, b) => a.head.number - b.head.number),
    copies: [...byNumber.values()].flatMap((all) => all.filter((each) => !chosen.includes(each))),
    unreadable: files.filter(({ ends }) => ends.head === undefined && ends.newer === undefined),
    newer: files.filter(({ ends }) => ends.newer !== undefined),
  }
}

function headed(file: SegmentFile): HeadedFile[] {
  const { head } = file.ends
  return head === undefined ? [] : [{ ...file, head }]
}

/** Returns the one that has the right name, or else the largest one, with a footer if there is one. */
function best(files: readonly HeadedFile[]): HeadedFile {
  const rank = ({ number, head, ends }: HeadedFile): number =>
    number === head.number ? 2 * 2 ** 52 : ends.fileBytes + (ends.footer === undefined ? 0 : 2 ** 52)
  return files.reduce((a, b) => (rank(b) > rank(a) ? b : a))
}

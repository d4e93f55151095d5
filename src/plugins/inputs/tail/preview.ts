import { basename } from 'node:path'
import {
  type InputPreview,
  MAX_PREVIEWED_TAGS,
  type PreviewContext,
  type PreviewedSource,
} from '../../../core/plugin.ts'
import { close, FsFailure, isMissing, stat } from '../../../lib/fs/file-system.ts'
import { openFollowing } from '../../../lib/fs/links.ts'
import { openStored } from '../../../lib/plugin/database-options.ts'
import type { StringMatcher } from '../../../lib/regex/string-matcher.ts'
import { countText, durationText } from '../../../lib/text/duration.ts'
import { globOf, seeded } from './build.ts'
import type { TailCounters } from './counters.ts'
import { linkRuleOf } from './discovery/link-rule.ts'
import { compressedFailure } from './file/compression.ts'
import { headOf } from './file/fingerprint.ts'
import { rowForFile } from './file/stored-row.ts'
import { expandTag } from './file/tag.ts'
import { ownerOf, type TailOptions } from './options.ts'
import { scannedPaths } from './scanned-paths.ts'
import { Positions } from './tracking/positions.ts'
import { ReadErrors } from './tracking/read-errors.ts'
import { StartOffset } from './tracking/start-offset.ts'

/**
 * Finds the files that a start would follow, and where it would read each of them, with the parts that the input itself uses.
 * Rotated files that the previous run has not finished are not looked for: a start reads them before the files that are named here.
 */
export async function previewTail(
  options: TailOptions,
  ctx: PreviewContext,
  tagRegex: StringMatcher | undefined,
): Promise<InputPreview> {
  const counters = ctx.counters as TailCounters
  const patterns = options.path.flat()
  const glob = globOf(options, { counters, log: ctx.log }, new ReadErrors(counters, ctx.log))
  const opened = await openStored(ctx, options, ownerOf(options, ctx.configuredTag))
  try {
    const store = await seeded(opened, options, glob, ctx.log)
    const positions = new Positions(store, patterns, ctx.clock, ctx.log)
    positions.beginFirstScan(ctx.clock.nowMs())
    const paths = glob.find().paths.filter(isFile).sort(IN_ORDER.compare)
    const starts = new Starts(options, ctx, positions)
    const tagOf = (path: string): string => expandTag(ctx.tag, path, tagRegex)
    const tags = new Set<string>()
    for (const path of paths) if (tags.size < MAX_PREVIEWED_TAGS) tags.add(tagOf(path))
    const sources: PreviewedSource[] = paths
      .slice(0, ctx.maxSources)
      .map((path) => ({ name: path, start: starts.of(path), tag: tagOf(path) }))
    return {
      source: `${countText(paths.length)} ${paths.length === 1 ? 'file' : 'files'} of ${patterns.join(', ')}`,
      sources,
      more: paths.length - sources.length,
      files: paths.length,
      tags: [...tags],
      notes: notesOf(options, store.damaged),
    }
  } finally {
    opened.close()
  }
}

function notesOf({ db, exitOnEof, readFromHead }: TailOptions, isDamaged: boolean): string[] {
  const notes: string[] = []
  if (db === undefined && !exitOnEof)
    notes.push(
      readFromHead
        ? 'no DB: positions are not stored, so a restart reads everything again'
        : 'no DB: positions are not stored, so a restart skips what was written in between',
    )
  if (isDamaged) notes.push(`${db} is damaged: files without a position are read from their beginning`)
  return notes
}

function isFile(path: string): boolean {
  const found = stat(path)
  return found instanceof FsFailure ? !isMissing(found) : found.isFile()
}

/** web2 comes before web10. */
const IN_ORDER = new Intl.Collator('en', { numeric: true })

class Starts {
  readonly #options: TailOptions
  readonly #ctx: PreviewContext
  readonly #positions: Positions
  readonly #startOffset: StartOffset

  constructor(options: TailOptions, ctx: PreviewContext, positions: Positions) {
    this.#options = options
    this.#ctx = ctx
    this.#positions = positions
    this.#startOffset = new StartOffset({
      readFromHead: options.readFromHead,
      newFromHead: options.readNewlyDiscoveredFilesFromHead,
      compareName: options.dbCompareFilename,
      wasScanned: scannedPaths(positions, options.path.flat()),
      positions,
      counters: ctx.counters as TailCounters,
      log: ctx.log,
    })
  }

  /** Returns where a file is read from, or why it is not. */
  of(path: string): string {
    const opened = openFollowing(path, linkRuleOf(this.#options.followSymlinks)(path))
    if (opened instanceof FsFailure) return `not read: ${opened.message}`
    const { fd, stat: found } = opened
    try {
      const size = Number(found.size)
      const ageMs = this.#ctx.clock.nowMs() - Number(found.mtimeMs)
      const { ignoreOlder, db } = this.#options
      if (ignoreOlder > 0 && ageMs > ignoreOlder)
        return `skipped: not modified for ${durationText(ageMs)} (Ignore_Older)`
      const compressed = compressedFailure(headOf(fd, size))
      if (compressed !== undefined) return `not read: ${compressed.message}`
      const stored = rowForFile(this.#positions.find(found.dev, found.ino), found)
      const { offset, row, known, gzip } = this.#startOffset.forFile(stored, fd, found, path, true)
      if (row !== undefined || known !== undefined)
        return `${placeOf(offset, size)} (position in ${basename(db ?? '')})`
      return gzip?.skipTo === size ? 'from its end' : placeOf(offset, size)
    } finally {
      close(fd)
    }
  }
}

function placeOf(offset: number, size: number): string {
  if (offset === 0)
    return size === 0 ? 'from its beginning, it is empty' : `from its beginning, ${countText(size)} bytes`
  if (offset >= size) return `from its end, at ${countText(offset)} bytes`
  return `from ${countText(offset)} of ${countText(size)} bytes`
}

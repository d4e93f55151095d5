import { FsFailure, isMissing, stat } from '../../../lib/fs/file-system.ts'
import { bytesText } from '../../../lib/text/bytes.ts'
import type { TailParts } from './build.ts'
import type { TailContext } from './counters.ts'
import { AfterDowntime } from './downtime/after-downtime.ts'
import type { TailFile } from './file/tail-file.ts'
import type { TailOptions } from './options.ts'

/**
 * Finds the files that are there at the start, and those that were rotated while the agent was not running, step by
 * step. In the very first run each file is read as soon as it is found, and has a row at once. In a later one nothing is
 * read or written before the end: which rotated files come before a log is known only then, and a row that is stored
 * before would say that all of its log is known. If the agent ends before, the next run finds everything as this one did.
 */
export class FirstScan {
  /** Files and bytes that were found, for people; undefined until the end. */
  found: string | undefined
  /** With Exit_On_Eof: files that were found and not read to their end yet. */
  readonly unread = new Set<TailFile>()
  /** With Exit_On_Eof: what Path names and was not found. */
  missing: string | undefined
  readonly #options: TailOptions
  readonly #ctx: TailContext
  readonly #parts: TailParts
  /** Runs the search for files of the previous run. */
  readonly #search: () => Promise<void>
  readonly #end = Promise.withResolvers<void>()

  constructor(options: TailOptions, ctx: TailContext, parts: TailParts, search: () => Promise<void>) {
    this.#options = options
    this.#ctx = ctx
    this.#parts = parts
    this.#search = search
  }

  get isOver(): boolean {
    return this.found !== undefined
  }

  /** Begins the scan. Resolves as soon as files may be read. */
  async start(signal: AbortSignal): Promise<void> {
    const { positions, slices } = this.#parts
    const { isFirstRun } = positions
    if (!isFirstRun) positions.holdWrites(true)
    slices.run(this.#steps())
    if (isFirstRun || this.isOver) return
    await Promise.race([this.#end.promise, aborted(signal)])
  }

  /**
   * Resolves when the scan may be dropped. In the very first run it is completed: the next one would take the files that are
   * left for new ones of its own, and would not read what is written until then if Read_From_Head is off.
   */
  async stop(): Promise<void> {
    if (this.#parts.positions.areWritesHeld) return
    await this.#end.promise
  }

  *#steps(): Generator<void> {
    const { reconciler, positions, search, slices, passes, closed } = this.#parts
    yield* reconciler.firstScanSteps(this.#downtimeSteps())
    positions.holdScans(search.isPending)
    slices.run(passes.run(closed.checkSteps()))
    void this.#search()
    positions.holdWrites(false)
    // Written before the first read, which may take a while.
    positions.commit()
    this.#finish([...this.#parts.files.byKey.values()])
  }

  *#downtimeSteps(): Generator<void> {
    const { files, positions, glob, rotated, search, reconciler } = this.#parts
    const { counters, log } = this.#ctx
    const mayHaveMissed =
      positions.areWritesHeld &&
      (positions.unclaimed().length > 0 ||
        positions.skipped.all().length > 0 ||
        files.createdSinceLastScan().length > 0)
    if (!mayHaveMissed) return
    const onLast = (path: string, file: TailFile): void => reconciler.rememberLastFile(path, file)
    yield* new AfterDowntime({
      files,
      positions,
      glob,
      rotated,
      search,
      counters,
      log,
      onLast,
    }).resumeSteps()
  }

  #finish(files: TailFile[]): void {
    const { exitOnEof, path } = this.#options
    const { scheduler } = this.#parts
    const patterns = path.flat()
    // What was written to the target of a link before its directory was watched is not known yet.
    for (const file of files) scheduler.add(file)
    this.found = foundText(files)
    if (exitOnEof) {
      this.missing = missingText(patterns, files.length)
      for (const file of files) this.unread.add(file)
    } else if (files.length === 0) {
      const { counters } = this.#ctx
      const unread = counters.get('files_unreadable') + counters.get('links_refused')
      const what = unread === 0 ? 'no file matches Path yet' : 'no file that matches Path can be read yet'
      this.#ctx.log.info(`${what}; waiting for files`, { path: patterns.join(', ') })
    }
    this.#end.resolve()
    scheduler.interrupt()
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

function foundText(files: readonly TailFile[]): string {
  const bytes = files.reduce((sum, { cursor }) => sum + Math.max(0, cursor.size - cursor.startedAt), 0)
  return `${files.length} ${files.length === 1 ? 'file' : 'files'}, ${bytesText(bytes)} to read`
}

/** Names the paths without a wildcard that do not exist, or all of Path when it matches no file. */
function missingText(patterns: readonly string[], files: number): string | undefined {
  if (files === 0) return `no file matches Path ${patterns.join(', ')}`
  const missing = patterns.filter((pattern) => {
    if (WILDCARD.test(pattern)) return false
    const found = stat(pattern)
    return found instanceof FsFailure && isMissing(found)
  })
  return missing.length === 0 ? undefined : `no file at ${missing.join(', ')}`
}

const WILDCARD = /[*?[\]{}~\\]/

import { resolve } from 'node:path'
import { ShipperError } from '../../../core/error.ts'
import { COMPANION_SUFFIXES, type OffsetStore } from '../../../core/offset-store.ts'
import type { Logger } from '../../../core/services.ts'
import { FsFailure } from '../../../lib/fs/file-system.ts'
import { openDatabase } from '../../../lib/plugin/database-options.ts'
import type { StringMatcher } from '../../../lib/regex/string-matcher.ts'
import type { TailContext } from './counters.ts'
import { escapePattern } from './discovery/fnmatch.ts'
import { Glob } from './discovery/glob.ts'
import { linkRuleOf } from './discovery/link-rule.ts'
import { ExcludePattern } from './discovery/path-pattern.ts'
import { ProgressCheck } from './discovery/progress-check.ts'
import { Reconciler } from './discovery/reconciler.ts'
import type { TailFile } from './file/tail-file.ts'
import { JoinedLines } from './multiline/joined-lines.ts'
import { type Joiner, makeJoiner } from './multiline/joiner.ts'
import { MAX_TURN_BYTES, ownerOf, type TailOptions } from './options.ts'
import type { BlockEncoder } from './reading/block-encoder.ts'
import { DecodedLines } from './reading/decoded-lines.ts'
import { FileEncodings } from './reading/file-encoding.ts'
import { ParseFailures } from './reading/parse-failures.ts'
import { Passes } from './reading/passes.ts'
import { PlainLines } from './reading/plain-lines.ts'
import { FileReader } from './reading/reader.ts'
import { Scheduler } from './reading/scheduler.ts'
import { Slices } from './reading/slices.ts'
import { ClosedFiles } from './rotation/closed-files.ts'
import { limitTo } from './rotation/copies.ts'
import { IdentitySearch } from './rotation/identity-search.ts'
import { RotatedFiles } from './rotation/rotated-files.ts'
import { siblingsOf } from './rotation/siblings.ts'
import { SkippedWatch } from './rotation/skipped-watch.ts'
import { reportTruncation } from './rotation/truncation.ts'
import { scannedPaths } from './scanned-paths.ts'
import { OpenFiles } from './tracking/open-files.ts'
import { OtherInputs } from './tracking/other-inputs.ts'
import { Positions } from './tracking/positions.ts'
import { ReadErrors } from './tracking/read-errors.ts'

/** Appends to a file that keep coming are joined for this long, or for a quarter of Flush. */
const COALESCE_MS = 5
const BLOCK_BYTES = 262_144

/** The parts that can be built when the input is created. */
export interface StaticParts {
  glob: Glob
  readErrors: ReadErrors
  otherInputs: OtherInputs
  joiner: Joiner | undefined
}

/** The running parts of the input, from the search for files to the stored positions. */
export interface TailParts extends StaticParts {
  reconciler: Reconciler
  progressCheck: ProgressCheck
  files: OpenFiles
  rotated: RotatedFiles
  closed: ClosedFiles
  skipped: SkippedWatch
  search: IdentitySearch
  positions: Positions
  scheduler: Scheduler
  slices: Slices
  passes: Passes
  reader: FileReader
}

/** Builds the parts that depend on options with values that may be invalid. Throws E_CONFIG_BAD_VALUE. */
export function buildStaticParts(options: TailOptions, ctx: TailContext): StaticParts {
  if (options.unicodeEncoding !== undefined && options.genericEncoding !== undefined) {
    throw new ShipperError(
      'E_CONFIG_BAD_VALUE',
      '"unicode.encoding" and "generic.encoding" exclude each other',
      {
        option: 'generic.encoding',
      },
    )
  }
  const readErrors = new ReadErrors(ctx.counters, ctx.log)
  const glob = globOf(options, ctx, readErrors)
  // Registers before any input runs, as the first input to scan already asks for the others.
  const otherInputs = new OtherInputs(ctx.agent, glob)
  return { glob, readErrors, otherInputs, joiner: makeJoiner(options, ctx) }
}

/** Builds the search for the files that the options name. */
export function globOf(
  options: TailOptions,
  { counters, log }: Pick<TailContext, 'counters' | 'log'>,
  errors: ReadErrors,
): Glob {
  return new Glob({
    patterns: options.path.flat(),
    excludes: options.excludePath.flat(),
    hidden: databaseFiles(options.db),
    errors,
    linkRule: linkRuleOf(options.followSymlinks),
    counters,
    log,
  })
}

/** Returns the store with the positions that fluentd has left, if there are any to take over. */
export async function seeded(
  store: OffsetStore,
  options: TailOptions,
  glob: Glob,
  log: Logger,
): Promise<OffsetStore> {
  const { posFileSeed: file, db } = options
  if (file === undefined) return store
  if (db === undefined) {
    log.warn('Pos_File_Seed has no effect without DB')
    return store
  }
  const { seedFromPosFile } = await import('./tracking/pos-file.ts')
  const isFollowed = (path: string): boolean => glob.matches(path)
  return seedFromPosFile({ file, store, patterns: options.path.flat(), isFollowed, log })
}

/** Opens the database and builds the running parts. Nothing is scanned, watched or read yet. */
export async function buildTail(
  options: TailOptions,
  ctx: TailContext,
  tagRegex: StringMatcher | undefined,
  staticParts: StaticParts,
): Promise<TailParts> {
  const { glob, readErrors, otherInputs, joiner } = staticParts
  const { clock, counters, log } = ctx
  const patterns = options.path.flat()
  const parser = options.parser === undefined ? undefined : ctx.parser(options.parser)
  if (options.db === undefined) {
    log.warn('no DB is set: positions are not stored, and a restart reads files as the first start does', {
      hint: 'set DB to a file, e.g. /var/lib/shipper/pos.db',
    })
  }
  const store = await seeded(
    await openDatabase(ctx, options, ownerOf(options, ctx.configuredTag)),
    options,
    glob,
    log,
  )
  const positions = new Positions(store, patterns, clock, log, ctx.leftGarbage)
  const search = new IdentitySearch()
  const closed = new ClosedFiles({
    positions,
    search,
    clock,
    counters,
    log,
    watchMs: options.rotatedWatch,
    isOpen: ({ key }) => files.byKey.has(key),
    onUnreadable: (path, failure) => readErrors.record(path, failure, 'read'),
    reopen: (sibling, livePath, row) => {
      const file = rotated.held.open(sibling, livePath, row)
      if (file !== undefined) scheduler.add(file)
      return file
    },
    isCopy: (sibling, livePath) => rotated.truncatedCopies.isCopyOf(sibling, livePath),
    onOverwritten: (sibling, livePath) => rotated.truncatedCopies.openOverwritten(sibling, livePath),
  })
  const scheduler = new Scheduler(clock, Math.min(COALESCE_MS, ctx.flushMs / 4))
  const reader = new FileReader({
    blockBytes: BLOCK_BYTES,
    maxLineBytes: options.bufferMaxSize,
    buffers: ctx.buffers,
    clock,
    blockEncoder: buildBlockEncoder(options, ctx, joiner),
  })
  const onMore = (file: TailFile): void => scheduler.add(file)
  const files = new OpenFiles({
    tag: ctx.tag,
    tagRegex,
    format: {
      key: options.key,
      pathKey: options.pathKey,
      idKey: options.fileIdKey,
      offsetKey: options.offsetKey,
      parser,
    },
    readFromHead: options.readFromHead,
    newFromHead: options.readNewlyDiscoveredFilesFromHead,
    ignoreOlderMs: options.ignoreOlder,
    linkRule: linkRuleOf(options.followSymlinks),
    compareName: options.dbCompareFilename,
    wasScanned: scannedPaths(positions, patterns),
    takeClosed: (stat, fd, path) => closed.take(stat, fd, path),
    origin: `${ctx.agent.id}:${ctx.name}`,
    placeOrigin: ctx.wantsPlaces ? ctx.agent.id : undefined,
    positions,
    counters,
    log,
    readErrors,
    clock,
    onSettled: (file, bytes) => {
      positions.touch(file, bytes)
      scheduler.releaseParked()
      if (file.rotation.isRotated) rotated.held.closeIfDone(file)
    },
    storeMark: (file) => positions.storeMark(file),
    onSourceLeft: joiner && ((before, after) => joiner.renameSource(before, after)),
    onTruncated: (file, truncation) => {
      if (!truncation.isRewritten) positions.touch(file)
      const copy = truncation.isRewritten ? rotated.truncatedCopies.openCopies(file) : undefined
      reportTruncation(file, truncation, copy, { counters, log })
    },
    onSkippedTruncated: (file, before, isReported) => {
      const copy = rotated.skippedCopies.openCopies(file, before)
      const { offset, fingerprint } = before
      // A size that was seen while the file could not be opened may be that of the new content, unless it is known by it.
      const to = fingerprint === undefined ? positions.skipped.sizeOf(before) : offset
      const truncation = { from: offset, to, size: file.cursor.size }
      if (!isReported) reportTruncation(file, { ...truncation, isRewritten: true }, copy, { counters, log })
    },
    onMore,
    leftGarbage: ctx.leftGarbage,
    onGone: (file) => rotated.held.closeGone(file),
    findRotated: ({ identity, livePath }) =>
      siblingsOf(livePath, rotated.directories.scopeOf(livePath)).find(({ key }) => key === identity.key)
        ?.path,
  })
  const rotated = new RotatedFiles({
    files,
    positions,
    waitMs: options.rotateWait,
    holdBytes: options.holdLimit,
    holdMs: options.holdTime,
    closed,
    mayRead: (path) => !glob.excludes(path) && !otherInputs.follow(path),
    isFollowed: (path) => glob.matches(path),
    isFollowedByAny: (path) => glob.matches(path) || otherInputs.follow(path),
    continueInCopy: (original, copy) => {
      const offset = limitTo(original.cursor.offset, copy)
      // It may have less: what was written after it was made, and read.
      if (joiner === undefined || offset < original.cursor.offset) original.handOver(copy, offset)
      else joiner.continueInCopy(original, copy)
    },
    again: (file, ms) => scheduler.once(ms, () => scheduler.add(file)),
    clock,
    counters,
    log,
    readLastLine: (file) => {
      const turn = reader.readTurn(file, ctx.appender(file.tag), MAX_TURN_BYTES, true)
      // What is not at its end is scheduled by the progress check.
      if (!(turn instanceof FsFailure)) return turn === 'end'
      // The file is held until Hold_Time; after that the line counts as lost.
      readErrors.record(file.path, turn, 'read')
      return false
    },
    onMore,
    onUnknownSize: (file, failure) => {
      if (failure === undefined) readErrors.clear(file.path, 'read')
      else readErrors.record(file.path, failure, 'read')
    },
    onDrained: (file) => scheduler.release(file),
  })
  const skipped = new SkippedWatch({
    positions,
    search,
    counters,
    log,
    isFollowed: (path) => glob.matches(path),
    mayRead: (path) => !glob.excludes(path) && !otherInputs.follow(path),
    recordSize: (file, size) => files.recordSize(file, size),
    openCopy: (file) => rotated.skippedCopies.openCopy(file, file.path),
    open: (sibling, path) => {
      const file = rotated.held.open(sibling, path, undefined)
      if (file !== undefined) scheduler.add(file)
      return file
    },
  })
  const events = options.inotifyWatcher
  const slices = new Slices()
  const passes = new Passes((file) => scheduler.add(file))
  const reconciler = new Reconciler({
    glob,
    files,
    positions,
    rotated,
    scheduler,
    slices,
    passes,
    clock,
    events,
    log,
  })
  const progressCheck = new ProgressCheck(
    clock,
    Math.min(options.progressCheckInterval, options.watcherInterval),
  )
  return {
    ...staticParts,
    reconciler,
    progressCheck,
    files,
    rotated,
    closed,
    skipped,
    search,
    positions,
    scheduler,
    slices,
    passes,
    reader,
  }
}

/** Builds the encoder of blocks. Long lines and holes are logged once per file. */
function buildBlockEncoder(
  options: TailOptions,
  { buffers, clock, counters, log }: TailContext,
  joiner: Joiner | undefined,
): BlockEncoder {
  const skipLong = options.skipLongLines && !options.truncateLongLines
  const logged = new WeakSet<TailFile>()
  const marked = new WeakSet<TailFile>()
  const onLongLine = (file: TailFile): void => {
    if (logged.has(file)) return
    logged.add(file)
    log.warn(
      `${file.path} has a line longer than Buffer_Max_Size: the line is ${skipLong ? 'skipped' : 'truncated'}`,
      {
        offset: file.cursor.offset,
        buffer_max_size: options.bufferMaxSize,
        hint: `${skipLong ? 'it is' : 'its rest is'} not sent, and counted in lost_bytes; raise Buffer_Max_Size for such lines`,
      },
    )
  }
  const withHoles = new WeakSet<TailFile>()
  const onHole = (file: TailFile, bytes: number): void => {
    if (withHoles.has(file)) return
    withHoles.add(file)
    log.warn(
      `${file.path} has ${bytes} NUL bytes at the start of a line, a hole left by a truncation or a program: skipped`,
      { offset: file.cursor.offset },
    )
  }
  const common = {
    onHole,
    maxLineBytes: options.bufferMaxSize,
    skipLong,
    skipEmpty: options.skipEmptyLines,
    counters,
    onLongLine,
    failures: new ParseFailures({ parser: options.parser ?? '', key: options.key, counters, log, clock }),
    onUtf16Mark: (file: TailFile): void => {
      if (marked.has(file)) return
      marked.add(file)
      log.warn(`${file.path} begins with a UTF-16 byte order mark, but is read as UTF-8`, {
        hint: 'set unicode.encoding to auto',
      })
    },
  }
  const lines = joiner === undefined ? new PlainLines(common) : new JoinedLines(common, joiner)
  const { unicodeEncoding, genericEncoding } = options
  if (unicodeEncoding === undefined && genericEncoding === undefined) return lines
  return new DecodedLines(common, lines, new FileEncodings(unicodeEncoding, genericEncoding), buffers)
}

/**
 * Returns patterns that match the database's own files, which must never be followed: POSIX locks belong to
 * the process, so closing any descriptor of such a file would drop SQLite's locks.
 */
function databaseFiles(db: string | undefined): ExcludePattern[] {
  if (db === undefined) return []
  const path = escapePattern(resolve(db))
  const suffixes = ['', ...COMPANION_SUFFIXES, '.corrupt-*']
  return suffixes.map((suffix) => new ExcludePattern(`${path}${suffix}`))
}

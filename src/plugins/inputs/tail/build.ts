import { resolve } from 'node:path'
import { ShipperError } from '../../../core/error.ts'
import type { InputContext } from '../../../core/plugin.ts'
import { openDatabase } from '../../../lib/plugin/database-options.ts'
import { Glob } from './discovery/glob.ts'
import { ProgressCheck } from './discovery/progress-check.ts'
import { Reconciler } from './discovery/reconciler.ts'
import type { TailFile } from './file/tail-file.ts'
import { JoinedLines } from './multiline/joined-lines.ts'
import { type Joiner, makeJoiner } from './multiline/joiner.ts'
import { MAX_TURN_BYTES, type TailOptions } from './options.ts'
import type { BlockEncoder } from './reading/block-encoder.ts'
import { DecodedLines } from './reading/decoded-lines.ts'
import { FileEncodings } from './reading/file-encoding.ts'
import { PlainLines } from './reading/plain-lines.ts'
import { FileReader } from './reading/reader.ts'
import { Scheduler } from './reading/scheduler.ts'
import { RotatedFiles } from './rotation/rotated-files.ts'
import { OpenFiles } from './tracking/open-files.ts'
import { Positions } from './tracking/positions.ts'
import { ReadErrors } from './tracking/read-errors.ts'

/** Appends to a file that keep coming are joined for this long, or for a quarter of Flush. */
const COALESCE_MS = 5
const BLOCK_BYTES = 262_144

/** The parts that can be built when the input is created. */
export interface StaticParts {
  glob: Glob
  readErrors: ReadErrors
  joiner: Joiner | undefined
}

/** The running parts of the input, from the search for files to the stored positions. */
export interface TailParts extends StaticParts {
  reconciler: Reconciler
  progressCheck: ProgressCheck
  files: OpenFiles
  rotated: RotatedFiles
  positions: Positions
  scheduler: Scheduler
  reader: FileReader
}

/** Builds what depends on options that may be wrong. Throws for a bad pattern, and E_CONFIG_BAD_VALUE. */
export function buildStaticParts(options: TailOptions, ctx: InputContext): StaticParts {
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
  const excluded = [...options.excludePath.flat(), ...databasePaths(options.db)]
  const glob = new Glob(options.path.flat(), excluded, readErrors)
  return { glob, readErrors, joiner: makeJoiner(options, ctx) }
}

/** Opens the database and builds the running parts. Nothing is scanned, watched or read yet. */
export async function buildTail(
  options: TailOptions,
  ctx: InputContext,
  tagRegex: RegExp | undefined,
  staticParts: StaticParts,
): Promise<TailParts> {
  const { glob, readErrors, joiner } = staticParts
  const { clock, counters, log } = ctx
  const paths = options.path.flat().join(',')
  const parser = options.parser === undefined ? undefined : ctx.parser(options.parser)
  if (options.db === undefined) {
    log.warn('no DB is set: positions are not stored, and a restart reads files as the first start does', {
      hint: 'set DB to a file, e.g. /var/lib/shipper/pos.db',
    })
  }
  const store = await openDatabase(ctx, options, `${paths} ${ctx.configuredTag ?? ''}`)
  const positions = new Positions(store, paths, clock, log)
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
    compareName: options.dbCompareFilename,
    origin: `${ctx.agent.id}:${ctx.name}`,
    positions,
    counters,
    log,
    readErrors,
    nowMs: () => clock.nowMs(),
    onSettled: (file, bytes) => {
      positions.touch(file, bytes)
      if (file.rotation.isRotated) rotated.closeIfDone(file)
    },
    onMore,
  })
  const rotated = new RotatedFiles({
    files,
    positions,
    waitMs: options.rotateWait,
    holdBytes: options.holdLimit,
    holdMs: options.holdTime,
    clock,
    counters,
    log,
    readLastLine: (file) => {
      try {
        return reader.readTurn(file, ctx.appender(file.tag), MAX_TURN_BYTES, true) !== 'full'
      } catch (error) {
        // The file is held until Hold_Time; then the line counts as lost.
        readErrors.record(file.path, error)
        return false
      }
    },
    onMore,
    onDrained: (file) => scheduler.release(file),
  })
  const events = options.inotifyWatcher
  const reconciler = new Reconciler({ glob, files, positions, rotated, scheduler, clock, events, log })
  const progressCheck = new ProgressCheck(
    clock,
    Math.min(options.progressCheckInterval, options.watcherInterval),
  )
  return { ...staticParts, reconciler, progressCheck, files, rotated, positions, scheduler, reader }
}

/** Builds the part that turns blocks into entries; long lines are logged once per file. */
function buildBlockEncoder(
  options: TailOptions,
  { buffers, counters, log }: InputContext,
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
      { offset: file.cursor.offset, buffer_max_size: options.bufferMaxSize },
    )
  }
  const common = {
    maxLineBytes: options.bufferMaxSize,
    skipLong,
    skipEmpty: options.skipEmptyLines,
    counters,
    onLongLine,
    onUtf16Mark: (file: TailFile): void => {
      if (marked.has(file)) return
      marked.add(file)
      log.warn(`${file.path} begins with the byte order mark of UTF-16: its lines are read as UTF-8`, {
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
 * Returns the paths of the database's own files, which must never be followed: closing any descriptor of one of them
 * drops SQLite's locks, as POSIX locks belong to the process, not to the descriptor.
 */
function databasePaths(db: string | undefined): string[] {
  if (db === undefined) return []
  const path = resolve(db)
  return ['', '-wal', '-shm', '-journal', '.lock', '.corrupt-*'].map((suffix) => `${path}${suffix}`)
}

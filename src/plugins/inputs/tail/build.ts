import { resolve } from 'node:path'
import type { InputContext } from '../../../core/plugin.ts'
import type { Logger } from '../../../core/services.ts'
import { openDatabase } from '../../../lib/plugin/offset-database.ts'
import { Glob } from './discovery/glob.ts'
import type { FileNames } from './file/entry-encoder.ts'
import type { TailFile } from './file/tail-file.ts'
import { JoinedLines } from './multiline/joined-lines.ts'
import type { Joiner } from './multiline/joiner.ts'
import type { OpenRecords } from './multiline/open-records.ts'
import type { TailOptions } from './options.ts'
import type { BlockEncoder } from './reading/block-encoder.ts'
import { PlainLines } from './reading/plain-lines.ts'
import { RotatedFiles } from './rotation/rotated-files.ts'
import { OpenFiles } from './tracking/open-files.ts'
import { Positions } from './tracking/positions.ts'
import type { ReadErrors } from './tracking/read-errors.ts'

/** What the parts tell the loop. */
interface TailEvents {
  /** The position of a file moved over this many bytes. */
  settled: (file: TailFile, bytes: number) => void
  /** There is something to read. */
  more: (file: TailFile) => void
  /** Reads a last line without newline; false when memory is full or it cannot be read. */
  finish: (file: TailFile) => boolean
  /** Nothing more comes from this file. */
  drained: (file: TailFile) => void
  trouble: ReadErrors
  groupsOf: ((names: FileNames) => OpenRecords) | undefined
}

/** Opens the database and puts together what keeps the files. */
export async function buildTail(
  o: TailOptions,
  ctx: InputContext,
  tagRegex: RegExp | undefined,
  events: TailEvents,
): Promise<{ positions: Positions; files: OpenFiles; rotated: RotatedFiles }> {
  const { clock, counters, log } = ctx
  if (o.db === undefined) {
    log.warn('positions are not kept (no DB): after a restart reading starts as on a first start', {
      hint: 'set DB to a file, e.g. /var/lib/shipper/pos.db',
    })
  }
  const parser = o.parser === undefined ? undefined : ctx.parser(o.parser)
  const paths = o.path.flat().join(',')
  const store = await openDatabase(ctx, o, `${paths} ${ctx.configuredTag ?? ''}`)
  const positions = new Positions(store, paths, clock, log)
  const files = new OpenFiles({
    tag: ctx.tag,
    tagRegex,
    format: { key: o.key, pathKey: o.pathKey, idKey: o.fileIdKey, offsetKey: o.offsetKey, parser },
    readFromHead: o.readFromHead,
    newFromHead: o.readNewlyDiscoveredFilesFromHead,
    ignoreOlderMs: o.ignoreOlder,
    compareName: o.dbCompareFilename,
    origin: `${ctx.agent.id}:${ctx.name}`,
    positions,
    counters,
    log,
    trouble: events.trouble,
    nowMs: () => clock.nowMs(),
    groupsOf: events.groupsOf,
    onSettled: events.settled,
    onMore: events.more,
  })
  const rotated = new RotatedFiles({
    files,
    positions,
    waitMs: o.rotateWait,
    holdBytes: o.holdLimit,
    holdMs: o.holdTime,
    clock,
    counters,
    log,
    finish: events.finish,
    opened: events.more,
    drained: events.drained,
  })
  return { positions, files, rotated }
}

/** What reads the lines of a block; a long one is said once for each file. */
export function buildBlockEncoder(
  o: TailOptions,
  { counters, log }: InputContext,
  grouper?: Joiner,
): BlockEncoder {
  const skipLong = o.skipLongLines && !o.truncateLongLines
  const said = new WeakSet<TailFile>()
  const onLongLine = (file: TailFile): void => {
    if (said.has(file)) return
    said.add(file)
    log.warn(`${file.path} has a line longer than Buffer_Max_Size: it is ${skipLong ? 'left out' : 'cut'}`, {
      offset: file.offset,
      buffer_max_size: o.bufferMaxSize,
    })
  }
  const loop = { maxLineBytes: o.bufferMaxSize, skipLong, skipEmpty: o.skipEmptyLines, counters, onLongLine }
  return grouper === undefined ? new PlainLines(loop) : new JoinedLines(loop, grouper)
}

export function buildGlob({ path, excludePath, db }: TailOptions, trouble: ReadErrors): Glob {
  return new Glob(path.flat(), [...excludePath.flat(), ...ownFiles(db)], trouble)
}

export function logNothingFound({ exitOnEof, path }: TailOptions, log: Logger): void {
  if (exitOnEof) log.warn('no file matches Path: nothing to read')
  else log.info('no file matches Path: what comes is read', { path: path.flat().join(', ') })
}

/**
 * The database's own files, never to be followed: closing any descriptor of them would drop SQLite's locks, which belong
 * to the process and not to the descriptor.
 */
function ownFiles(db: string | undefined): string[] {
  if (db === undefined) return []
  const path = resolve(db)
  return ['', '-wal', '-shm', '-journal', '.lock', '.corrupt-*'].map((ending) => `${path}${ending}`)
}

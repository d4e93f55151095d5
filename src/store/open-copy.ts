import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { ShipperError } from '../core/error.ts'
import type { OffsetOptions, OffsetStore } from '../core/offset-store.ts'
import type { Logger } from '../core/services.ts'
import { FsFailure, isMissing, readRegular, stat } from '../lib/fs/file-system.ts'
import { lockPath } from './agent-lock.ts'
import { type OffsetContext, openOffsets } from './open.ts'

/** Largest database that is copied: a million positions take about 200 MB. */
const MAX_COPIED_BYTES = 300_000_000

/**
 * Opens a copy of the positions stored in the database `path`, which stays as it is, also while an agent uses it. When there
 * is none, the copy is empty. The copy is removed by `close`. Throws E_STORE_UNREADABLE.
 */
export async function openCopy(
  path: string | undefined,
  options: OffsetOptions,
  ctx: OffsetContext,
): Promise<OffsetStore> {
  if (path === undefined) return openOffsets(undefined, options, ctx)
  const source = resolve(path)
  const bytes = bytesOf(source)
  const folder = mkdtempSync(join(tmpdir(), 'shipper-positions-'))
  const remove = (): void => rmSync(folder, { recursive: true, force: true })
  try {
    const copy = join(folder, 'copy.db')
    if (bytes !== undefined) write(copy, bytes, source)
    const log = bytesOf(`${source}-wal`)
    if (log !== undefined) write(`${copy}-wal`, log, `${source}-wal`)
    // An agent that has used it before tells a damaged database from a foreign file.
    if (!(stat(lockPath(source)) instanceof FsFailure)) writeFileSync(lockPath(copy), '')
    const store = await openNamed(copy, source, options, ctx)
    const close = store.close.bind(store)
    store.close = () => {
      close()
      remove()
    }
    return store
  } catch (error) {
    remove()
    throw error
  }
}

/** Opens the copy; an error names the database, and what is done about a damaged copy is not logged. */
async function openNamed(
  copy: string,
  source: string,
  options: OffsetOptions,
  ctx: OffsetContext,
): Promise<OffsetStore> {
  try {
    return await openOffsets(copy, options, { ...ctx, log: SILENT })
  } catch (error) {
    if (!(error instanceof ShipperError)) throw error
    const { code, hint, cause } = error
    throw new ShipperError(code, error.message.replaceAll(copy, source), { hint, cause })
  }
}

const SILENT: Logger = { error() {}, warn() {}, info() {}, debug() {} }

/** Returns the content of a file, or undefined when there is none or it is empty. */
function bytesOf(path: string): Buffer | undefined {
  const bytes = readRegular(path, MAX_COPIED_BYTES)
  if (isMissing(bytes)) return undefined
  if (bytes instanceof FsFailure)
    throw new ShipperError('E_STORE_UNREADABLE', `cannot read ${path}: ${bytes.message}`)
  return bytes.length === 0 ? undefined : bytes
}

/** Writes a copy with the time of its source, which says when positions were written last. */
function write(copy: string, bytes: Buffer, source: string): void {
  writeFileSync(copy, bytes, { mode: 0o600 })
  const found = stat(source)
  if (!(found instanceof FsFailure))
    utimesSync(copy, Number(found.atimeMs) / 1000, Number(found.mtimeNs) / 1e9)
}

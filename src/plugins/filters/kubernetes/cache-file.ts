import { createHash } from 'node:crypto'
import { open, rename, rm } from 'node:fs/promises'
import { messageOf } from '../../../core/error.ts'
import type { Clock, Logger, TimerHandle } from '../../../core/services.ts'
import { FsFailure, isMissing, readRegular } from '../../../lib/fs/file-system.ts'
import type { NamespaceCache } from './api/namespace-cache.ts'
import type { Namespace, Pod } from './pods/pod.ts'
import { DELETED_TTL_MS, type PodCache } from './pods/pod-cache.ts'

const FORMAT = 'shipper-kubernetes-pods'
const VERSION = 2
/** Maximum size of the body: further lines are not written, and a larger file is not read. */
const MAX_BYTES = 16_000_000
const MAX_FIRST_LINE_BYTES = 1000
/** Delay from the first change to the write, which then includes later changes. */
const WRITE_DELAY_MS = 3000
const MODE = 0o600

interface StoredPod {
  pod: Pod
  /** Time of deletion in milliseconds. */
  goneMs?: number
}

interface StoredNamespace {
  namespace: string
  value: Namespace
}

/** The caches that are stored. */
interface CachedObjects {
  pods: PodCache
  namespaces: NamespaceCache
}

/**
 * A file with the known pods and namespaces, so that a restart does not need the API. Labels and annotations may be
 * confidential: only the owner can read the file.
 *
 * ```
 *   {"format":"shipper-kubernetes-pods","version":2,"bytes":N,"sha256":"..."}     of the lines below
 *   {"namespace":"...","value":{"labels":{...},"annotations":{...}}}              one line each
 *   {"pod":{...},"goneMs":...}
 * ```
 * It is written to a temporary file, synced and renamed, and used only when length and hash are right.
 */
export class CacheFile {
  readonly #path: string
  readonly #cached: CachedObjects
  readonly #clock: Clock
  readonly #log: Logger
  #timer: TimerHandle | undefined
  #writing: Promise<void> = Promise.resolve()
  #isDirty = false
  /** Last warning that was logged, '' after a successful write. */
  #loggedWarning = ''

  constructor(path: string, cached: CachedObjects, clock: Clock, log: Logger) {
    this.#path = path
    this.#cached = cached
    this.#clock = clock
    this.#log = log
  }

  /** Restores pods and namespaces from the file; a file that is missing, damaged or of another version is ignored. */
  load(): void {
    const bytes = readRegular(this.#path, MAX_BYTES + MAX_FIRST_LINE_BYTES)
    if (bytes instanceof FsFailure) {
      const { message } = bytes
      if (!isMissing(bytes)) this.#warnOnce(`cannot read pod cache ${this.#path}: ${message}`)
      return
    }
    const lines = validLines(bytes)
    if (lines === undefined) {
      this.#warnOnce(`pod cache ${this.#path} is damaged or of another version: ignoring and replacing it`)
      return
    }
    const { pods, namespaces } = this.#cached
    const oldestMs = this.#clock.nowMs() - DELETED_TTL_MS
    for (const line of lines) {
      const stored = parseLine(line)
      if (stored === undefined) continue
      if ('namespace' in stored) namespaces.restore(stored.namespace, stored.value)
      else if (stored.goneMs === undefined || stored.goneMs >= oldestMs)
        pods.restore(stored.pod, stored.goneMs)
    }
    if (lines.length > 0) this.#log.debug(`restored ${pods.size} pods from ${this.#path}`)
  }

  /** Schedules a write after a change. */
  scheduleWrite(): void {
    this.#isDirty = true
    this.#timer ??= this.#clock.after(WRITE_DELAY_MS, () => {
      this.#timer = undefined
      this.#writing = this.#writing.then(() => this.#write())
    })
  }

  async close(): Promise<void> {
    this.#clock.cancel(this.#timer)
    this.#timer = undefined
    await this.#writing
    await this.#write()
  }

  async #write(): Promise<void> {
    if (!this.#isDirty) return
    this.#isDirty = false
    const temporary = `${this.#path}.new`
    try {
      await rm(temporary, { force: true })
      const file = await open(temporary, 'wx', MODE)
      try {
        await file.writeFile(this.#encode())
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(temporary, this.#path)
      this.#loggedWarning = ''
    } catch (error) {
      this.#warnOnce(`cannot write pod cache ${this.#path}: ${messageOf(error)}`)
    }
  }

  /** Returns the content of the file. Deleted pods come last, as they are the first to be omitted at the size limit. */
  #encode(): Buffer {
    const parts: string[] = []
    let bytes = 0
    const pods = this.#cached.pods
      .all()
      .sort((a, b) => Number(a.deletedMs !== undefined) - Number(b.deletedMs !== undefined))
      .map(({ pod, deletedMs }) => ({ pod, goneMs: deletedMs }))
    for (const stored of [...this.#cached.namespaces.all(), ...pods]) {
      const line = `${JSON.stringify(stored)}\n`
      bytes += Buffer.byteLength(line)
      if (bytes > MAX_BYTES) break
      parts.push(line)
    }
    const body = Buffer.from(parts.join(''))
    const header = { format: FORMAT, version: VERSION, bytes: body.length, sha256: sha256(body) }
    return Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), body])
  }

  /** Logs the warning unless it repeats the last one. */
  #warnOnce(message: string): void {
    if (message === this.#loggedWarning) return
    this.#loggedWarning = message
    this.#log.warn(message, {
      hint: 'without it no pods are known after a restart while the API is unreachable',
    })
  }
}

/** Returns the lines of the body, or undefined when header, length or hash are not right. */
function validLines(bytes: Buffer): string[] | undefined {
  const end = bytes.indexOf(10)
  if (end < 0) return undefined
  try {
    const header = JSON.parse(bytes.toString('utf8', 0, end)) as Record<string, unknown>
    const body = bytes.subarray(end + 1)
    const matches = header.format === FORMAT && header.version === VERSION && header.bytes === body.length
    if (!matches || header.sha256 !== sha256(body)) return undefined
    return body
      .toString()
      .split('\n')
      .filter((line) => line !== '')
  } catch {
    return undefined
  }
}

/** Returns what a line has; undefined for a line that this version does not write. */
function parseLine(line: string): StoredPod | StoredNamespace | undefined {
  try {
    const stored = JSON.parse(line) as { pod?: Partial<Pod>; namespace?: unknown; value?: Partial<Namespace> }
    const { pod, namespace, value } = stored
    const isPod =
      [pod?.uid, pod?.name, pod?.namespace].every((text) => typeof text === 'string') &&
      Array.isArray(pod?.containers)
    const isNamespace =
      typeof namespace === 'string' && isObject(value?.labels) && isObject(value?.annotations)
    return isPod || isNamespace ? (stored as StoredPod | StoredNamespace) : undefined
  } catch {
    return undefined
  }
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

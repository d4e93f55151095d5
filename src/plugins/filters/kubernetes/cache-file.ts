import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { open, rename, rm } from 'node:fs/promises'
import { messageOf, systemCode } from '../../../core/error.ts'
import type { Clock, Logger, TimerHandle } from '../../../core/services.ts'
import type { Namespace, NamespaceCache } from './api/namespaces.ts'
import type { Pod } from './pods/pod.ts'
import { KEPT_MS, type PodCache } from './pods/pod-cache.ts'

const FORMAT = 'shipper-kubernetes-pods'
const VERSION = 2
/** What is behind it is left out when writing; a larger file is not read. */
const MOST_BYTES = 16_000_000
/** Changes are stored together, at most this often. */
const DELAY_MS = 3000
const MODE = 0o600

interface StoredPod {
  pod: Pod
  goneMs?: number
}

interface StoredNamespace {
  namespace: string
  value: Namespace
}

/** What is kept. */
interface Kept {
  pods: PodCache
  namespaces: NamespaceCache
}

/**
 * The known pods and namespaces in a file, so that a restart needs no API. They may carry what is not for everybody:
 * only the owner reads it.
 *
 * ```
 *   {"format":"shipper-kubernetes-pods","version":2,"bytes":N,"sha256":"..."}     of what follows
 *   {"namespace":"...","value":{"labels":{...},"annotations":{...}}}              a line each
 *   {"pod":{...},"goneMs":...}
 * ```
 * It is written beside itself, synced and renamed, and believed only when length and hash are right.
 */
export class CacheFile {
  readonly #path: string
  readonly #kept: Kept
  readonly #clock: Clock
  readonly #log: Logger
  #timer: TimerHandle | undefined
  #writing: Promise<void> = Promise.resolve()
  #dirty = false
  #trouble = ''

  constructor(path: string, kept: Kept, clock: Clock, log: Logger) {
    this.#path = path
    this.#kept = kept
    this.#clock = clock
    this.#log = log
  }

  /** Takes up what was stored; what is damaged, of another version or not there is as good as nothing. */
  load(): void {
    let bytes: Buffer
    try {
      bytes = readFileSync(this.#path)
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') this.#say(`cannot read ${this.#path}: ${messageOf(error)}`)
      return
    }
    const lines = contentOf(bytes)
    if (lines === undefined) {
      this.#say(`${this.#path} is damaged, or no snapshot of pods: it is not used, and written anew`)
      return
    }
    const { pods, namespaces } = this.#kept
    const oldest = this.#clock.nowMs() - KEPT_MS
    for (const line of lines) {
      const stored = JSON.parse(line) as StoredPod | StoredNamespace
      if ('namespace' in stored) namespaces.restore(stored.namespace, stored.value)
      else if (stored.goneMs === undefined || stored.goneMs >= oldest) pods.restore(stored.pod, stored.goneMs)
    }
    if (lines.length > 0) this.#log.debug(`${pods.size} pods are known from ${this.#path}`)
  }

  /** Something changed: it is stored soon. */
  touch(): void {
    this.#dirty = true
    this.#timer ??= this.#clock.after(DELAY_MS, () => {
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
    if (!this.#dirty) return
    this.#dirty = false
    const temporary = `${this.#path}.new`
    try {
      await rm(temporary, { force: true })
      const file = await open(temporary, 'wx', MODE)
      try {
        await file.writeFile(this.#content())
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(temporary, this.#path)
      this.#trouble = ''
    } catch (error) {
      this.#say(`cannot write ${this.#path}: ${messageOf(error)}`)
    }
  }

  /** Of the pods those that are there first: one that is gone is worth less. */
  #content(): Buffer {
    const parts: string[] = []
    let bytes = 0
    const pods = this.#kept.pods
      .all()
      .sort((a, b) => Number(a.goneMs !== undefined) - Number(b.goneMs !== undefined))
      .map(({ pod, goneMs }) => ({ pod, goneMs }))
    for (const stored of [...this.#kept.namespaces.all(), ...pods]) {
      const line = `${JSON.stringify(stored)}\n`
      bytes += Buffer.byteLength(line)
      if (bytes > MOST_BYTES) break
      parts.push(line)
    }
    const body = Buffer.from(parts.join(''))
    const head = { format: FORMAT, version: VERSION, bytes: body.length, sha256: hashOf(body) }
    return Buffer.concat([Buffer.from(`${JSON.stringify(head)}\n`), body])
  }

  #say(message: string): void {
    if (message === this.#trouble) return
    this.#trouble = message
    this.#log.warn(message, { hint: 'without it a restart while the API is away knows no pods' })
  }
}

function contentOf(bytes: Buffer): string[] | undefined {
  const end = bytes.indexOf(10)
  if (end < 0 || bytes.length > MOST_BYTES + 1000) return undefined
  try {
    const head = JSON.parse(bytes.toString('utf8', 0, end)) as Record<string, unknown>
    const body = bytes.subarray(end + 1)
    const known = head.format === FORMAT && head.version === VERSION && head.bytes === body.length
    if (!known || head.sha256 !== hashOf(body)) return undefined
    return body
      .toString()
      .split('\n')
      .filter((line) => line !== '')
  } catch {
    return undefined
  }
}

function hashOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

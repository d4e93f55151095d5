import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { ShipperError } from '../../../src/core/error.ts'
import type { OffsetOptions, OffsetRow, OffsetStore } from '../../../src/core/offset-store.ts'
import { type Database, type Driver, loadSqlite } from '../../../src/store/driver.ts'
import { type OffsetContext, openOffsets } from '../../../src/store/open.ts'

/**
 * A case of the offset store contract, for any driver and runtime. No test runner is imported, so that node can run it too.
 * Each case gets an empty directory.
 */
export interface OffsetCase {
  name: string
  run(t: Bench): Promise<void>
}

export const OPTIONS: OffsetOptions = { sync: 'normal', locking: false, journalMode: 'WAL' }
const PEER = resolve(import.meta.dirname, '../../support/store/peer-process.ts')

/** Tools of one case; `end` closes and kills what it left behind. */
export class Bench {
  readonly path: string
  readonly dir: string
  readonly driver: Driver
  readonly logged: string[] = []
  #children: ChildProcess[] = []
  #stores: OffsetStore[] = []

  constructor(dir: string, driver: Driver) {
    this.dir = dir
    this.path = join(dir, 'pos.db')
    this.driver = driver
  }

  async open(options: Partial<OffsetOptions> = {}, path = this.path): Promise<OffsetStore> {
    const store = await openOffsets(path, { ...OPTIONS, ...options }, this.context)
    this.#stores.push(store)
    return store
  }

  get context(): OffsetContext {
    const logAt = (level: string) => (message: string) => void this.logged.push(`${level}: ${message}`)
    const log = { error: logAt('error'), warn: logAt('warn'), info: logAt('info'), debug: logAt('debug') }
    return { log, driver: this.driver, busyMs: 0 }
  }

  /** Runs SQL directly, as another program would. */
  async sql<T>(use: (db: Database) => T, path = this.path): Promise<T> {
    const db = (await loadSqlite(this.driver))(path, 0)
    try {
      return use(db)
    } finally {
      db.close()
    }
  }

  /** Starts a second process; resolves with its output and a function that ends it. */
  async peer(
    mode: 'agent' | 'hold',
    options: { path?: string; uid?: number } = {},
  ): Promise<{
    child: ChildProcess
    answer: Record<string, unknown>
    end(signal?: NodeJS.Signals): Promise<void>
  }> {
    const { path = this.path, uid } = options
    const child = spawn(process.execPath, [PEER, mode, path, this.driver], {
      stdio: ['pipe', 'pipe', 'inherit'],
      ...(uid === undefined ? {} : { uid }),
    })
    this.#children.push(child)
    const closed = new Promise<void>((done) => child.once('close', () => done()))
    const line = await new Promise<string>((done, fail) => {
      let text = ''
      child.stdout?.on('data', (bytes) => {
        text += bytes
        if (text.includes('\n')) done(text)
      })
      child.once('close', (code) => fail(new Error(`the peer ended with ${code}: ${text}`)))
    })
    const end = async (signal?: NodeJS.Signals): Promise<void> => {
      if (signal === undefined) child.stdin?.end()
      else child.kill(signal)
      await closed
    }
    return { child, answer: JSON.parse(line), end }
  }

  end(): void {
    for (const child of this.#children) if (child.exitCode === null) child.kill('SIGKILL')
    for (const store of this.#stores) store.close()
  }
}

export function row(n: number, change: Partial<OffsetRow> = {}): OffsetRow {
  return {
    id: undefined,
    name: `/var/log/app-${n}.log`,
    offset: n * 1000,
    inode: BigInt(1000 + n),
    created: 1_700_000_000 + n,
    rotated: false,
    marker: -BigInt(n) - 1n,
    markerSize: 32,
    openedAs: `/var/log/app-${n}.log`,
    device: 66n,
    fingerprint: `00112233445566${String(n % 100).padStart(2, '0')}`,
    fingerprintSize: 1024,
    streamOffset: undefined,
    skipping: false,
    ...change,
  }
}

export function rows(count: number, from = 0): OffsetRow[] {
  return Array.from({ length: count }, (_, i) => row(from + i))
}

export async function refused(promise: Promise<unknown>): Promise<ShipperError> {
  try {
    await promise
  } catch (error) {
    assert.ok(error instanceof ShipperError, `not a ShipperError: ${error}`)
    return error
  }
  throw new assert.AssertionError({ message: 'it was not refused' })
}

/** Overwrites a file from an offset to its end. */
export function damageFrom(path: string, at: number): void {
  const bytes = readFileSync(path)
  bytes.fill(0xa5, at)
  writeFileSync(path, bytes)
}

export const names = (store: OffsetStore): string[] => store.rows().map((r) => r.name)

/** Fails unless the text contains every part. */
export function includesAll(text: unknown, ...parts: string[]): void {
  for (const part of parts) assert.ok(String(text).includes(part), `"${text}" does not say "${part}"`)
}

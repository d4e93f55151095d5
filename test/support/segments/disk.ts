import { closeSync, existsSync, type PathLike, readFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { systemCalls } from '../../../src/lib/fs/system-calls.ts'
import type { Random } from '../../fuzz/random.ts'
import type { Files } from './logs.ts'

type Call = keyof typeof systemCalls

/** Calls that a log makes. */
const CALLS: readonly Call[] = [
  'closeSync',
  'fdatasync',
  'fdatasyncSync',
  'fstatSync',
  'fsync',
  'fsyncSync',
  'ftruncateSync',
  'lstatSync',
  'mkdirSync',
  'openSync',
  'readdirSync',
  'readSync',
  'renameSync',
  'statSync',
  'unlinkSync',
  'writeSync',
  'writevSync',
]

const original = { ...systemCalls }
const SECTOR = 512

function failure(code: string, call: string): Error {
  return Object.assign(new Error(`${code}: injected, ${call}`), { code })
}

/** Stands between a log and the disk: fails calls, and knows what a power failure leaves. */
export class TestDisk {
  /** Number of calls until now. */
  calls = 0
  readonly names: Call[] = []
  /** Returns the errno with which a call fails. */
  fails: (index: number, call: Call) => string | undefined = () => undefined
  /** Bytes of a write that reach the file before it fails. */
  partial = 0
  readonly #paths = new Map<number, string>()
  /** Content of each file when it was synced last, and the names that the folder has on the disk. */
  readonly #durable = new Map<string, Buffer>()
  #entries = new Set<string>()
  /** Path of each file when it was last seen, with its content: for names that were removed. */
  readonly #removed = new Map<string, Buffer>()

  constructor() {
    for (const call of CALLS) {
      const run = original[call] as (...args: unknown[]) => unknown
      Object.assign(systemCalls, {
        [call]: (...args: unknown[]) => this.#call(call, run, args),
      })
    }
  }

  restore(): void {
    Object.assign(systemCalls, original)
    for (const fd of this.#paths.keys()) closeSync(fd)
    this.#paths.clear()
  }

  #call(call: Call, run: (...args: unknown[]) => unknown, args: unknown[]): unknown {
    const code = this.fails(this.calls++, call)
    this.names.push(call)
    const done = typeof args.at(-1) === 'function' ? (args.at(-1) as (error: unknown) => void) : undefined
    if (code !== undefined) {
      if (this.partial > 0 && call === 'writeSync')
        original.writeSync(
          args[0] as number,
          args[1] as Buffer,
          0,
          Math.min(this.partial, (args[1] as Buffer).length),
          args[4] as number,
        )
      if (this.partial > 0 && call === 'writevSync')
        original.writevSync(
          args[0] as number,
          [((args[1] as Buffer[])[0] as Buffer).subarray(0, this.partial)],
          args[2] as number,
        )
      const error = failure(code, call)
      if (done === undefined) throw error
      queueMicrotask(() => done(error))
      return undefined
    }
    if (call === 'unlinkSync') this.#removed.set(String(args[0]), readFileSync(args[0] as PathLike))
    const result = run(...args)
    if (call === 'openSync') this.#paths.set(result as number, String(args[0]))
    if (call === 'closeSync') this.#paths.delete(args[0] as number)
    if (call === 'fdatasync' || call === 'fdatasyncSync') this.#syncFile(args[0] as number)
    if (call === 'fsync' || call === 'fsyncSync') this.#syncFolder(args[0] as number)
    return result
  }

  /** Takes the files of a folder, which were made by other means, for synced. */
  keep(folder: string): void {
    for (const name of readdir(folder))
      this.#durable.set(`${folder}/${name}`, readFileSync(`${folder}/${name}`))
    this.#keepNames(folder)
  }

  #syncFile(fd: number): void {
    const path = this.#paths.get(fd) as string
    this.#durable.set(path, readFileSync(path))
  }

  #syncFolder(fd: number): void {
    this.#keepNames(this.#paths.get(fd) as string)
  }

  /** Other folders may be those of logs that were killed and go on. */
  #keepNames(folder: string): void {
    const isIn = (path: string): boolean => dirname(path) === folder
    const others = [...this.#entries].filter((path) => !isIn(path))
    this.#entries = new Set([...others, ...readdir(folder).map((name) => `${folder}/${name}`)])
    for (const path of this.#removed.keys()) if (isIn(path)) this.#removed.delete(path)
  }

  /** Returns files as a power failure may leave them: of what was not synced each sector, each name and each removal may be there or not. */
  afterPowerFailure(folder: string, random: Random): Files {
    const files = new Map<string, Buffer>()
    const now = new Map(
      readdir(folder).map((name) => [`${folder}/${name}`, readFileSync(`${folder}/${name}`)]),
    )
    for (const [path, content] of now) {
      if (!this.#entries.has(path) && random.below(2) === 0) continue
      files.set(basename(path), mixed(this.#durable.get(path) ?? Buffer.alloc(0), content, random))
    }
    for (const [path, content] of this.#removed)
      if (dirname(path) === folder && !now.has(path) && random.below(2) === 0)
        files.set(basename(path), mixed(this.#durable.get(path) ?? Buffer.alloc(0), content, random))
    return files
  }
}

function readdir(folder: string): string[] {
  return existsSync(folder) ? (original.readdirSync(folder) as unknown as string[]) : []
}

/** Returns the old content with some of the sectors of the new one. */
function mixed(old: Buffer, content: Buffer, random: Random): Buffer {
  if (old.equals(content)) return content
  const size = random.below(3) === 0 ? old.length : content.length
  const out = Buffer.alloc(size)
  old.copy(out)
  const isTakenAll = random.below(4) === 0
  for (let at = 0; at < size; at += SECTOR) {
    if (!isTakenAll && random.below(2) === 0) continue
    const end = Math.min(at + SECTOR, size, content.length)
    // A sector that did not change is not written.
    if (end > at) content.copy(out, at, at, end)
  }
  return out
}

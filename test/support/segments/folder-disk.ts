import { cpSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { SegmentLog } from '../../../src/lib/segments/types.ts'
import type { Random } from '../../fuzz/random.ts'
import type { BenchDisk, BenchLog } from '../engine/memory-segments.ts'
import { tmp } from '../tmp.ts'
import type { TestDisk } from './disk.ts'
import { openLog, writeFiles } from './logs.ts'

/** Size from which a segment is full: a run of a test has some of them. */
const SEGMENT_BYTES = 150_000

/** A disk with real segments in a folder, with faults of the calls that the log makes. */
export class FolderDisk implements BenchDisk {
  appendFails = 0
  syncFails = 0
  readonly #folder = join(tmp(), 'buffer')
  readonly #calls: TestDisk
  readonly #random: Random

  constructor(calls: TestDisk, random: Random) {
    this.#calls = calls
    this.#random = random
    calls.fails = (_, call) => {
      if (call === 'fdatasync' && this.syncFails > 0) {
        this.syncFails--
        return 'EIO'
      }
      if ((call !== 'writeSync' && call !== 'writevSync') || this.appendFails <= 0) return undefined
      this.appendFails--
      return 'ENOSPC'
    }
  }

  copy(isPowerLost: boolean): FolderDisk {
    const copy = new FolderDisk(this.#calls, this.#random)
    if (isPowerLost) writeFiles(copy.#folder, this.#calls.afterPowerFailure(this.#folder, this.#random))
    else cpSync(this.#folder, copy.#folder, { recursive: true })
    this.#calls.keep(copy.#folder)
    return copy
  }

  open(outputs: readonly string[]): BenchLog {
    return held(openLog(this.#folder, { outputs, segmentBytes: SEGMENT_BYTES }).log)
  }

  get segmentsLeft(): number {
    return readdirSync(this.#folder).filter((name) => name.endsWith('.seg')).length
  }
}

/** Returns the log with syncs that can be held back. */
function held(log: SegmentLog): BenchLog {
  const waiting: (() => void)[] = []
  const syncs = new Set<Promise<void>>()
  const more = {
    holdsSyncs: false,
    release: () => {
      for (const resolve of waiting.splice(0)) resolve()
    },
    sync: () => {
      const sync = (async () => {
        if (bench.holdsSyncs) await new Promise<void>((resolve) => waiting.push(resolve))
        const running = log.sync()
        syncs.add(running)
        await running.finally(() => syncs.delete(running))
      })()
      return sync
    },
    idle: async () => {
      await Promise.allSettled([...syncs])
    },
    close: async () => {
      more.release()
      await log.close()
    },
  }
  const bench = new Proxy(log, {
    get: (target, name) => {
      if (name in more) return more[name as keyof typeof more]
      const value = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
    set: (_, name, value) => Reflect.set(more, name, value),
  }) as BenchLog
  return bench
}

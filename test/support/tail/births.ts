import type { BigIntStats, PathLike, StatOptions } from 'node:fs'
import { systemCalls } from '../../../src/lib/fs/system-calls.ts'
import { atEnd } from '../tmp.ts'

type Stat = (file: PathLike | number, options?: StatOptions) => BigIntStats | undefined

/**
 * Moves the births of all files to `ns` nanoseconds after the millisecond in which they were, until the end of the
 * test.
 */
export function moveBirths(ns: bigint): void {
  for (const name of ['statSync', 'lstatSync', 'fstatSync'] as const) {
    const real = systemCalls[name] as Stat
    atEnd(() => void Object.assign(systemCalls, { [name]: real }))
    const moved: Stat = (file, options) => {
      const stat = real(file, options)
      if (typeof stat?.birthtimeNs !== 'bigint') return stat
      const birthtimeNs = (stat.birthtimeNs / 1_000_000n) * 1_000_000n + ns
      return new Proxy(stat, {
        get(target, property) {
          if (property === 'birthtimeNs') return birthtimeNs
          const value = Reflect.get(target, property)
          return typeof value === 'function' ? value.bind(target) : value
        },
      })
    }
    Object.assign(systemCalls, { [name]: moved })
  }
}

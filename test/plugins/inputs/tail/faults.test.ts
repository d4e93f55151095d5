import { afterEach, describe, expect, test } from 'bun:test'
import { appendFileSync, mkdirSync, realpathSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import { systemCalls } from '../../../../src/lib/fs/system-calls.ts'
import { follow, type TailRun } from '../../../support/tail/run.ts'
import { tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

type Call = keyof typeof systemCalls
type AnyCall = (...args: unknown[]) => unknown

const original = { ...systemCalls }
afterEach(() => void Object.assign(systemCalls, original))

/** Calls on a path, and on a descriptor. */
const PATH_CALLS = [
  'statSync',
  'lstatSync',
  'openSync',
  'readdirSync',
  'readlinkSync',
  'realpathSync',
  'watch',
] as const
const FD_CALLS = ['fstatSync', 'readSync', 'closeSync', 'statfsSync'] as const

/** Makes calls fail for everything below one directory, and only there. */
class Faults {
  /** Errno of the failing call; undefined while it works. */
  code: string | undefined
  failed = 0
  readonly #folder: string
  /** Descriptors of files below the directory. */
  readonly #fds = new Set<number>()

  constructor(folder: string, call: Call) {
    this.#folder = folder
    const open = original.openSync as AnyCall
    const close = original.closeSync as AnyCall
    this.#replace('openSync', (...args) => {
      const fd = open(...args) as number
      if (this.#isBelow(args[0])) this.#fds.add(fd)
      return fd
    })
    this.#replace('closeSync', (fd) => {
      this.#fds.delete(fd as number)
      return close(fd)
    })
    const working = systemCalls[call] as AnyCall
    this.#replace(call, (...args) => {
      const isConcerned = this.code !== undefined && this.#isConcerned(args[0])
      // A descriptor is closed even if closing it fails.
      if (!isConcerned || call === 'closeSync') {
        const result = working(...args)
        if (!isConcerned) return result
      }
      this.failed++
      throw Object.assign(new Error(`${this.code}: injected, ${call} '${args[0]}'`), { code: this.code })
    })
  }

  #replace(call: Call, replacement: AnyCall): void {
    Object.assign(systemCalls, { [call]: replacement })
  }

  #isConcerned(subject: unknown): boolean {
    if (typeof subject === 'number') return this.#fds.has(subject)
    return this.#isBelow(subject) || (typeof subject === 'string' && subject.startsWith('/proc/self/fd/'))
  }

  #isBelow(path: unknown): boolean {
    return typeof path === 'string' && (path === this.#folder || path.startsWith(`${this.#folder}/`))
  }
}

interface Tree {
  root: string
  bad: string
  /**
   * Appends a line to the good file and waits until it arrives: the agent is running and has had its turns.
   */
  step: (run: TailRun) => Promise<void>
  good: string[]
}

function treeOf(): Tree {
  const root = realpathSync(tmp())
  const bad = join(root, 'bad')
  mkdirSync(bad)
  mkdirSync(join(root, 'good'))
  writeFileSync(join(bad, 'a.log'), 'bad a\n')
  writeFileSync(join(root, 'target.txt'), 'bad link\n')
  symlinkSync('../target.txt', join(bad, 'link.log'))
  const good: string[] = []
  const step = async (run: TailRun): Promise<void> => {
    good.push(`good ${good.length}`)
    appendFileSync(join(root, 'good/g.log'), `${good.at(-1)}\n`)
    await until(() => run.lines().includes(good.at(-1) as string), { what: () => `${good.at(-1)}` })
  }
  return { root, bad, step, good }
}

function start(root: string): TailRun {
  const quick = { refresh_interval: '10ms', progress_check_interval: '10ms', watcher_interval: '10ms' }
  return follow({ path: join(root, '*/*.log'), rotate_wait: '1h', ...quick })
}

function linesOf(run: TailRun, kind: string): string[] {
  return run.lines().filter((line) => line.startsWith(kind))
}

/** Expects that the same error of a path was logged only once. */
function expectNoFlood(run: TailRun): void {
  const errors = run.logs.filter(({ level }) => level === 'error').map(({ message }) => message)
  expect(errors.filter((message, i) => errors.indexOf(message) !== i)).toEqual([])
}

const CODES = Object.keys(constants.errno)

describe('whatever a call returns for one directory, the others are read', () => {
  for (const call of [...PATH_CALLS, ...FD_CALLS]) {
    test(`${call} fails with every errno while the input runs, and nothing is lost`, async () => {
      const { root, bad, step, good } = treeOf()
      const faults = new Faults(bad, call)
      const run = start(root)
      await step(run)
      await until(() => linesOf(run, 'bad').length === 2)
      const written = ['bad a', 'bad link']
      for (const [i, code] of CODES.entries()) {
        faults.code = code
        // What is written and rotated in the meantime is read when the calls work again.
        written.push(`bad ${code}`)
        appendFileSync(join(bad, 'a.log'), `bad ${code}\n`)
        if (i % 40 === 20) {
          renameSync(join(bad, 'a.log'), join(bad, `a.log.${i}`))
          writeFileSync(join(bad, 'a.log'), '')
        }
        await step(run)
      }
      faults.code = undefined
      await until(() => new Set(linesOf(run, 'bad')).size === written.length, {
        what: () => `missing ${written.filter((line) => !run.lines().includes(line))}`,
      })
      expect(linesOf(run, 'good')).toEqual(good)
      expect(linesOf(run, 'bad').sort()).toEqual(written.sort())
      expectNoFlood(run)
    })

    test(`${call} fails at the start, and works later`, async () => {
      const { root, bad, step, good } = treeOf()
      const faults = new Faults(bad, call)
      for (const code of ['EIO', 'EACCES', 'ELOOP', 'ESTALE']) {
        faults.code = code
        const run = start(root)
        await step(run)
        faults.code = undefined
        await until(() => new Set(linesOf(run, 'bad')).size === 2, { what: () => run.lines().join() })
        expect(linesOf(run, 'good')).toEqual(good)
        expectNoFlood(run)
        await run.abort()
      }
    })
  }
})

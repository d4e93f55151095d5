// `node scripts/run.mjs FILE [ARGUMENTS]`: does the set-up, then runs a TypeScript file with bun.
import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { pathToFileURL } from 'node:url'
import { ROOT, setUp } from './bootstrap.mjs'

/** @typedef {'SIGINT' | 'SIGTERM' | 'SIGHUP' | 'SIGUSR1' | 'SIGUSR2' | 'SIGCONT'} Forwarded */
/** @type {Forwarded[]} */
const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGCONT']
const SAME_PRESS_MS = 300
const PARENT_CHECK_MS = 1000

/**
 * Runs bun with these arguments, forwards signals, and exits with its exit status or signal.
 *
 * Ctrl-C arrives twice, from the terminal and from npm, and a child in our process group would get it a third time; for an
 * agent the second SIGINT means "stop at once". So bun gets a process group of its own, and equal signals within
 * SAME_PRESS_MS are forwarded once. `--no-orphans` ends bun if we are killed; if npm is killed, we stop bun.
 * @param {string} bun
 * @param {string[]} args
 */
export function runBun(bun, args) {
  /** @type {Map<string, number>} */
  const last = new Map()
  for (const signal of FORWARDED) {
    process.on(signal, () => {
      const now = performance.now()
      if (now - (last.get(signal) ?? Number.NEGATIVE_INFINITY) < SAME_PRESS_MS) return
      last.set(signal, now)
      child.kill(signal)
    })
  }
  // After the handlers are installed: somebody who sees bun running may send a signal at once.
  const child = spawn(bun, ['--no-orphans', '--no-install', ...args], { stdio: 'inherit', detached: true })
  if (process.env.npm_lifecycle_event !== undefined) {
    const npm = process.ppid
    setInterval(() => process.ppid !== npm && child.kill('SIGTERM'), PARENT_CHECK_MS)
  }
  child.once('error', (err) => {
    process.stderr.write(`shipper: cannot start bun: ${err.message}\n`)
    process.exit(1)
  })
  child.once('exit', (code, signal) => {
    process.exit(code ?? 128 + (signal === null ? 0 : constants.signals[signal]))
  })
  return child
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const bun = setUp()
  process.chdir(ROOT)
  runBun(bun, process.argv.slice(2))
}

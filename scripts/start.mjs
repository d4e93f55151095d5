// `npm start`: runs the program with the given arguments; without arguments it prints the machine's own logs to stdout.
import { appendFileSync, existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT, say, setUp } from './bootstrap.mjs'
import { runBun } from './run.mjs'
import { findLogs } from './system-logs.mjs'

/** Size of logs up to which old lines are shown; with more of them it would take long until a new line appears. */
const FROM_HEAD_LIMIT_BYTES = 64_000_000
// The tests set their own folders.
const STATE = process.env.SHIPPER_STATE ?? join(ROOT, '.state')
const LOGS = process.env.SHIPPER_LOGS ?? '/var/log'
const DB = join(STATE, 'pos.db')

const bun = setUp()
const given = process.argv.slice(2)
runBun(bun, [join(ROOT, 'src/main.ts'), ...(given.length > 0 ? given : defaultArguments())])

function defaultArguments() {
  mkdirSync(STATE, { recursive: true })
  const logs = findLogs(LOGS)
  if (logs.bytes === 0) return tailArguments([writeSample()], [], true)
  const fromHead = logs.bytes <= FROM_HEAD_LIMIT_BYTES
  const from = existsSync(DB)
    ? 'from where the last run stopped'
    : fromHead
      ? 'from their first line'
      : 'new lines only, because there are too many old ones'
  say(`following ${logs.files} logs of this machine, ${from}: ${logs.patterns.join(' ')}`)
  return tailArguments(logs.patterns, logs.excluded, fromHead)
}

/**
 * @param {string[]} paths
 * @param {string[]} excluded
 * @param {boolean} fromHead
 */
function tailArguments(paths, excluded, fromHead) {
  say(
    `lines go to stdout, positions to ${DB} (remove it to begin again); Ctrl-C ends it, -- -h shows the options`,
  )
  const exclude = excluded.length > 0 ? ['-p', `exclude_path=${excluded.join(',')}`] : []
  return [
    ...['-i', 'tail', '-p', `path=${paths.join(',')}`, ...exclude],
    ...['-p', `db=${DB}`, '-p', `read_from_head=${fromHead}`],
    ...['-o', 'stdout', '-p', 'format=json_lines', '-f', '1'],
  ]
}

/** Writes a sample log that gets a line each second, and returns its path. */
function writeSample() {
  const path = join(STATE, 'sample.log')
  let n = 0
  const append = () => appendFileSync(path, `${new Date().toISOString()} sample line ${++n}\n`)
  append()
  setInterval(append, 1000)
  say(`no readable log under ${LOGS}: following a sample that gets a line each second, ${path}`)
  return path
}

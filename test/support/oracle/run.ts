import { mkdirSync, readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { freePorts } from '../ports.ts'
import { type Running, start } from '../process.ts'
import { tmp } from '../tmp.ts'
import { HANG_MS, until } from '../until.ts'
import { type Bytes, bytesOf, type OracleCase, type Outcome, textOf } from './case.ts'
import { normalForm } from './normal-form.ts'
import { receivedInNormalForm } from './received.ts'
import { OracleServer } from './server.ts'
import { takeSteps } from './steps.ts'

const DEFAULT_LIMIT_S = 3.5
const DEFAULT_QUIET_S = 0.7
/** A run that should print nothing is stopped after this multiple of its limit; one whose lines do not come, after HANG_MS. */
const PATIENCE = 3
/** The input tail ends with its files, exec with its command. */
const ENDS_ITSELF = /^\s*(?:exit_on_eof|exit_after_oneshot):?\s+(?:on|true|yes)\s*$/im
/** What the log says when the rest of a run is silence: it neither ends nor prints more. */
const NO_MORE =
  /rejected (?:records wait|POST)|there is no output: nothing is read|nothing is read or sent|no temperature sensors|cannot collect/
const STATE_FILE = /\.db(?:-\w+|\.lock)?$/

/** Runs the program with the configuration of a case, in a folder of its own, and returns what came out in normal form. */
export async function runCase(oracle: OracleCase): Promise<{ got: Outcome; stderr: string }> {
  const folder = realpathSync(tmp())
  const server = oracle.server === undefined ? undefined : await OracleServer.start(oracle.server)
  const [port] = JSON.stringify(oracle).includes('@PIN@') ? await freePorts(1) : []
  const names = { '@DIR@': folder, '@PIN@': String(port), '@PORT@': String(server?.port) }
  const fill = (text: string): string =>
    Object.entries(names).reduce((filled, [name, value]) => filled.replaceAll(name, value), text)
  const main = oracle.format === 'yaml' ? 'main.yaml' : 'main.conf'
  const files = {
    ...oracle.files,
    ...(server?.authority === undefined ? {} : { 'ca.pem': server.authority }),
    [main]: oracle.config,
  }
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    const filled: Bytes = typeof content === 'string' ? fill(content) : content
    writeFileSync(join(folder, name), bytesOf(filled))
  }
  const before = filesIn(folder)
  const startMs = Date.now()
  const inherited = Object.fromEntries(Object.keys(process.env).map((name) => [name, undefined]))
  const own = Object.entries(oracle.env ?? {}).map(([name, value]) => [name, fill(value)])
  const base = { PATH: '/usr/bin:/bin', HOME: folder, TZ: 'UTC', LANG: 'C.UTF-8' }
  const env = { ...inherited, ...base, ...Object.fromEntries(own) }
  // A run that ends itself must not be stopped meanwhile: after its end, nothing handles the signal.
  const stays = oracle.stays !== undefined || (oracle.stdin === undefined && !ENDS_ITSELF.test(oracle.config))
  const run = start(['-c', main], {
    cwd: folder,
    env,
    ...(oracle.stdin === undefined ? {} : { stdin: stays ? 'open' : bytesOf(oracle.stdin) }),
  })
  // A program that refuses to start does not read.
  run.child.stdin?.on('error', () => {})
  if (stays && oracle.stdin !== undefined) run.child.stdin?.write(bytesOf(oracle.stdin))
  const answers = await takeSteps(oracle, { run, folder, port: port ?? 0 })
  const limitMs = (oracle.limit ?? DEFAULT_LIMIT_S) * 1000 * PATIENCE
  const lines = Array.isArray(oracle.got.stdout) ? oracle.got.stdout.length : 1
  // A stop sends what is left, so that a run may be stopped as soon as the expected number of lines is there.
  // After the last step nothing is left to wait for where nothing is expected, but for what should not come.
  const isSilent = oracle.got.stdout === undefined && oracle.got.files === undefined
  const isOver = (): boolean => run.exit !== undefined || NO_MORE.test(run.stderr)
  const isComplete = (): boolean => isOver() || run.stdout.split('\n').length > lines
  const quietMs = oracle.do === undefined ? limitMs : (oracle.quiet ?? DEFAULT_QUIET_S) * 1000
  const waitMs = isSilent ? quietMs : HANG_MS
  if (stays && server !== undefined) await answered(oracle, server, run)
  else if (stays) await until(isComplete, { limitMs: waitMs }).catch(() => undefined)
  // An agent that reads nothing, or that waits for a place for dead letters, has no end of its own.
  if (!stays) await until(isOver).catch(() => undefined)
  const endedItself = run.exit !== undefined
  const { code, signal } = stays || !endedItself ? await run.stop() : await run.ended()
  const ports = {
    ...(port === undefined ? {} : { input: port }),
    ...(server === undefined ? {} : { server: server.port }),
  }
  const normal = normalForm(folder, startMs, oracle.normal ?? [], ports)
  const got: Outcome = { status: code === 0 ? 'ok' : `exit ${code ?? signal}` }
  if (code !== 0 && (endedItself || !stays) && run.stdoutBytes.length === 0) got.status = 'refused'
  const stdout = normal(textOf(run.stdoutBytes))
  if (stdout !== '') got.stdout = typeof stdout === 'string' ? stdout.replace(/\n$/, '').split('\n') : stdout
  const written = filesIn(folder).filter((name) => !before.includes(name) && !STATE_FILE.test(name))
  if (written.length > 0)
    got.files = Object.fromEntries(
      written.toSorted().map((name) => [name, normal(textOf(readFileSync(join(folder, name))))]),
    )
  if (answers.length > 0) got.answers = answers.map(normal)
  if (server !== undefined)
    got.requests = (await server.end()).map((item) => receivedInNormalForm(oracle, item, normal))
  return { got, stderr: run.stderr }
}

/**
 * Waits until the server has had the requests of the case, and then for what should not come: whether fewer would have been
 * enough is only known after a time without another.
 */
async function answered(oracle: OracleCase, server: OracleServer, run: Running): Promise<void> {
  const count = oracle.got.requests?.length ?? 0
  const quietMs = (oracle.quiet ?? DEFAULT_QUIET_S) * 1000
  const hasAll = (): boolean => run.exit !== undefined || server.received.length >= count
  await until(hasAll).catch(() => undefined)
  const isQuiet = (): boolean => run.exit !== undefined || performance.now() - server.lastMs >= quietMs
  await until(isQuiet).catch(() => undefined)
}

function filesIn(folder: string): string[] {
  const found = readdirSync(folder, { recursive: true, withFileTypes: true })
  return found
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
}

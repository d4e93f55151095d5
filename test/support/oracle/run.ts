import { mkdirSync, readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { freePorts } from '../ports.ts'
import { start } from '../process.ts'
import { tmp } from '../tmp.ts'
import { until } from '../until.ts'
import { type Bytes, bytesOf, type OracleCase, type Outcome, textOf } from './case.ts'
import { normalForm } from './normal-form.ts'
import { takeSteps } from './steps.ts'

const DEFAULT_LIMIT_S = 3.5
const DEFAULT_QUIET_S = 0.7
/** A run whose lines do not come is stopped after this multiple of its limit: a slow machine must not look like a difference. */
const PATIENCE = 3
/** The input tail ends with its files, exec with its command. */
const ENDS_ITSELF = /^\s*(?:exit_on_eof|exit_after_oneshot):?\s+(?:on|true|yes)\s*$/im
const STATE_FILE = /\.db(?:-\w+|\.lock)?$/

/** Runs the program with the configuration of a case, in a folder of its own, and returns what came out in normal form. */
export async function runCase(oracle: OracleCase): Promise<{ got: Outcome; stderr: string }> {
  const folder = realpathSync(tmp())
  const port = JSON.stringify(oracle).includes('@PIN@') ? ((await freePorts(1))[0] ?? 0) : 0
  const fill = (text: string): string => text.replaceAll('@DIR@', folder).replaceAll('@PIN@', String(port))
  const main = oracle.format === 'yaml' ? 'main.yaml' : 'main.conf'
  for (const [name, content] of Object.entries({ ...oracle.files, [main]: oracle.config })) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    const filled: Bytes = typeof content === 'string' ? fill(content) : content
    writeFileSync(join(folder, name), bytesOf(filled))
  }
  const before = filesIn(folder)
  const startMs = Date.now()
  const inherited = Object.fromEntries(Object.keys(process.env).map((name) => [name, undefined]))
  const env = { ...inherited, PATH: '/usr/bin:/bin', HOME: folder, TZ: 'UTC', LANG: 'C.UTF-8', ...oracle.env }
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
  const answers = await takeSteps(oracle, { run, folder, port })
  const limitMs = (oracle.limit ?? DEFAULT_LIMIT_S) * 1000 * PATIENCE
  const lines = Array.isArray(oracle.got.stdout) ? oracle.got.stdout.length : 1
  // A stop sends what is left, so that a run may be stopped as soon as the expected number of lines is there.
  // After the last step nothing is left to wait for where nothing is expected, but for what should not come.
  const isSilent =
    oracle.do !== undefined && oracle.got.stdout === undefined && oracle.got.files === undefined
  const isComplete = (): boolean => run.exit !== undefined || run.stdout.split('\n').length > lines
  const waitMs = isSilent ? (oracle.quiet ?? DEFAULT_QUIET_S) * 1000 : limitMs
  if (stays) await until(isComplete, { limitMs: waitMs }).catch(() => undefined)
  // An agent that reads nothing, or that waits for a place for dead letters, has no end of its own.
  if (!stays) await until(() => run.exit !== undefined, { limitMs }).catch(() => undefined)
  const endedItself = run.exit !== undefined
  const { code, signal } = stays || !endedItself ? await run.stop() : await run.ended()
  const normal = normalForm(folder, startMs, oracle.normal ?? [], port)
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
  return { got, stderr: run.stderr }
}

function filesIn(folder: string): string[] {
  const found = readdirSync(folder, { recursive: true, withFileTypes: true })
  return found
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
}

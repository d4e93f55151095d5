import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, release, totalmem } from 'node:os'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { drain } from './drain.ts'
import { floorCommand } from './floor-program.ts'
import { kafka } from './kafka.ts'
import { append, idle, refused, start, steady } from './live.ts'
import { page } from './page.ts'
import { plots } from './plots.ts'
import { relay } from './relay.ts'
import { type Machine, type Results, report } from './report.ts'
import { STORE_WORKLOADS, toStore } from './stores.ts'
import { type Agent, fluentBit, PARSERS, shipper, WORKLOADS } from './workloads.ts'

const ROOT = resolve(import.meta.dirname, '..')
const ARCH = process.arch === 'arm64' ? 'arm64' : 'x64'
const CPU_MODEL = /^model name\s*: (.*)$/m
const LIVE = ['kafka', 'relay', 'start', 'append', 'refused', 'steady', 'idle']
const NAMES = [...[...WORKLOADS, ...STORE_WORKLOADS].map(({ name }) => name), ...LIVE]

const USAGE = `npm run bench -- [options]
  --only a,b           only these: ${NAMES.join(', ')}
  --runs 3             measured runs per workload
  --lines 2000000      lines of the single-file workloads
  --binary PATH        default: dist/shipper-linux-${ARCH}, built if it does not exist; a .ts file runs with bun
  --parsers FILE       [PARSER] sections; default: bench/parsers.conf
  --idle-seconds 60    --refused-seconds 20    --relay-seconds 10 (for each rate)
  --before PATH        also measure an older binary
  --peer               also measure fluent-bit, found by $PATH; --peer-parsers FILE: its [PARSER] sections
  --write              write docs/BENCHMARKS.md with its plots, and docs/benchmarks.json; with only stores, their figures replace
                       those that are there, and the others stay
`

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: NAMES.join(',') },
    runs: { type: 'string', default: '3' },
    lines: { type: 'string', default: '2000000' },
    binary: { type: 'string' },
    parsers: { type: 'string', default: PARSERS },
    'idle-seconds': { type: 'string', default: '60' },
    'relay-seconds': { type: 'string', default: '10' },
    'refused-seconds': { type: 'string', default: '20' },
    before: { type: 'string' },
    peer: { type: 'boolean', default: false },
    'peer-parsers': { type: 'string', default: PARSERS },
    write: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
})

function command(): string[] {
  const path = resolve(values.binary ?? `${ROOT}/dist/shipper-linux-${ARCH}`)
  if (!existsSync(path)) {
    if (values.binary !== undefined) throw new Error(`no such file: ${path}`)
    const build = ['run', 'build', '--', '--target', `linux-${ARCH}`]
    execFileSync('npm', build, { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] })
  }
  return path.endsWith('.ts') ? [process.execPath, path] : [path]
}

/** Returns the first line that a command prints. */
function firstLineOf(file: string, args: string[]): string {
  return (
    execFileSync(file, args, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
      .trim()
      .split('\n')[0] ?? ''
  )
}

/** Returns the commit of this work tree, from which the binary is assumed to be built; `unknown` outside a clone. */
function commit(): string {
  try {
    const changed = firstLineOf('git', ['status', '--porcelain', '--', 'src']) === '' ? '' : ' with changes'
    return `${firstLineOf('git', ['rev-parse', '--short', 'HEAD'])}${changed}`
  } catch {
    return 'unknown'
  }
}

function loadNow(): number {
  return Number(loadavg()[0]?.toFixed(1))
}

function machine(): Machine {
  const model = CPU_MODEL.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1]
  return {
    cpu: model ?? cpus()[0]?.model ?? process.arch,
    cores: cpus().length,
    kernel: release(),
    memoryGb: Math.round(totalmem() / 1e9),
    load: loadNow(),
    loadAtEnd: 0,
  }
}

/** Runs a step if it is selected. Progress goes to stderr, stdout contains only the report. */
async function step<T>(name: string, body: () => Promise<T>): Promise<T | undefined> {
  if (!selected.has(name)) return undefined
  process.stderr.write(`${name} ...\n`)
  try {
    return await body()
  } catch (err) {
    process.exitCode = 1
    process.stderr.write(`${name} failed: ${(err as Error).message}\n`)
    return undefined
  }
}

async function run(agent: Agent, before: Agent | undefined, peer: Agent | undefined): Promise<Results> {
  const runs = Number(values.runs)
  const lines = Number(values.lines)
  const results: Results = {
    date: new Date().toISOString().slice(0, 10),
    machine: machine(),
    versions: {
      shipper: commit(),
      bun: Bun.version,
      peer: peer === undefined ? undefined : firstLineOf(peer.command[0] ?? '', ['--version']),
    },
    settings: { runs, lines },
    floor: floorCommand().language,
    drains: [],
    stores: [],
    kafka: undefined,
    relay: undefined,
    idle: undefined,
    steady: [],
    peerSteady: [],
    start: undefined,
    appends: [],
    refused: undefined,
  }
  for (const workload of WORKLOADS) {
    const result = await step(workload.name, () => drain(workload, { agent, before, peer, runs, lines }))
    if (result !== undefined) results.drains.push(result)
  }
  for (const workload of STORE_WORKLOADS) {
    const result = await step(workload.name, () => toStore(workload, { agent, before, peer, runs, lines }))
    if (result !== undefined) results.stores.push(result)
  }
  results.kafka = await step('kafka', () => kafka({ agent, peer }, runs, lines))
  results.relay = await step('relay', () => relay(agent, Number(values['relay-seconds'])))
  results.start = await step('start', () => start(agent, '0.1', 15))
  const appends = await step('append', async () => [
    await append(agent, '0.1', 100),
    await append(agent, '0.01', 100),
  ])
  results.appends = appends ?? []
  results.refused = await step('refused', () => refused(agent, Number(values['refused-seconds']), lines))
  const ofEach = (each: Agent | undefined) => async () =>
    each === undefined ? [] : [await steady(each, '1', 30), await steady(each, '0.1', 30)]
  results.steady = (await step('steady', ofEach(agent))) ?? []
  results.peerSteady = (await step('steady', ofEach(peer))) ?? []
  results.idle = await step('idle', () => idle(agent, Number(values['idle-seconds'])))
  results.machine.loadAtEnd = loadNow()
  return results
}

/** Returns the stored results with the stores of this run. */
function withStores({ stores, date, machine, versions, settings }: Results): Results {
  const stored = JSON.parse(readFileSync(resolve(ROOT, 'docs/benchmarks.json'), 'utf8')) as Results
  return { ...stored, stores, storesBy: { date, machine, versions, settings } }
}

function write(run: Results): void {
  const docs = resolve(ROOT, 'docs')
  const isOfStores = [...selected].every((name) => STORE_WORKLOADS.some((workload) => workload.name === name))
  const results = isOfStores ? withStores(run) : run
  writeFileSync(`${docs}/benchmarks.json`, `${JSON.stringify(results, null, 1)}\n`)
  writeFileSync(`${docs}/BENCHMARKS.md`, page(results))
  for (const { file, svg } of plots(results)) writeFileSync(`${docs}/${file}`, svg)
  // README.md quotes some of the figures.
  execFileSync('npm', ['run', '--silent', 'docs'], { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] })
}

const selected = new Set(values.only.split(','))
const unknown = [...selected].find((name) => !NAMES.includes(name))
if (values.help || unknown !== undefined) {
  if (unknown !== undefined) process.stderr.write(`unknown workload ${unknown}\n`)
  process.stdout.write(USAGE)
  process.exitCode = values.help ? 0 : 2
} else {
  const peer = values.peer ? fluentBit(['fluent-bit'], values['peer-parsers']) : undefined
  const parsers = resolve(values.parsers)
  const before = values.before === undefined ? undefined : shipper([resolve(values.before)], parsers)
  const results = await run(shipper(command(), parsers), before, peer)
  process.stdout.write(`${report(results)}\n`)
  if (
    [...results.drains, ...results.stores, results.kafka].some((result) => (result?.problems.length ?? 0) > 0)
  )
    process.exitCode = 1
  if (values.write) write(results)
}

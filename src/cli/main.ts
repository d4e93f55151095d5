import type { PlanCheck } from '../agent/dry-run.ts'
import { writeDefect } from '../agent/last-handler.ts'
import { sortByLocation } from '../config/config-tree.ts'
import { maskedProblem } from '../config/secret-values.ts'
import type { Environment } from '../config/variables.ts'
import { exitStatusOf, ShipperError } from '../core/error.ts'
import type { Plan } from '../core/plan.ts'
import { didYouMean } from '../lib/text/did-you-mean.ts'
import { registry } from '../registry.ts'
import type { Request } from './arguments.ts'
import { load } from './load.ts'
import { plainArguments } from './plain-arguments.ts'
import { errorLine, problemsText, warningsText } from './problems.ts'
import type { Program } from './program.ts'
import { print, READER_GONE_STATUS, ReaderGone } from './stdout.ts'
import { VERSION } from './version.ts'
import { terminalWidth } from './wrap.ts'

/** Commands that are about a configuration that is not running. */
const CONFIG_COMMANDS = ['explain', 'route', 'try', 'test', 'migrate']
const COMMANDS = [
  'plugins',
  'manifest',
  'dead-letters',
  'buffer',
  'status',
  ...CONFIG_COMMANDS,
  'help',
  'version',
]
/** Commands with arguments of their own. */
const WITH_ARGUMENTS = ['dead-letters', 'buffer', 'route', 'test', 'migrate']

const EPILOGUE = `
Commands:
  plugins                      list inputs, parser formats, filters and outputs
  manifest                     print Kubernetes manifests; -o and -p set the output
  dead-letters list FILE|DIR   list the records that outputs have given up
  dead-letters show FILE|DIR   print them, with the reason; --limit N prints the first ones
  dead-letters replay FILE     send them again, with -c; --output NAME: to this output of the configuration
  buffer FOLDER                list what waits on disk for each output; --check verifies it; -c: the folder of a configuration
  status                       print the state of the running agent, which needs HTTP_Server on; -c, -P or --url says where
  explain                      print the effective configuration of -c, and where each value comes from
  route TAG                    print which filters and outputs the records of a tag pass, with -c
  try --tag TAG                print what the stages of -c make of the lines of standard input; nothing is sent
  test FILE                    run the tests in a configuration
  migrate FILE --to FORMAT     print a configuration in another format: yaml or classic
  help                         print this help
  version                      print the version

Examples:
  shipper -i tail -p 'path=/var/log/*.log' -p db=pos.db -t app -o forward://10.0.0.5:24224
  shipper -i cpu -o stdout -f 1
  shipper -i tail -h
`

/**
 * Runs the command line and resolves with the exit status: 0 success, 1 invalid configuration or failed run, 2 invalid
 * arguments, 70 a defect.
 */
export async function main(args: string[]): Promise<number> {
  try {
    const request = plainArguments(args)
    return await (request === undefined ? mainWithCommander(args) : runOrVersion(request))
  } catch (err) {
    if (err instanceof ReaderGone) return READER_GONE_STATUS
    if (err instanceof ShipperError) process.stderr.write(`${errorLine(err)}\n`)
    else writeDefect(err)
    return exitStatusOf(err)
  }
}

async function mainWithCommander(args: string[]): Promise<number> {
  const { makeProgram, parseWith } = await import('./program.ts')
  const program = makeProgram()
  if (args.length > 0) return execute(program, parseWith(program, args))
  process.stderr.write(program.helpInformation() + EPILOGUE)
  return 2
}

async function execute(program: Program, request: Request): Promise<number> {
  const [command, ...rest] = program.args
  const { help } = request
  if (command !== undefined && !COMMANDS.includes(command)) {
    const near = didYouMean(command, COMMANDS)
    throw new ShipperError(
      'E_CLI_USAGE',
      `unknown command "${command}"${near}`,
      near === '' ? {} : { hint: '' },
    )
  }
  if (rest.length > 0 && !WITH_ARGUMENTS.includes(command ?? ''))
    throw new ShipperError('E_CLI_USAGE', `unexpected argument "${rest[0]}" after ${command}`)
  if (command !== 'try' && request.tag !== undefined) throw request.tag.misplaced
  if (command === 'version') request.version = true
  if (request.version) return runOrVersion(request)
  if (help !== undefined) {
    const { commandHelp } = await import('./help.ts')
    return print(commandHelp(command) ?? (await helpText(program, help.plugin)))
  }
  if (command === 'help') return print(await helpText(program, request.flags.current))
  if (command === 'plugins') {
    const { pluginList } = await import('./help.ts')
    return print(await pluginList(registry, terminalWidth()))
  }
  if (command === 'manifest') return manifest(request)
  if (command === 'status') return status(request)
  if (command === 'dead-letters') {
    const { deadLetters } = await import('./dead-letters.ts')
    return deadLetters(rest, request, load)
  }
  if (command === 'buffer') {
    const { bufferCommand } = await import('./buffer.ts')
    return bufferCommand(rest, request, load)
  }
  if (command !== undefined && CONFIG_COMMANDS.includes(command)) {
    const { configCommand } = await import('./config-commands.ts')
    return configCommand(command, rest, request)
  }
  return runOrVersion(request)
}

function runOrVersion(request: Request): Promise<number> {
  if (request.tag !== undefined) throw request.tag.misplaced
  return request.version ? print(versionLine()) : run(request)
}

/** Prints the manifests. The flags are checked like those of a run, with a dummy input, which the manifests have already. */
async function manifest(request: Request): Promise<number> {
  const { manifests, outputSection } = await import('./manifest.ts')
  const output = outputSection(request.flags.tree)
  request.flags.begin('input', 'dummy')
  if (output === undefined) request.flags.begin('output', 'null')
  const { problems, validPart } = await load(request, MANIFEST_ENVIRONMENT)
  if (problems.length > 0) {
    process.stderr.write(problemsText(problems))
    return 1
  }
  const { image, namespace, awsRole } = request
  const options = validPart.outputs[0]?.spec.options ?? {}
  return print(
    manifests({ image: image ?? `shipper:${VERSION.version}`, namespace, output, options, awsRole }),
  )
}

/** Stands for the environment of the pods, which is unknown here: a value that fits an option of nearly every type. */
const MANIFEST_ENVIRONMENT = new Proxy<Environment>(
  {},
  { get: (_, name) => process.env[String(name)] ?? '1' },
)
/** Prints the state of a running agent; 1 when it is not healthy. Its address is that of the configuration or of the flags. */
async function status(request: Request): Promise<number> {
  const { agentStatus } = await import('./status.ts')
  let { url } = request
  if (url === undefined) {
    const { problems, validPart } = await load(request)
    // What else is wrong does not matter: a running agent may have started with an older version of the file.
    const unreadable = problems.find(({ code }) => code === 'E_CONFIG_UNREADABLE')
    if (unreadable !== undefined) throw unreadable
    const { httpListen, httpPort } = validPart.service
    url = `http://${reachable(httpListen)}:${httpPort}`
  }
  const { text, isHealthy } = await agentStatus(url)
  await print(text)
  return isHealthy ? 0 : 1
}

/** Returns the host by which this machine reaches an address that it listens on. */
function reachable(listen: string): string {
  if (listen === '0.0.0.0' || listen === '::') return '127.0.0.1'
  return listen.includes(':') ? `[${listen}]` : listen
}

async function run(request: Request): Promise<number> {
  if (request.dryRun) {
    const { dryRun } = await import('./dry-run.ts')
    return dryRun(request)
  }
  const { plan, checkable, problems, warnings, missing, mask } = await load(request)
  const checked = plan === undefined ? await check(checkable) : await start(plan, request)
  if (typeof checked === 'number') return checked
  process.stderr.write(warningsText([...warnings, ...checked.warnings].map(mask), true))
  const all = sortByLocation([...problems, ...checked.problems]).map((one) => maskedProblem(one, mask))
  process.stderr.write(problemsText(all, missing))
  return 1
}

/** Runs the agent; resolves with what is wrong with the plan when it cannot be run. */
async function start(plan: Plan, { config }: Request): Promise<number | PlanCheck> {
  const { runAgent } = await import('../agent/agent.ts')
  const plugins = {
    inputs: registry.names('input'),
    filters: registry.names('filter'),
    outputs: registry.names('output'),
  }
  return runAgent(plan, { version: VERSION.version, plugins, config })
}

async function check(plan: Plan): Promise<PlanCheck> {
  const { checkPlan } = await import('../agent/dry-run.ts')
  return checkPlan(plan, VERSION.version)
}

async function helpText(program: Program, plugin: NonNullable<Request['help']>['plugin']): Promise<string> {
  if (plugin === undefined) return program.helpInformation() + EPILOGUE
  const [name = ''] = plugin.plugin.split('://')
  const spec = await registry.find(plugin.kind, name)
  if (spec === undefined) {
    const near = didYouMean(name, registry.names(plugin.kind))
    const hint = near === '' ? '`shipper plugins` lists them' : ''
    throw new ShipperError('E_CONFIG_UNKNOWN_PLUGIN', `unknown ${plugin.kind} "${name}"${near}`, { hint })
  }
  const { pluginHelp } = await import('./help.ts')
  return pluginHelp(spec, terminalWidth())
}

function versionLine(): string {
  const { version, commit, target } = VERSION
  const { bun, node } = process.versions
  return `shipper ${version} (${commit}), ${target}, ${bun === undefined ? `node ${node}` : `bun ${bun}`}\n`
}

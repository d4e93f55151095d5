import { resolve } from 'node:path'
import type { Command } from 'commander'
import { sortByLocation } from '../config/config-tree.ts'
import { loadPlan } from '../config/load.ts'
import type { PlanResult } from '../config/plan.ts'
import { exitStatusOf, ShipperError } from '../core/error.ts'
import { didYouMean } from '../lib/text/did-you-mean.ts'
import { registry } from '../registry.ts'
import { newRequest, OPTIONS, REFUSED, type Request, type Take, WITHOUT_EFFECT } from './arguments.ts'
import { errorLine, problemsText, warningLine } from './problems.ts'
import { VERSION } from './version.ts'

const USAGE_PREFIX = /^error: /
const SUGGESTION = /\n\(Did you mean (.+)\?\)$/

const COMMANDS = ['plugins', 'manifest']

const EPILOGUE = `
Commands:
  plugins                    list inputs, filters, outputs and formats of parsers
  manifest                   print the Kubernetes manifests; -o and -p give the output

Examples:
  shipper -i tail -p 'path=/var/log/*.log' -p db=pos.db -t app -o forward://10.0.0.5:24224
  shipper -i cpu -o stdout -f 1
  shipper -i tail -h
`

/** Does what the arguments say and resolves with the exit status: 0 clean, 1 configuration or run, 2 arguments. */
export async function main(args: string[]): Promise<number> {
  try {
    const { Command, CommanderError } = await import('commander')
    const program = makeProgram(new Command('shipper'))
    if (args.length === 0) {
      process.stderr.write(program.helpInformation() + EPILOGUE)
      return 2
    }
    try {
      const request = parse(program, args)
      return await answer(program, request)
    } catch (err) {
      throw err instanceof CommanderError ? usageError(err) : err
    }
  } catch (err) {
    process.stderr.write(`${errorLine(err)}\n`)
    return exitStatusOf(err)
  }
}

function makeProgram(program: Command): Command {
  program
    .description('Follows logs and sends them on, at least once.')
    .argument('[command...]')
    .usage('[options] [command]')
    .helpOption(false)
    .exitOverride()
    .configureOutput({ outputError: () => {} })
    .configureHelp({ helpWidth: width(), visibleArguments: () => [] })
  for (const [flags, help] of OPTIONS) program.option(flags, help)
  for (const [flags] of [...WITHOUT_EFFECT, ...REFUSED])
    program.addOption(program.createOption(flags).hideHelp())
  return program
}

function parse(program: Command, args: string[]): Request {
  const request = newRequest()
  const takes = [
    ...OPTIONS.map(([, , take]) => take),
    ...WITHOUT_EFFECT.map(([, take]) => take),
    ...REFUSED.map(([, why]) => refuse(why)),
  ]
  // Commander tells of each option in the order of the arguments; its own values would not keep that order.
  program.options.forEach((option, at) => {
    const flag = option.short ?? option.long ?? ''
    program.on(`option:${option.name()}`, (value: string | null) => takes[at]?.(request, value ?? '', flag))
  })
  program.parse(args, { from: 'user' })
  return request
}

function refuse(why: string): Take {
  return (_request, _value, flag) => {
    throw new ShipperError('E_CLI_USAGE', `${flag} is a flag of fluent-bit that is not taken here`, {
      hint: why,
    })
  }
}

async function answer(program: Command, request: Request): Promise<number> {
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
  if (rest.length > 0) throw new ShipperError('E_CLI_USAGE', `"${rest[0]}" behind ${command} has no meaning`)
  if (request.version) return print(versionLine())
  if (help !== undefined) return print(await helpText(program, help.plugin))
  if (command === 'plugins') {
    const { pluginList } = await import('./help.ts')
    return print(await pluginList(registry, width()))
  }
  if (command === 'manifest') return manifest(request)
  return run(request)
}

/** The flags are checked as those of a run: with an input, which the manifests have already. */
async function manifest(request: Request): Promise<number> {
  const { manifests, outputSection } = await import('./manifest.ts')
  const output = outputSection(request.flags.tree)
  request.flags.begin('input', 'dummy')
  if (output === undefined) request.flags.begin('output', 'null')
  const { problems } = await load(request)
  if (problems.length > 0) {
    process.stderr.write(problemsText(problems))
    return 1
  }
  const { image, namespace } = request
  return print(manifests({ image: image ?? `shipper:${VERSION.version}`, namespace, output }))
}

async function run(request: Request): Promise<number> {
  const { plan, validPart: sound, problems, warnings } = await load(request)
  const { checkPlan } = await import('../agent/dry-run.ts')
  const checked = await checkPlan(sound, VERSION.version)
  const found = sortByLocation([...problems, ...checked.problems])
  const runs = plan !== undefined && found.length === 0
  if (!runs || request.dryRun) {
    for (const warning of [...warnings, ...checked.warnings])
      process.stderr.write(`${warningLine(warning)}\n`)
  }
  if (!runs) {
    process.stderr.write(problemsText(found))
    return 1
  }
  if (request.dryRun) return print('configuration test is successful\n')
  const { runAgent } = await import('../agent/agent.ts')
  const plugins = {
    inputs: registry.names('input'),
    filters: registry.names('filter'),
    outputs: registry.names('output'),
  }
  return runAgent(plan, { version: VERSION.version, plugins })
}

/** Paths of the command line belong to the folder it is typed in, those of the configuration to the one of -w. */
function load({ flags, config, parsersFiles, workdir, dryRun, logLevel }: Request): Promise<PlanResult> {
  const place = (path: string): string => (workdir === undefined ? path : resolve(path))
  const file = config === undefined ? undefined : place(config)
  for (const parsers of parsersFiles) flags.service('parsers_file', place(parsers), `-R ${parsers}`)
  if (logLevel !== undefined) flags.service('log_level', logLevel)
  if (workdir !== undefined) enter(workdir)
  return loadPlan({ file, flags: flags.tree, registry, env: process.env, checkUnused: dryRun })
}

function enter(workdir: string): void {
  try {
    process.chdir(workdir)
  } catch (err) {
    const message = `cannot enter the folder of -w, ${workdir}: ${(err as Error).message}`
    throw new ShipperError('E_CLI_USAGE', message, { hint: 'name a folder that can be entered' })
  }
}

async function helpText(program: Command, plugin: NonNullable<Request['help']>['plugin']): Promise<string> {
  if (plugin === undefined) return program.helpInformation() + EPILOGUE
  const [name = ''] = plugin.plugin.split('://')
  const spec = await registry.find(plugin.kind, name)
  if (spec === undefined) {
    const near = didYouMean(name, registry.names(plugin.kind))
    const hint = near === '' ? '`shipper plugins` lists them' : ''
    throw new ShipperError('E_CONFIG_UNKNOWN_PLUGIN', `unknown ${plugin.kind} "${name}"${near}`, { hint })
  }
  const { pluginHelp } = await import('./help.ts')
  return pluginHelp(spec, width())
}

function versionLine(): string {
  const { version, commit, target } = VERSION
  const { bun, node } = process.versions
  return `shipper ${version} (${commit}), ${target}, ${bun === undefined ? `node ${node}` : `bun ${bun}`}\n`
}

function usageError({ message }: Error): ShipperError {
  const text = message.replace(USAGE_PREFIX, '').replace(SUGGESTION, ' (did you mean $1?)')
  return new ShipperError('E_CLI_USAGE', text, text.endsWith('?)') ? { hint: '' } : {})
}

function print(text: string): 0 {
  process.stdout.write(text)
  return 0
}

function width(): number {
  return Math.min(process.stdout.columns || 80, 110)
}

import { propertyOf, sortByLocation } from '../config/config-tree.ts'
import type { PlanResult } from '../config/plan.ts'
import { maskedProblem } from '../config/secret-values.ts'
import { ShipperError } from '../core/error.ts'
import type { InputPlan, Plan } from '../core/plan.ts'
import { didYouMean } from '../lib/text/did-you-mean.ts'
import type { Request } from './arguments.ts'
import { load, loadWithTree } from './load.ts'
import { problemsText } from './problems.ts'
import { print } from './stdout.ts'
import { VERSION } from './version.ts'

/** Runs a command that is about a configuration which is not running; resolves with the exit status. */
export async function configCommand(
  command: string,
  args: readonly string[],
  request: Request,
): Promise<number> {
  switch (command) {
    case 'explain':
      return explain(request)
    case 'route':
      return route(args, request)
    case 'try': {
      const { tryLines } = await import('./try.ts')
      const name = inputNamed(request)
      return withPlan(await load(request), (plan) => tryLines(plan, request, chosenInput(plan, name)))
    }
    case 'test': {
      const { runTests } = await import('./test-run.ts')
      return runTests(fileOf('test', args, request))
    }
    default: {
      const { migrate } = await import('./migrate.ts')
      return migrate(fileOf('migrate', args, request))
    }
  }
}

async function explain(request: Request): Promise<number> {
  const { explainText } = await import('./explain.ts')
  const { tree, result } = await loadWithTree(request)
  const text = await explainText(tree, result.validPart, process.env)
  await print(text)
  const { checkPlan } = await import('../agent/dry-run.ts')
  const checked = await checkPlan(result.plan ?? result.validPart, VERSION.version)
  const problems = sortByLocation([...result.problems, ...checked.problems]).map((one) =>
    maskedProblem(one, result.mask),
  )
  if (problems.length === 0) return 0
  process.stderr.write(problemsText(problems, result.missing, ''))
  return 1
}

async function route(args: readonly string[], request: Request): Promise<number> {
  const [tag, unexpected] = args
  if (tag === undefined || unexpected !== undefined)
    throw usage('usage: shipper route TAG -c FILE [--input NAME]')
  if (tag.includes('*')) throw usage(`route needs a tag, and "${tag}" is a pattern`)
  const { routeReport } = await import('./route.ts')
  const name = inputNamed(request)
  const result = await load(request)
  return withPlan(result, async (plan) => {
    const input = chosenInput(plan, name)
    const { checkPlan } = await import('../agent/dry-run.ts')
    const { problems, findPath } = await checkPlan(plan, VERSION.version, false)
    if (problems.length > 0) {
      process.stderr.write(problemsText(problems.map((one) => maskedProblem(one, result.mask))))
      return 1
    }
    const { text, isRouted } = routeReport(plan, findPath, tag, input)
    await print(result.mask(text))
    return isRouted ? 0 : 1
  })
}

/** Goes on with a plan that can run, or prints its problems. */
function withPlan(
  { plan, problems, missing }: PlanResult,
  next: (plan: Plan) => Promise<number>,
): Promise<number> {
  if (plan !== undefined) return next(plan)
  process.stderr.write(problemsText(problems, missing))
  return Promise.resolve(1)
}

/** Takes `--input NAME` from the flags: with -c it names an input of the configuration, without it begins one. */
function inputNamed({ config, flags: { tree } }: Request): string | undefined {
  if (config === undefined) return undefined
  const inputs = tree.sections.filter(({ name }) => name === 'INPUT')
  for (const input of inputs) tree.sections.splice(tree.sections.indexOf(input), 1)
  const last = inputs.at(-1)
  return last === undefined ? undefined : propertyOf(last, 'name')?.value
}

function chosenInput({ inputs }: Plan, name: string | undefined): InputPlan | undefined {
  if (name === undefined) return undefined
  const found = inputs.find((input) => input.name === name)
  if (found !== undefined) return found
  const names = inputs.map((input) => input.name)
  const near = didYouMean(name, names)
  throw usage(
    `the configuration has no input named "${name}"${near === '' ? `; it has ${names.join(', ')}` : near}`,
  )
}

/** Returns the request with the file that is given as an argument, or with -c. */
function fileOf(command: string, args: readonly string[], request: Request): Request {
  const [file, unexpected] = args
  if (unexpected !== undefined) throw usage(`unexpected argument "${unexpected}" after ${command} ${file}`)
  const config = file ?? request.config
  if (config === undefined)
    throw usage(`usage: shipper ${command} FILE${command === 'migrate' ? ' --to yaml|classic' : ''}`)
  return { ...request, config }
}

function usage(message: string): ShipperError {
  return new ShipperError('E_CLI_USAGE', message)
}

import { propertyOf } from '../config/config-tree.ts'
import type { PlanResult } from '../config/plan.ts'
import { ShipperError } from '../core/error.ts'
import type { Request } from './arguments.ts'
import { problemsText } from './problems.ts'
import { print } from './stdout.ts'
import { VERSION } from './version.ts'

const USAGE =
  'shipper dead-letters list FILE|DIR, show FILE|DIR [--limit N], or replay FILE -c CONFIG [--output NAME]'

/**
 * Runs `dead-letters list|show|replay PATH` and resolves with the exit status; `load` loads the configuration of the
 * request. Throws E_CLI_USAGE.
 */
export async function deadLetters(
  args: readonly string[],
  request: Request,
  load: (request: Request) => Promise<PlanResult>,
): Promise<number> {
  const [action, path, ...more] = args
  if (path === undefined || more.length > 0) throw usage(`usage: ${USAGE}`)
  if (action === 'list') {
    const { listLetters } = await import('../agent/dead-letters/print.ts')
    return print(listLetters(path))
  }
  if (action === 'show') {
    const { showLetters } = await import('../agent/dead-letters/print.ts')
    const unreadable = await showLetters(path, limitOf(request), print)
    if (unreadable > 0) process.stderr.write(`shipper: ${unreadable} lines are no rows of this version\n`)
    return 0
  }
  if (action === 'replay') return replay(path, request, load)
  throw usage(`unknown action "${action}" of dead-letters; usage: ${USAGE}`)
}

async function replay(
  path: string,
  request: Request,
  load: (request: Request) => Promise<PlanResult>,
): Promise<number> {
  const output = targetOf(request)
  const { plan, problems } = await load(request)
  if (plan === undefined) {
    process.stderr.write(problemsText(problems))
    return 1
  }
  const names = plan.outputs.map(({ name }) => name)
  const target = output === undefined && request.config === undefined ? names[0] : output
  if (target !== undefined && !names.includes(target))
    throw usage(
      `the configuration has no output named "${target}"; it has ${names.length === 0 ? 'none' : names.join(', ')}`,
    )
  const { replayLetters } = await import('../agent/dead-letters/replay.ts')
  const result = await replayLetters(plan, { path, output: target, version: VERSION.version })
  const { replayed, refused, reason, unknown, unknownNames, unreadable, left, removed } = result
  const parts = [`${replayed} replayed`]
  if (refused > 0) parts.push(`${refused} refused again: ${reason}`)
  if (left > 0) parts.push(`${left} left${refused === 0 && reason !== '' ? `: ${reason}` : ''}`)
  if (unknown > 0)
    parts.push(
      `${unknown} of outputs or filters that the configuration does not have (${unknownNames.join(', ')}): name one with --output`,
    )
  if (unreadable > 0) parts.push(`${unreadable} lines are no rows of this version`)
  if (removed.length > 0) parts.push(`removed ${removed.join(', ')}`)
  await print(`${parts.join('; ')}\n`)
  return refused + left + unknown + unreadable === 0 ? 0 : 1
}

/**
 * Takes `--output NAME` from the flags: with -c it names an output of the configuration. Without -c the flags are the
 * configuration, as in a run.
 */
function targetOf(request: Request): string | undefined {
  const { tree } = request.flags
  const outputs = tree.sections.filter(({ name }) => name === 'OUTPUT')
  if (request.config === undefined) {
    if (outputs.length !== 1) throw usage('a replay needs -c CONFIG, or one -o OUTPUT with its -p')
    request.flags.begin('input', 'dummy')
    return undefined
  }
  for (const output of outputs) tree.sections.splice(tree.sections.indexOf(output), 1)
  const last = outputs.at(-1)
  return last === undefined ? undefined : propertyOf(last, 'name')?.value
}

function limitOf({ limit }: Request): number {
  if (limit === undefined) return Number.POSITIVE_INFINITY
  const n = Number(limit)
  if (!Number.isInteger(n) || n < 1) throw usage(`--limit must be a number from 1, not "${limit}"`)
  return n
}

function usage(message: string): ShipperError {
  return new ShipperError('E_CLI_USAGE', message)
}

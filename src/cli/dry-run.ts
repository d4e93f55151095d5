import { sortByLocation } from '../config/config-tree.ts'
import { maskedProblem } from '../config/secret-values.ts'
import type { Plan } from '../core/plan.ts'
import type { Request } from './arguments.ts'
import { loadWithTree } from './load.ts'
import { planText } from './plan-text.ts'
import { problemsText, warningsText } from './problems.ts'
import { print } from './stdout.ts'
import { VERSION } from './version.ts'

/** Checks the configuration and prints its plan; with problems also that of the part which is valid, and resolves with 1. */
export async function dryRun(request: Request): Promise<number> {
  const { tree, result } = await loadWithTree(request)
  const { plan, validPart, checkable, problems, warnings, missing, notes = [], mask } = result
  const { checkPlan } = await import('../agent/dry-run.ts')
  const checked = await checkPlan(plan ?? checkable, VERSION.version)
  const all = sortByLocation([...problems, ...checked.problems]).map((one) => maskedProblem(one, mask))
  const ofBuffer = await warningsOfBuffer(plan ?? checkable)
  process.stderr.write(
    warningsText([...warnings, ...checked.warnings, ...ofBuffer].map(mask), all.length > 0),
  )
  const text = mask(
    await planText({
      plan: plan ?? validPart,
      tree,
      missing,
      notes,
      inputLimits: checked.inputLimits,
      find: checked.findPath,
      isPartial: all.length > 0,
    }),
  )
  if (all.length > 0) {
    if (validPart.inputs.length > 0 || notes.length > 0) await print(`plan of what is valid\n\n${text}`)
    process.stderr.write(problemsText(all, missing, ''))
    return 1
  }
  await print(text)
  if (plan !== undefined && (request.logLevel === 'debug' || request.logLevel === 'trace')) {
    const { describeExpressions } = await import('../agent/expressions.ts')
    await print(describeExpressions(plan))
  }
  return print('configuration test is successful\n')
}

/** Returns what a start would warn of because of what the buffer on disk has. */
async function warningsOfBuffer(plan: Plan): Promise<string[]> {
  if (plan.buffer === undefined) return []
  const { bufferWarnings } = await import('../agent/buffer-warnings.ts')
  return bufferWarnings(plan)
}

import { messageOf } from '../core/error.ts'
import type { Plan } from '../core/plan.ts'
import { FsFailure, isMissing, stat } from '../lib/fs/file-system.ts'
import { inspectBuffer } from '../lib/segments/inspect.ts'
import { permissionWarning } from '../lib/segments/permissions.ts'
import { unknownOutputText } from '../lib/segments/unknown-outputs.ts'
import { movedOutputs, readTargets } from './buffer-targets.ts'

/**
 * Returns what a start would warn of because of what is in the folder of the buffer: records for outputs that the configuration does
 * not have, or that send elsewhere now, and files that are not read. Nothing is locked or changed.
 */
export function bufferWarnings(plan: Plan): string[] {
  const { buffer } = plan
  if (buffer === undefined) return []
  const { folder } = buffer
  const found = stat(folder)
  // What is wrong with the folder itself is a problem of the plan.
  if (found instanceof FsFailure ? isMissing(found) : !found.isDirectory()) return []
  try {
    const { outputs, notes } = inspectBuffer(folder, false)
    const waiting = new Map(outputs.map(({ name, records }) => [name, records]))
    const last = readTargets(folder)
    const known = new Set(plan.outputs.map(({ name }) => name))
    const permissions = permissionWarning(folder)
    const unknown = outputs.filter(({ name }) => !known.has(name))
    return [
      ...(permissions === undefined ? [] : [permissions]),
      ...notes,
      ...unknown.map((output) => {
        const { message, hint } = unknownOutputText(folder, output.name, output)
        return `${message}: ${hint}`
      }),
      ...(last instanceof Map ? movedOutputs(plan, last, (name) => waiting.get(name) ?? 0) : []),
    ]
  } catch (error) {
    return [`the buffer ${folder} cannot be inspected: ${messageOf(error)}`]
  }
}

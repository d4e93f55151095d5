import { ShipperError } from '../core/error.ts'
import { hasEffect } from '../core/options/needs.ts'
import { camelName, type Option } from '../core/options/option.ts'
import type { Plan } from '../core/plan.ts'
import { FsFailure, stat } from '../lib/fs/file-system.ts'

/**
 * Finds files that options name (`Option.isFile`) and that are not there: a start would fail. Nothing is opened, and who may not look
 * says nothing, as a check may run as another user.
 */
export function namedFileProblems({ inputs, outputs, filters }: Plan): ShipperError[] {
  const problems: ShipperError[] = []
  for (const { spec, options, optionLocations, location } of [...inputs, ...filters, ...outputs]) {
    const values = options as Readonly<Record<string, unknown>>
    for (const [name, option] of Object.entries<Option>(spec.options)) {
      const path = values[camelName(name)]
      if (option.isFile !== true || typeof path !== 'string') continue
      if (!hasEffect(option, spec.options, values)) continue
      const reason = whyNoFile(path)
      if (reason === undefined) continue
      problems.push(
        new ShipperError('E_CONFIG_BAD_VALUE', `[${spec.name}] the file of ${name}, ${path}, ${reason}`, {
          hint: 'check the path; a relative one is looked up in the working directory',
          location: optionLocations.get(name) ?? location,
        }),
      )
    }
  }
  return problems
}

/** Returns why there is no file at the path; undefined when there is one, or nobody may look. */
function whyNoFile(path: string): string | undefined {
  const found = stat(path)
  if (!(found instanceof FsFailure)) return found.isDirectory() ? 'is a directory' : undefined
  return found.code === 'ENOENT' || found.code === 'ENOTDIR' ? 'does not exist' : undefined
}

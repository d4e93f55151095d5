import { join } from 'node:path'
import { messageOf } from '../core/error.ts'
import type { Plan } from '../core/plan.ts'
import {
  close,
  closeWritten,
  createFile,
  FsFailure,
  isMissing,
  readRegular,
  remove,
  rename,
  sync,
  write,
} from '../lib/fs/file-system.ts'
import { counted } from '../lib/text/counted.ts'
import { targetOf } from './stage-place.ts'

/**
 * Name of the file that stores where each output sent to in the last run: a JSON object, by the name of the
 * output. A buffer on disk identifies outputs by their names, and one without an Alias is named by its number:
 * after a section is added before it, `kafka.0` is another output.
 */
const FILE = 'buffer.targets.json'
const MAX_BYTES = 10_000_000

type Targets = ReadonlyMap<string, string>

/** Returns where the outputs sent to in the last run, or the reason why that is not known: undefined for a new folder. */
export function readTargets(folder: string): Targets | { reason: string | undefined } {
  const path = join(folder, FILE)
  const content = readRegular(path, MAX_BYTES)
  if (isMissing(content)) return { reason: undefined }
  if (content instanceof FsFailure) return { reason: `${path} cannot be read: ${content.message}` }
  try {
    const entries = Object.entries(JSON.parse(content.toString('utf8')) as object)
    return new Map(entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string'))
  } catch (error) {
    return { reason: `${path} is damaged: ${messageOf(error)}` }
  }
}

/** Returns where the outputs of a plan send to, and where those of `others` that the plan does not have sent to in the last run. */
export function targetsOf({ outputs }: Plan, others: Iterable<string>, last: Targets): Targets {
  const targets = new Map<string, string>()
  for (const name of others) {
    const target = last.get(name)
    if (target !== undefined) targets.set(name, target)
  }
  for (const output of outputs) targets.set(output.name, targetOf(output))
  return targets
}

/** Stores where the outputs send to, if that has changed. */
export function writeTargets(folder: string, targets: Targets, last: Targets): FsFailure | undefined {
  if (isSame(targets, last)) return undefined
  const path = join(folder, FILE)
  const made = `${path}.new`
  remove(made)
  const fd = createFile(made, 0o600)
  if (fd instanceof FsFailure) return fd
  const bytes = Buffer.from(`${JSON.stringify(Object.fromEntries(targets), undefined, 2)}\n`)
  for (let at = 0; at < bytes.length; ) {
    const written = write(fd, bytes, at)
    if (written instanceof FsFailure) {
      close(fd)
      remove(made)
      return written
    }
    at += written
  }
  const unsynced = sync(fd)
  return closeWritten(fd) ?? unsynced ?? rename(made, path)
}

function isSame(a: Targets, b: Targets): boolean {
  return a.size === b.size && [...a].every(([name, target]) => b.get(name) === target)
}

/** Returns warnings of outputs without an Alias for which records wait and which sent elsewhere in the last run. */
export function movedOutputs(
  { outputs }: Plan,
  last: Targets,
  waiting: (output: string) => number,
): string[] {
  return outputs.flatMap((output) => {
    const { name, common } = output
    const before = last.get(name)
    const now = targetOf(output)
    if (common.alias !== undefined || before === undefined || before === now) return []
    const records = waiting(name)
    if (records === 0) return []
    const count = counted(records, 'record')
    return [
      `the buffer has ${count} for the output ${name}, which was ${before} in the last run and is ${now} now: ${records === 1 ? 'it is' : 'they are'} sent there; give each output an Alias, so that another section does not change its name`,
    ]
  })
}

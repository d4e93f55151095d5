import { resolve } from 'node:path'
import { ShipperError, type SourceLocation } from '../core/error.ts'
import { COMPANION_SUFFIXES } from '../core/offset-store.ts'
import { deadLettersOf, filtersOf, type Plan } from '../core/plan.ts'
import { FsFailure, stat } from '../lib/fs/file-system.ts'

/** What a file of ours is for. Several stages may share a file for one purpose; a file has only one. */
type Purpose = 'database' | 'log' | 'dead letters' | 'records' | 'buffer'

interface OwnFile {
  purpose: Purpose
  path: string
  /** The option and whose it is, as in `DB of tail.0`. */
  name: string
  location: SourceLocation | undefined
}

/**
 * Finds files that the configuration names for two purposes, such as an output that writes its records into the database:
 * each would destroy what the other keeps there. Links and other names of a file are seen through; devices may be shared.
 */
export function sharedFileProblems(plan: Plan): ShipperError[] {
  const problems: ShipperError[] = []
  const first = new Map<string, OwnFile>()
  for (const file of ownFiles(plan)) {
    const key = identityOf(file.path)
    if (key === undefined) continue
    const other = first.get(key)
    if (other === undefined) first.set(key, file)
    else if (other.purpose !== file.purpose)
      problems.push(
        new ShipperError(
          'E_CONFIG_BAD_VALUE',
          `${file.name} is ${file.path}, the file of ${other.name}: each would destroy what the other writes`,
          {
            hint: 'give each a file of its own',
            ...(file.location === undefined ? {} : { location: file.location }),
          },
        ),
      )
  }
  return problems
}

function* ownFiles(plan: Plan): Generator<OwnFile> {
  const { inputs, outputs, service, buffer } = plan
  for (const { spec, name, options, optionLocations, location } of inputs) {
    const path = spec.statePath?.(options as never)
    if (path === undefined) continue
    const file = { purpose: 'database', location: optionLocations.get('db') ?? location } as const
    yield { ...file, path, name: `DB of ${name}` }
    for (const suffix of COMPANION_SUFFIXES)
      yield { ...file, path: path + suffix, name: `DB of ${name} (${suffix})` }
  }
  if (service.logFile !== undefined)
    yield { purpose: 'log', path: service.logFile, name: 'Log_File', location: undefined }
  if (buffer !== undefined)
    yield { purpose: 'buffer', path: buffer.folder, name: 'storage.path', location: undefined }
  for (const filter of filtersOf(plan)) yield* deadLetters(filter, deadLettersOf(filter)?.deadLetterFile)
  for (const output of outputs) {
    const { spec, name, options, common, optionLocations, location } = output
    yield* deadLetters(output, common.deadLetterFile)
    const path = spec.writes?.(options as never)
    if (path !== undefined)
      yield {
        purpose: 'records',
        path,
        name: `the file of ${name}`,
        location: optionLocations.get('file') ?? optionLocations.get('path') ?? location,
      }
  }
}

type Stage = Pick<Plan['outputs'][number], 'name' | 'optionLocations' | 'location'>

function* deadLetters(stage: Stage, path: string | undefined): Generator<OwnFile> {
  if (path === undefined) return
  const { name, optionLocations, location } = stage
  yield {
    purpose: 'dead letters',
    path,
    name: `Dead_Letter_File of ${name}`,
    location: optionLocations.get('dead_letter_file') ?? location,
  }
}

/** Returns the same text for all names of a file; undefined for what is not a regular file. */
function identityOf(path: string): string | undefined {
  const found = stat(path)
  if (found instanceof FsFailure) return resolve(path)
  return found.isFile() ? `${found.dev}:${found.ino}` : undefined
}

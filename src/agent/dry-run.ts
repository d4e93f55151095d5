import { hostname } from 'node:os'
import { formatLocation, ShipperError } from '../core/error.ts'
import type { Plan } from '../core/plan.ts'
import type { Logger } from '../core/services.ts'
import { Assembly } from '../engine/assembly.ts'
import { systemClock } from '../engine/clock.ts'
import { loadParts } from '../engine/parts.ts'
import { FsFailure, isForeignLink, stat } from '../lib/fs/file-system.ts'
import { namedFileProblems } from './named-files.ts'
import type { FindPath } from './route-path.ts'
import { sharedAddressProblems } from './shared-addresses.ts'
import { sharedFileProblems } from './shared-files.ts'

/** Result of a check. */
export interface PlanCheck {
  problems: ShipperError[]
  /** Warnings of plugins about their options, which a start writes to the log. */
  warnings: string[]
}

/** Result of a check, with what is known of the stages that can be created. */
interface CheckedPlan extends PlanCheck {
  /** Memory limits of the inputs in bytes, by name. */
  inputLimits: ReadonlyMap<string, number>
  /** Finds the path of records through the stages. */
  findPath: FindPath
}

/**
 * Finds the problems of a plan that only show when its plugins are created or started. The plugins are created and closed again but
 * not started: no database or socket is opened, and nothing is logged. Files of ours are looked at, not opened. With
 * `checksStarts` filters check what their start would need, see `Filter.check`: files are read, scripts are loaded.
 */
export async function checkPlan(plan: Plan, version: string, checksStarts = true): Promise<CheckedPlan> {
  const stop = new AbortController()
  const warnings: string[] = []
  const log = (name: string): Logger => ({
    error() {},
    warn: (message) => void warnings.push(`${name}: ${message}`),
    info() {},
    debug() {},
  })
  const assembly = new Assembly(plan, {
    parts: await loadParts(plan),
    clock: systemClock,
    log,
    agent: { version, id: 'check', hostname: hostname() },
    openOffsets: () => Promise.reject(new Error('a check does not open a database')),
    finished() {},
    signal: stop.signal,
  })
  if (checksStarts) await assembly.check()
  await discardAssembly(assembly, stop)
  const inputLimits = new Map(assembly.inputs.map(({ name, account }) => [name, account.limitBytes]))
  const { problems, pipeline } = assembly
  return {
    problems: withPlaceProblems(problems, plan),
    warnings,
    inputLimits,
    findPath: (input, tag) => pipeline.path(input, tag),
  }
}

/** Closes the parts of an agent that was not started; `flushes` is the source of its signal. */
export async function discardAssembly(assembly: Assembly, flushes: AbortController): Promise<void> {
  flushes.abort()
  assembly.stop()
  await Promise.all([assembly.closeInputs(), assembly.closeOutputs()])
}

/** Adds what is wrong with the files and ports that the plan names to these problems, but for values that are named there. */
export function withPlaceProblems(problems: readonly ShipperError[], plan: Plan): ShipperError[] {
  const named = new Set(
    problems.flatMap(({ location }) => (location === undefined ? [] : [formatLocation(location)])),
  )
  const isNew = ({ location }: ShipperError): boolean =>
    location?.col === undefined || !named.has(formatLocation(location))
  return [...problems, ...planPlaceProblems(plan).filter(isNew)]
}

/** Returns what is wrong with the files and ports that the plan names. */
export function planPlaceProblems(plan: Plan): ShipperError[] {
  return [
    ...fileProblems(plan),
    ...bufferProblems(plan),
    ...sharedFileProblems(plan),
    ...namedFileProblems(plan),
    ...sharedAddressProblems(plan),
  ]
}

/** Finds files of ours that are named but cannot be files, by looking at them: a start would fail there. */
function fileProblems({ inputs, service }: Plan): ShipperError[] {
  const problems: ShipperError[] = []
  const checked = new Set<string>()
  for (const { spec, options, optionLocations, location } of inputs) {
    const path = spec.statePath?.(options as never)
    if (path === undefined || checked.has(path)) continue
    checked.add(path)
    const reason = notAFile(path, false)
    if (reason === undefined) continue
    const message = `[${spec.name}] DB ${path} ${reason}: positions cannot be stored there`
    const hint = 'name a file, e.g. /var/lib/shipper/pos.db; it is created with its directory'
    problems.push(
      new ShipperError('E_STORE_UNREADABLE', message, {
        hint,
        location: optionLocations.get('db') ?? location,
      }),
    )
  }
  const reason = service.logFile === undefined ? undefined : notAFile(service.logFile, true)
  if (reason !== undefined)
    problems.push(new ShipperError('E_LOG_FILE', `Log_File ${service.logFile} ${reason}`))
  return problems
}

/** Finds out by looking at it whether the folder of the buffer on disk cannot be one. */
function bufferProblems({ buffer }: Plan): ShipperError[] {
  if (buffer === undefined) return []
  const reason = notAFolder(buffer.folder)
  if (reason === undefined) return []
  const hint = 'set storage.path in [SERVICE] to a folder, e.g. /var/lib/shipper/buffer; it is created'
  const message = `storage.path ${buffer.folder} ${reason}: nothing can be kept there`
  return [new ShipperError('E_BUFFER', message, { hint })]
}

/** Returns what is at the path instead of a folder that is ours, or undefined when there is one, nothing, or nobody may look. */
function notAFolder(path: string): string | undefined {
  // A slash at the end would have the link followed.
  if (isForeignLink(path.replace(SLASHES, ''))) return 'is a link that another user has made'
  const found = stat(path)
  if (found instanceof FsFailure)
    return found.code === 'ENOTDIR' ? 'is below something that is not a directory' : undefined
  return found.isDirectory() ? undefined : 'is not a directory'
}

const SLASHES = /(?<=.)\/+$/

/** Returns what is at the path instead of a regular file, or undefined when there is one, nothing, or nobody may look. */
function notAFile(path: string, mayBeDevice: boolean): string | undefined {
  const found = stat(path)
  if (found instanceof FsFailure)
    return found.code === 'ENOTDIR' ? 'is below something that is not a directory' : undefined
  if (found.isFile() || path === '') return undefined
  if (found.isDirectory()) return 'is a directory'
  return mayBeDevice ? undefined : 'is not a regular file'
}

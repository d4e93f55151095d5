import { resolve } from 'node:path'
import type { SourceLocation } from '../core/error.ts'
import { camelName } from '../core/options/option.ts'
import { defaultValue } from '../core/options/parse.ts'
import { SERVICE_OPTIONS } from '../core/options/service.ts'
import type { BufferPlan, InputPlan, Plan } from '../core/plan.ts'
import { FsFailure, namesIn } from '../lib/fs/file-system.ts'
import { SEGMENT_SUFFIX, segmentPath } from '../lib/segments/segment.ts'
import { defaultFolderOf } from './buffer-options.ts'
import { type Diagnostics, problem, warn } from './config-tree.ts'

const DEFAULT_MAX_CHUNKS = 128

type ServiceOption = keyof typeof SERVICE_OPTIONS
/** Returns the location of a service option, or that of the section if it is not set. */
type Locate = (option: ServiceOption) => SourceLocation

/** Service options that say something about the buffer only. */
const BUFFER_OPTIONS: readonly ServiceOption[] = [
  'storage.max_chunks_up',
  'storage.backlog.mem_limit',
  'storage.backlog.flush_on_shutdown',
  'storage.delete_irrecoverable_chunks',
]

/**
 * Returns what the storage options of a configuration say; undefined when nothing is kept on disk. A `storage.path` that has
 * segments has a buffer even if no input is kept in it any more, so that what is in it is sent. `locations` are those of the
 * service options by name, `section` is that of the first section.
 */
export function bufferPlan(
  plan: Plan,
  locations: ReadonlyMap<string, SourceLocation>,
  section: SourceLocation,
  diagnostics: Diagnostics,
): BufferPlan | undefined {
  const locate: Locate = (option) => locations.get(option) ?? section
  const { service } = plan
  checkInheritance(plan, locate, diagnostics)
  const buffered = plan.inputs.filter((input) => storageTypeOf(input, service) === 'filesystem')
  for (const input of plan.inputs) warnOf(input, service, diagnostics)
  const [first] = buffered
  if (first === undefined) return leftBuffer(plan, locations, locate, diagnostics)
  const folder = service.storagePath ?? defaultFolderOf(plan)
  if (folder === undefined) {
    const own = first.optionLocations.get('storage.type')
    const message = `[${first.spec.name}] storage.type filesystem needs a folder: storage.path in [SERVICE] is not set, and no input has a DB to put it next to`
    const hint = 'set storage.path in [SERVICE], e.g. /var/lib/shipper/buffer'
    const location = own ?? locations.get('storage.type') ?? first.location
    diagnostics.problems.push(problem('E_CONFIG_MISSING_OPTION', message, location, hint))
    return undefined
  }
  checkReaders(plan, folder, diagnostics)
  return planOf(plan, folder, buffered)
}

/** Reports inputs that would read the files of the buffer. */
function checkReaders({ inputs }: Plan, folder: string, diagnostics: Diagnostics): void {
  const file = resolve(segmentPath(folder, 1))
  for (const { spec, name, options, location } of inputs) {
    if (spec.reads?.(options as never, file) !== true) continue
    const message = `${name} would read the files of the buffer in ${folder}`
    const hint = 'exclude them with Exclude_Path, or set storage.path to another folder'
    diagnostics.problems.push(problem('E_CONFIG_BAD_VALUE', message, location, hint))
  }
}

function planOf({ service, outputs }: Plan, folder: string, inputs: readonly InputPlan[]): BufferPlan {
  const limits = new Map<string, number>()
  for (const { name, common } of outputs) {
    const bytes = common.storageTotalLimitSize ?? 0
    if (bytes > 0) limits.set(name, bytes)
  }
  return {
    folder,
    inputs: inputs.map(({ name }) => name),
    memoryBytes: service.storageBacklogMemLimit,
    maxChunks: service.storageMaxChunksUp === 0 ? DEFAULT_MAX_CHUNKS : service.storageMaxChunksUp,
    deletesDamaged: service.storageDeleteIrrecoverableChunks,
    flushesAtStop: service.storageBacklogFlushOnShutdown,
    limits,
  }
}

/** Returns where the records of an input wait: what it says itself, or what it inherits. */
function storageTypeOf({ common }: InputPlan, { storageType, storageInherit }: Plan['service']): string {
  return common.storageType ?? (storageInherit ? storageType : undefined) ?? 'memory'
}

/** Warns of a storage.type that no input inherits, and of inputs that inherit none. */
function checkInheritance({ service }: Plan, locate: Locate, diagnostics: Diagnostics): void {
  const { storageType, storageInherit } = service
  if (storageType !== undefined && !storageInherit)
    warn(
      diagnostics,
      `[service] storage.type ${storageType} has no effect: inputs inherit it only with storage.inherit on, as in fluent-bit`,
      locate('storage.type'),
    )
  if (storageInherit && storageType === undefined)
    warn(
      diagnostics,
      '[service] storage.inherit has no effect: [SERVICE] has no storage.type',
      locate('storage.inherit'),
    )
}

/** Warns of what is probably not intended. */
function warnOf(input: InputPlan, service: Plan['service'], diagnostics: Diagnostics): void {
  const { spec, optionLocations, location } = input
  const type = storageTypeOf(input, service)
  const at = optionLocations.get('storage.type') ?? location
  if (type === 'memrb')
    warn(
      diagnostics,
      `[${spec.name}] storage.type memrb is the same as memory here: the input pauses at its memory limit, and nothing is dropped`,
      at,
    )
  if (type === 'filesystem' && spec.statePath !== undefined)
    warn(
      diagnostics,
      `[${spec.name}] storage.type filesystem copies to disk what ${spec.name} can read again: see "When not to use it" in docs/guides/buffer.md`,
      at,
    )
}

/**
 * Returns the buffer of a configuration in which no input is kept in one: what an earlier run has left in `storage.path`, to
 * be sent. The default folder may be that of another agent with a database beside ours, so there is only a warning.
 */
function leftBuffer(
  plan: Plan,
  locations: ReadonlyMap<string, SourceLocation>,
  locate: Locate,
  diagnostics: Diagnostics,
): BufferPlan | undefined {
  const { storagePath } = plan.service
  if (storagePath === undefined || !hasSegments(storagePath)) warnOfUnused(plan, locations, diagnostics)
  if (storagePath === undefined) {
    const folder = defaultFolderOf(plan)
    if (folder !== undefined && hasSegments(folder))
      warn(
        diagnostics,
        `${folder} has records that an agent has kept on disk, and no input has storage.type filesystem: if they belong to this agent, set storage.path in [SERVICE] to have them sent`,
        locate('storage.path'),
      )
    return undefined
  }
  const location = locate('storage.path')
  if (!hasSegments(storagePath)) {
    warn(diagnostics, `[service] ${withoutEffect('storage.path')}`, location)
    return undefined
  }
  warn(
    diagnostics,
    `[service] no input has storage.type filesystem: what ${storagePath} still has is sent, and nothing is added`,
    location,
  )
  return planOf(plan, storagePath, [])
}

/** Warns of options that say something about a buffer when there is none. */
function warnOfUnused(
  { service, outputs }: Plan,
  locations: ReadonlyMap<string, SourceLocation>,
  diagnostics: Diagnostics,
): void {
  for (const name of BUFFER_OPTIONS) {
    const location = locations.get(name)
    const isDefault =
      service[camelName(name) as keyof typeof service] === defaultValue(name, SERVICE_OPTIONS[name])
    if (location !== undefined && !isDefault) warn(diagnostics, `[service] ${withoutEffect(name)}`, location)
  }
  for (const { spec, optionLocations } of outputs) {
    const location = optionLocations.get('storage.total_limit_size')
    if (location !== undefined)
      warn(diagnostics, `[${spec.name}] ${withoutEffect('storage.total_limit_size')}`, location)
  }
}

function withoutEffect(option: ServiceOption): string {
  return `"${option}" has no effect: no input has storage.type filesystem`
}

function hasSegments(folder: string): boolean {
  const names = namesIn(folder)
  return !(names instanceof FsFailure) && names.some((name) => name.endsWith(SEGMENT_SUFFIX))
}

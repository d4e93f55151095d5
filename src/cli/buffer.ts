import { defaultFolderOf } from '../config/buffer-options.ts'
import type { PlanResult } from '../config/plan.ts'
import { ShipperError } from '../core/error.ts'
import { escapeControls } from '../core/escape-controls.ts'
import { FsFailure, isMissing, stat } from '../lib/fs/file-system.ts'
import type { InspectedBuffer, InspectedOutput, InspectedSegment } from '../lib/segments/inspect.ts'
import type { Damage } from '../lib/segments/types.ts'
import { unknownOutputText } from '../lib/segments/unknown-outputs.ts'
import { bytesText } from '../lib/text/bytes.ts'
import { counted } from '../lib/text/counted.ts'
import { countText } from '../lib/text/duration.ts'
import type { Request } from './arguments.ts'
import { aligned } from './columns.ts'
import { problemsText } from './problems.ts'
import { print } from './stdout.ts'

const JSON_HINT = '/api/v1/storage of the running agent has the same as JSON'
const USAGE = 'usage: shipper buffer FOLDER [--check], or shipper buffer -c FILE [--check]'
/** Damaged parts of a file that are listed. */
const MAX_PARTS = 20

/**
 * Prints what is in a buffer on disk: that of the folder, or of the configuration. Resolves with 1 when something of it is damaged.
 * Nothing is locked or written, so the agent that uses it may run. Throws E_CLI_USAGE.
 */
export async function bufferCommand(
  args: readonly string[],
  request: Request,
  load: (request: Request) => Promise<PlanResult>,
): Promise<number> {
  const [path, ...more] = args
  if (more.length > 0) throw new ShipperError('E_CLI_USAGE', USAGE)
  const { check, json } = request
  if (json) throw new ShipperError('E_CLI_USAGE', `buffer has no --json; ${USAGE}`, { hint: JSON_HINT })
  const given = path === undefined ? await folderOf(request, load) : { folder: path }
  if (given === undefined) return 1
  const { folder, outputs } = given
  const place = stat(folder)
  if (outputs !== undefined && isMissing(place))
    return print(`there is no buffer in ${escapeControls(folder)} yet, nothing waits\n`)
  if (place instanceof FsFailure ? isMissing(place) : !place.isDirectory()) throw noFolder(folder, place)
  const { inspectBuffer } = await import('../lib/segments/inspect.ts')
  const found = inspectBuffer(folder, check)
  await print(bufferText(found, outputs, check))
  if (found.missing.length > 0) return 1
  return found.segments.some(({ damage, newer }) => damage.length > 0 || newer !== undefined) ? 1 : 0
}

interface GivenFolder {
  folder: string
  /** Names of the outputs of the configuration that it is from. */
  outputs?: ReadonlySet<string>
}

function noFolder(folder: string, place: unknown): ShipperError {
  const message = `there is no buffer on disk in ${folder}: ${place instanceof FsFailure ? place.message : 'it is not a directory'}`
  return new ShipperError('E_BUFFER', message, {
    hint: 'pass the storage.path of the configuration, or the configuration itself with -c FILE',
  })
}

/** Returns the folder of a configuration; undefined when that has problems, which are printed. */
async function folderOf(
  request: Request,
  load: (request: Request) => Promise<PlanResult>,
): Promise<GivenFolder | undefined> {
  if (request.config === undefined) throw new ShipperError('E_CLI_USAGE', USAGE)
  const { plan, problems } = await load(request)
  if (plan === undefined) {
    process.stderr.write(problemsText(problems))
    return undefined
  }
  const folder = plan.buffer?.folder ?? plan.service.storagePath ?? defaultFolderOf(plan)
  if (folder !== undefined) return { folder, outputs: new Set(plan.outputs.map(({ name }) => name)) }
  throw new ShipperError('E_CLI_USAGE', 'this configuration has no buffer on disk', {
    hint: 'give an input storage.type filesystem, or pass a FOLDER',
  })
}

/** `known`: the outputs of the configuration, if there is one. */
function bufferText(
  { folder, segments, outputs, missing, setAside, notes }: InspectedBuffer,
  known: ReadonlySet<string> | undefined,
  isChecked: boolean,
): string {
  const bytes = segments.reduce((sum, segment) => sum + segment.bytes, 0)
  const files = counted(segments.length, 'file')
  const parts = [
    `buffer ${escapeControls(folder)}: ${files}, ${bytesText(bytes)}\n`,
    outputsText(outputs, segments),
  ]
  const unknown = outputs.filter(({ name }) => known?.has(name) === false)
  for (const output of unknown) parts.push(unknownText(folder, output))
  if (segments.length > 0)
    parts.push(aligned([['FILE', 'SIZE', 'WAITING RECORDS'], ...segments.map(segmentRow)], 0))
  const damaged = segments.flatMap(damageLines)
  if (
    isChecked &&
    damaged.length + missing.length === 0 &&
    segments.length > 0 &&
    !segments.some(({ newer }) => newer !== undefined)
  )
    parts.push('all checksums are correct\n')
  if (damaged.length > 0) parts.push(`damaged\n${aligned(damaged, 2)}`)
  if (missing.length > 0) parts.push(`missing\n${aligned(missing.slice(0, MAX_PARTS).map(missingRow), 2)}`)
  if (setAside.length > 0)
    parts.push(
      `kept as damaged, no longer read\n${aligned(
        setAside.map((name) => [escapeControls(name)]),
        2,
      )}`,
    )
  if (notes.length > 0) parts.push(notes.map((note) => `${escapeControls(note)}\n`).join(''))
  return parts.join('\n')
}

function missingRow({ path, records, reason }: Damage): string[] {
  const count = records === undefined ? 'an unknown number of records' : counted(records, 'record')
  return [escapeControls(path), `${count}: ${escapeControls(reason)}`]
}

function outputsText(outputs: readonly InspectedOutput[], segments: readonly InspectedSegment[]): string {
  const isWhole = segments.every(({ damage, newer }) => damage.length === 0 && newer === undefined)
  if (outputs.length === 0)
    return isWhole ? 'nothing waits\n' : 'nothing waits in the part that can be read\n'
  const rows = outputs.map(({ name, records, bytes, chunks, oldestMs }) => [
    escapeControls(name),
    countText(records),
    bytesText(bytes),
    countText(chunks),
    oldestMs === undefined ? '' : new Date(oldestMs).toISOString(),
  ])
  return aligned([['OUTPUT', 'RECORDS', 'SIZE', 'CHUNKS', 'OLDEST'], ...rows], 0)
}

function unknownText(folder: string, output: InspectedOutput): string {
  const { message, hint } = unknownOutputText(folder, output.name, output)
  return `${escapeControls(`${message}: ${hint}`)}\n`
}

function segmentRow({ name, bytes, waiting, newer }: InspectedSegment): string[] {
  const outputs = [...waiting].map(
    ([output, { records }]) => `${escapeControls(output)} ${countText(records)}`,
  )
  const text = outputs.length === 0 ? 'none' : outputs.join(', ')
  return [
    name,
    bytesText(bytes),
    newer === undefined ? text : `not read: format ${newer}, of a newer version of shipper`,
  ]
}

function damageLines({ name, damage }: InspectedSegment): string[][] {
  const rows = damage.slice(0, MAX_PARTS).map(({ offset, end, records, reason }) => {
    const count = records === undefined ? 'an unknown number of records' : counted(records, 'record')
    return [name, `${count}, byte ${offset} to ${end}: ${escapeControls(reason)}`]
  })
  const more = damage.length - rows.length
  return more > 0 ? [...rows, [name, `and ${countText(more)} more ${more === 1 ? 'part' : 'parts'}`]] : rows
}

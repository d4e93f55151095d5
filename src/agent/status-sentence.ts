import { truncate } from '../core/escape-controls.ts'
import type { Clock } from '../core/services.ts'
import type { BufferSnapshot, Unkept } from '../core/snapshot.ts'
import type { Assembly } from '../engine/assembly.ts'
import { isPaused } from '../engine/stages.ts'
import { bytesText } from '../lib/text/bytes.ts'
import { counted } from '../lib/text/counted.ts'

/** What the sentence is made of: a part of the running inputs and outputs, cheap to read with any number of files. */
interface StatusSource {
  inputs: readonly { name: string; files: number | undefined; paused: boolean }[]
  outputs: readonly OutputState[]
  /** The buffer on disk, if there is one. */
  buffer?: Pick<BufferSnapshot, 'problem' | 'readProblem' | 'outputs'> | undefined
}

interface OutputState {
  name: string
  waiting: number
  delivered: number
  failures: number
  lastError: string | undefined
}

type RunningParts = Pick<Assembly, 'inputs' | 'outputs'> & {
  readonly buffer?: { snapshot(): BufferSnapshot } | undefined
}

/** Reads the state of an assembly, without asking the inputs about each of their files. */
export function statusSource({ inputs, outputs, buffer }: RunningParts): StatusSource {
  return {
    buffer: buffer?.snapshot(),
    inputs: inputs.map(({ name, counters, account, stage }) => ({
      name,
      files: FILE_COUNTERS.every((counter) => Object.hasOwn(counters.snapshot().counters, counter))
        ? counters.get('files_opened') - counters.get('files_closed')
        : undefined,
      paused: isPaused({ account, stage }),
    })),
    outputs: outputs.map(({ name, queue }) => ({
      name,
      waiting: queue.waiting,
      delivered: queue.stats.procRecords,
      failures: queue.stats.retries + queue.stats.retriesFailed + queue.stats.errors,
      lastError: queue.lastError,
    })),
  }
}

/** Counters of an input that follows files. */
const FILE_COUNTERS = ['files_opened', 'files_closed']

/** Says in one sentence how the agent is: which output fails and since when, or that all is sent. */
export class StatusSentence {
  readonly #clock: Clock
  readonly #outputs = new Map<
    string,
    { delivered: number; failures: number; failingMs: number | undefined }
  >()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  of({ inputs, outputs, buffer }: StatusSource): string {
    if (outputs.length === 0) return 'idle: there is no output, nothing is read'
    if (inputs.length === 0) return 'idle: there is no input'
    const failing = outputs.flatMap((output) => {
      const sinceMs = this.#failingSince(output)
      if (sinceMs === undefined) return []
      const reason =
        output.lastError === undefined ? '' : ` (${truncate(output.lastError, MAX_REASON_CHARS)})`
      return [`${output.name} has delivered nothing since ${timeOf(sinceMs)}${reason}`]
    })
    const paused = inputs.filter((input) => input.paused).map((input) => input.name)
    const withFiles = inputs.filter((input) => input.files !== undefined)
    const files = withFiles.reduce((sum, input) => sum + (input.files ?? 0), 0)
    const waiting = outputs.reduce((sum, output) => sum + output.waiting, 0)
    if (buffer?.problem !== undefined) failing.push(bufferFailure('writable', buffer.problem))
    if (buffer?.readProblem !== undefined) failing.push(bufferFailure('readable', buffer.readProblem))
    const onDisk = Math.max(0, ...(buffer?.outputs.map(({ bytes }) => bytes) ?? []))
    return [
      ...(failing.length === 0 ? ['sending'] : failing),
      ...(withFiles.length === 0 ? [] : [`${counted(files, 'file')} open`]),
      `${counted(waiting, 'chunk')} waiting`,
      ...(onDisk === 0 ? [] : [`${bytesText(onDisk)} on disk`]),
      ...(paused.length === 0 ? [] : [`${paused.join(', ')} paused by the memory limit`]),
    ].join('; ')
  }

  /** An output fails from its first failure until something is delivered; what is tried in between changes neither. */
  #failingSince({ name, delivered, failures }: OutputState): number | undefined {
    const before = this.#outputs.get(name) ?? { delivered: 0, failures: 0, failingMs: undefined }
    let { failingMs } = before
    if (delivered > before.delivered) failingMs = undefined
    else if (failures > before.failures) failingMs ??= this.#clock.nowMs()
    this.#outputs.set(name, { delivered, failures, failingMs })
    return failingMs
  }
}

const MAX_REASON_CHARS = 150

/** Formats a date and time in local time, without a year and seconds. */
function timeOf(ms: number): string {
  const date = new Date(ms)
  const two = (n: number): string => String(n).padStart(2, '0')
  return `${two(date.getMonth() + 1)}-${two(date.getDate())} ${two(date.getHours())}:${two(date.getMinutes())}`
}

function bufferFailure(ability: 'readable' | 'writable', { sinceMs, reason }: Unkept): string {
  return `the buffer on disk has not been ${ability} since ${timeOf(sinceMs)} (${truncate(reason, MAX_REASON_CHARS)})`
}

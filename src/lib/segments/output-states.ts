import type { Logger } from '../../core/services.ts'
import { type FsFailure, isMissing, syncDirectoryLater } from '../fs/file-system.ts'
import { bufferError, isFull } from './failure.ts'
import { isSameState } from './position.ts'
import { bounded, type StateFile, type Written } from './state-file.ts'
import type { OutputState, Position } from './types.ts'

/** The states of all outputs that are in the log, and their files. */
export class OutputStates {
  readonly #folder: string
  readonly #log: Logger
  readonly #files: ReadonlyMap<string, StateFile>
  /** Returns what a state of an output with this position says of the log. */
  readonly #written: (output: string, position: Position) => Written
  /** Outputs whose states have their space on the disk. */
  readonly #prepared = new Set<string>()
  /** States that could not be written. */
  readonly #unwritten = new Map<string, OutputState>()
  /** True after a failure was logged, until the next success. */
  #hasFailed = false

  constructor(
    folder: string,
    files: ReadonlyMap<string, StateFile>,
    log: Logger,
    written: (output: string, position: Position) => Written,
  ) {
    this.#folder = folder
    this.#written = written
    this.#files = files
    this.#log = log
  }

  /** Returns what was written last. */
  readonly written = (output: string): OutputState | undefined => this.#files.get(output)?.written

  /** Returns what is to be written, or was. */
  readonly current = (output: string): OutputState | undefined =>
    this.#unwritten.get(output) ?? this.written(output)

  /** Returns what survives a power failure. */
  readonly durable = (output: string): OutputState | undefined => this.#files.get(output)?.durable

  /**
   * Makes sure that the state of an output can be stored on a full disk, before a chunk for it is written. `first`: the state of an output
   * that has none. Returns a failure for a disk that is full and for a folder that is missing; any other is no reason to write nothing.
   */
  prepare(output: string, first: OutputState): FsFailure | undefined {
    if (this.#prepared.has(output)) return undefined
    const file = this.#file(output)
    const failure = file.allocate()
    if (failure !== undefined && (isFull(failure) || isMissing(failure))) return failure
    if (file.written === undefined && !this.#unwritten.has(output)) this.write(new Map([[output, first]]))
    this.#prepared.add(output)
    return undefined
  }

  #file(output: string): StateFile {
    const file = this.#files.get(output)
    if (file === undefined) throw new Error(`the log was not opened with the output ${output}`)
    return file
  }

  get hasUnwritten(): boolean {
    return this.#unwritten.size > 0
  }

  /** Writes those that have changed, and those that could not be written before. A failure is logged, and made good by the next call. */
  write(states: ReadonlyMap<string, OutputState>): void {
    for (const [output, state] of new Map([...this.#unwritten, ...states])) {
      const file = this.#file(output)
      this.#unwritten.delete(output)
      if (file.written !== undefined && isSameState(file.written, bounded(state))) continue
      const failure = file.write(state, this.#written(output, state.position))
      if (failure === undefined) continue
      this.#unwritten.set(output, state)
      this.#failed(failure)
    }
  }

  /** Waits until all that was written is on the disk. Resolves with false after a failure, which is logged. */
  async sync(): Promise<boolean> {
    let isNew = false
    for (const file of this.#files.values()) {
      if (file.isDurable) continue
      const failure = await file.sync()
      if (failure !== undefined) {
        this.#failed(failure)
        return false
      }
    }
    for (const file of this.#files.values()) isNew ||= file.isNew
    const failure = isNew ? await syncDirectoryLater(this.#folder) : undefined
    if (failure !== undefined) {
      this.#failed(failure)
      return false
    }
    for (const file of this.#files.values()) file.isNew = false
    if (!this.hasUnwritten) this.#hasFailed = false
    return true
  }

  /** Writes states again that do not say yet how much is on disk: from this the next run knows whether the last segment is there. */
  writeTotals(): void {
    for (const [output, file] of this.#files) {
      const { written } = file
      if (written === undefined || this.#unwritten.has(output)) continue
      const counts = this.#written(output, written.position)
      if (counts.total.own > file.total.own && file.write(written, counts) !== undefined) return
    }
  }

  /** True when the file of a state was removed or replaced by someone else. */
  get isGone(): boolean {
    return [...this.#files.values()].some(({ isGone }) => isGone)
  }

  /** Writes all states again that are in files which were removed by someone else. */
  restore(): void {
    for (const [output, file] of this.#files) {
      if (!file.isGone) continue
      const failure = file.restore()
      if (failure === undefined) continue
      if (file.written !== undefined && !this.#unwritten.has(output))
        this.#unwritten.set(output, file.written)
      this.#failed(failure)
    }
  }

  close(): void {
    for (const file of this.#files.values()) file.close()
  }

  #failed(failure: FsFailure): void {
    if (this.#hasFailed) return
    this.#hasFailed = true
    const error = bufferError('store the positions of outputs in', this.#folder, failure)
    this.#log.warn(`${error.message}; until this succeeds, a restart sends delivered records again`, {
      code: error.code,
      hint: error.hint,
    })
  }
}

import type { BufferSource } from '../core/buffer-source.ts'
import { Chunk, type ChunkInit } from '../core/chunk.ts'
import { messageOf } from '../core/error.ts'
import type { Places } from '../core/places.ts'
import type { Ack, OpenedLog } from '../core/plugin.ts'
import type { Logger } from '../core/services.ts'
import { counted } from '../lib/text/counted.ts'
import type { BorrowedBuffers } from './borrowed-buffers.ts'
import type { DiskBuffer } from './buffer/disk-buffer.ts'
import { FanOut } from './fan-out.ts'
import { Lineages } from './lineage.ts'
import type { FilterStage, OutputStage, Path } from './path.ts'
import { putPlaces, takePlaces } from './places.ts'
import { branchId, branchOf, type Division, divide, reroutedId } from './record-split.ts'
import { Rerouted } from './rerouted.ts'
import type { Router } from './router.ts'

/** Properties of an input that determine, besides the tag, how its chunks are processed. */
export interface ChunkOrigin {
  /** Buffers of the input, for what filters add and for copies. */
  buffers: BufferSource
  /** False when no output gets the chunk. */
  routable: boolean
}

/** See DiskBuffer. */
type ChunkBuffer = Pick<DiskBuffer, 'hasInputs' | 'takes' | 'accept'>

/** Maximum number of unmatched tags that are logged. */
const MAX_LOGGED_TAGS = 1000

/**
 * Sends chunks along the paths that the router finds: through filters, then into the queues of outputs, and a copy along each
 * branch. Everything here runs within `accept`; chunks wait in the queues only. Each copy has a receipt of its own, which
 * settles one route of the receipt of the chunk that it was copied from.
 */
export class Pipeline {
  readonly #router: Router
  readonly #borrowed: BorrowedBuffers
  readonly #log: Logger
  readonly #onChunk: (() => void) | undefined
  readonly #buffer: ChunkBuffer | undefined
  readonly #rerouted = new Rerouted()
  readonly #lineages = new Lineages()
  /** Chunks that filters have rerouted, to be sent when the current one is sent. */
  readonly #next: { chunk: Chunk; path: Path; origin: ChunkOrigin; ack: Ack }[] = []
  #isSending = false
  /** Inputs and filters that have miscounted places, which is logged once for each. */
  readonly #miscounted = new Set<string>()
  /** The filter that is being applied, and the places of what it has sent on of the same chunk. */
  #applied: { stage: FilterStage; sent: Places[] } | undefined
  readonly #unroutedTags = new Set<string>()
  unroutedRecords = 0
  /** True when some output wants the places of records. */
  readonly wantsPlaces: boolean

  /** `onChunk` is called for each chunk, and each copy or part of one. `buffer`: where chunks of some inputs are kept. */
  constructor(
    router: Router,
    borrowed: BorrowedBuffers,
    log: Logger,
    onChunk?: () => void,
    buffer?: ChunkBuffer,
  ) {
    this.#router = router
    this.wantsPlaces = router.outputs.some(({ wantsPlaces }) => wantsPlaces)
    this.#borrowed = borrowed
    this.#log = log
    this.#onChunk = onChunk
    this.#buffer = buffer
  }

  /** Returns what happens to the chunks of an input with this tag. */
  path(input: string, tag: string): Path {
    return this.#router.path(input, tag)
  }

  /** Filters and routes a chunk of an input; `ack` is called once, with its outcome. */
  accept(chunk: Chunk, origin: ChunkOrigin, ack: Ack): void {
    const { places, input } = chunk
    // A defect of the input costs the places as well, and no record.
    if (places !== undefined && places.count !== chunk.count) this.#reportMiscount(input, chunk, places)
    this.#send(chunk, this.#router.path(chunk.input, chunk.tag), origin, ack)
    const lineage = this.#lineages.known
    if (lineage !== undefined) chunk.reroutedBytes += lineage.bytes
  }

  /**
   * Returns all outputs that chunks of an input with this tag can reach, with those that records of the input have reached
   * under another tag.
   */
  outputsOf(input: string, tag: string): readonly OutputStage[] {
    return this.#rerouted.outputsOf(input, this.#router.path(input, tag))
  }

  /** True when an output that chunks of an input with this tag can reach wants the places of records. */
  wantsPlacesOf(input: string, tag: string): boolean {
    if (!this.wantsPlaces) return false
    const { allFilters, allOutputs } = this.#router.path(input, tag)
    return (
      allOutputs.some(({ wantsPlaces }) => wantsPlaces) || allFilters.some(({ mayReroute }) => mayReroute)
    )
  }

  /**
   * True when something cannot be delivered now while there is an output that can be reached. Without one, nobody has to be
   * protected from what fails.
   */
  get hasFailing(): boolean {
    let isAnyFailing = false
    for (const { queue } of this.#router.outputs) isAnyFailing ||= queue.hasFailing
    return isAnyFailing && this.hasReachable
  }

  /** True when some output can be reached, or the buffer on disk: what takes records has to get memory for them. */
  get hasReachable(): boolean {
    if (this.#buffer?.hasInputs) return true
    for (const { queue } of this.#router.outputs) if (queue.isReachable) return true
    return false
  }

  /** True when chunks of an input with this tag cannot be delivered to one of their outputs now. */
  isFailing(input: string, tag: string): boolean {
    for (const { queue } of this.outputsOf(input, tag)) if (queue.isFailing(tag)) return true
    return false
  }

  /** True when some filter waits for data about files, see `ready`. */
  get mayWait(): boolean {
    return this.#router.filters.some(({ filter }) => filter.ready !== undefined)
  }

  /** Asks the filters of the tag in order; returns the wait of the first one that is not ready. */
  ready(input: string, tag: string, path: string, opened?: OpenedLog): Promise<void> | undefined {
    for (const { filter } of this.#router.path(input, tag).allFilters) {
      const wait = filter.ready?.(tag, path, opened)
      if (wait !== undefined) return wait
    }
    return undefined
  }

  /** Implements `FilterContext.emit` for the filter `after`. */
  emit(after: FilterStage, chunk: Chunk, buffers: BufferSource, ack: Ack, label?: string): void {
    const { input, tag } = chunk
    const path =
      label === undefined ? this.#router.behind(after, input, tag) : this.#router.ofLabel(label, tag)
    this.#takePlaces(after, chunk, this.#applied?.stage === after ? this.#applied.sent : undefined)
    if (path === undefined) this.#reportLabel(after, chunk, label, new FanOut(buffers, ack))
    else this.#send(chunk, path, { buffers, routable: true }, ack)
  }

  /** Sends records that a filter has given up through it again, and to what follows it. */
  resume(at: FilterStage, chunk: Chunk, buffers: BufferSource, ack: Ack): void {
    const behind = this.#router.behind(at, chunk.input, chunk.tag)
    const path = { ...behind, filters: [at, ...behind.filters] }
    this.#send(chunk, path, { buffers, routable: true }, ack)
  }

  /** Implements `FilterContext.mayReroute`. */
  mayReroute(): boolean {
    return this.#lineages.get().mayReroute()
  }

  /** Implements `FilterContext.reroute` for the filter `by`. */
  reroute(by: FilterStage, records: ChunkInit, buffers: BufferSource, ack: Ack, label?: string): void {
    const { tag, input } = records
    const id = reroutedId(tag, records.id, by.name, label)
    const rewrites = [...(records.rewrites ?? []), by.name]
    const chunk = new Chunk({ ...records, id, rewrites }, buffers)
    this.#takePlaces(by, chunk)
    if (!this.#isSending) this.#lineages.begin(records.rewrites ?? [], records.count)
    this.#lineages.add(rewrites, records.buf.length)
    const path = label === undefined ? this.#router.anew(by, input, tag) : this.#router.ofLabel(label, tag)
    if (path === undefined) this.#reportLabel(by, chunk, label, new FanOut(buffers, ack))
    else {
      this.#rerouted.note(by, input, path.allOutputs)
      const origin = { buffers, routable: true }
      if (by.reroutesFirst === true) this.#send(chunk, path, origin, ack)
      else {
        this.#next.push({ chunk, path, origin, ack })
        if (!this.#isSending) this.#sendNext()
      }
    }
  }

  /** Takes the places of records that a filter sends on from their entries, where it has them. */
  #takePlaces({ name, keepsPlaces }: FilterStage, chunk: Chunk, sent?: Places[]): void {
    if (this.wantsPlaces && keepsPlaces !== true && chunk.count > 0) takePlaces(chunk, name, sent)
  }

  /** Applies a filter to a chunk whose records have places, or may get some from records that the filter had deferred. */
  #applyWithPlaces(stage: FilterStage, chunk: Chunk, fanOut: FanOut): void {
    const { filter, name, keepsPlaces } = stage
    if (keepsPlaces === true) {
      filter.apply(chunk, fanOut)
      const { places } = chunk
      places?.removeDropped()
      // A defect of the filter costs the places, and no record.
      if (places !== undefined && places.count !== chunk.count) this.#reportMiscount(name, chunk, places)
      return
    }
    putPlaces(chunk, fanOut.buffers)
    // The filter may send on chunks that come here, too.
    const before = this.#applied
    const sent: Places[] = []
    this.#applied = { stage, sent }
    try {
      filter.apply(chunk, fanOut)
    } finally {
      this.#applied = before
    }
    if (chunk.count > 0) takePlaces(chunk, name, sent)
  }

  #reportMiscount(by: string, chunk: Chunk, { count }: Places): void {
    chunk.places = undefined
    if (this.#miscounted.has(by)) return
    this.#miscounted.add(by)
    this.#log.error(
      `${by} has left ${counted(chunk.count, 'record')} and ${count} places of records: what it sends on has ids of its chunk, and may come twice after a restart`,
      { code: 'E_INTERNAL', tag: chunk.tag, hint: 'report it with the configuration' },
    )
  }

  #reportLabel({ name }: FilterStage, chunk: Chunk, label: string | undefined, fanOut: FanOut): void {
    const { tag, count } = chunk
    const message = `${name} sends ${counted(count, 'record')} to label ${label}, which does not exist`
    this.#log.error(message, { code: 'E_INTERNAL', tag, hint: DEFECT_HINT })
    fanOut.abort(chunk)
  }

  /** Sends a chunk, then those that its filters have rerouted: they come after what goes on under its own tag, as in fluent-bit. */
  #send(chunk: Chunk, path: Path, origin: ChunkOrigin, ack: Ack): void {
    if (this.#isSending) {
      this.#sendOne(chunk, path, origin, ack)
      return
    }
    this.#isSending = true
    this.#lineages.begin(chunk.rewrites, chunk.count)
    try {
      this.#sendOne(chunk, path, origin, ack)
    } finally {
      this.#isSending = false
      if (this.#next.length > 0) this.#sendNext()
    }
  }

  #sendNext(): void {
    this.#isSending = true
    try {
      // More are added while it is read.
      for (const { chunk, path, origin, ack } of this.#next) this.#sendOne(chunk, path, origin, ack)
    } finally {
      this.#next.length = 0
      this.#isSending = false
    }
  }

  #sendOne(chunk: Chunk, path: Path, origin: ChunkOrigin, ack: Ack): void {
    this.#onChunk?.()
    const fanOut = new FanOut(origin.buffers, ack)
    if (path.filters.length > 0 && !this.#filterOf(chunk, path.filters, fanOut)) {
      fanOut.abort(chunk)
      return
    }
    if (chunk.count === 0 || !origin.routable) {
      fanOut.settle(chunk, 'filtered')
      return
    }
    if (path.branches.length > 0 || path.split !== undefined) {
      this.#spread(chunk, path, origin, fanOut)
      return
    }
    const { outputs } = path
    if (outputs.length === 0) {
      if (path.isUnrouted) this.#countUnrouted(chunk)
      fanOut.settle(chunk, 'filtered')
      return
    }
    if (this.#buffer?.takes(chunk.input)) {
      this.#buffer.accept(chunk, outputs, fanOut)
      return
    }
    const receipt = fanOut.receipt(chunk, outputs.length)
    for (const { queue } of outputs) queue.push(chunk, receipt)
  }

  /** Sends a chunk to the outputs that share it, and copies of it along branches. */
  #spread(chunk: Chunk, path: Path, origin: ChunkOrigin, fanOut: FanOut): void {
    const division = this.#divide(chunk, path)
    if (division === undefined) {
      fanOut.abort(chunk)
      return
    }
    const { shares, untaken } = division
    // What no route takes is lost when nothing else gets all records.
    if (path.outputs.length + path.branches.length === 0) this.#countUntaken(chunk, untaken)
    const outputs = [...path.outputs]
    const branches = [...path.branches]
    const parts: { part: Chunk; path: Path }[] = []
    for (const { part, path: group } of shares) {
      if (part !== undefined) parts.push({ part, path: group })
      else if (group.filters.length > 0) branches.push(group)
      else {
        outputs.push(...group.outputs)
        branches.push(...group.branches)
      }
    }
    const buffer = this.#buffer?.takes(chunk.input) ? this.#buffer : undefined
    // The buffer settles all of its outputs at once.
    const direct = buffer === undefined ? outputs.length : Math.min(1, outputs.length)
    const routes = direct + branches.length + parts.length
    if (routes === 0) {
      fanOut.settle(chunk, 'filtered')
      return
    }
    const receipt = fanOut.receipt(chunk, routes)
    const ack: Ack = (outcome) => receipt.settle(outcome)
    for (const { part, path: group } of parts) this.#send(part, group, origin, ack)
    branches.forEach((branch, i) => {
      const id = branchId(chunk, branch.key)
      const isLast = outputs.length === 0 && i === branches.length - 1
      const name = branchOf(chunk, branch)
      this.#send(isLast ? chunk.move(id, name) : chunk.copy(id, name), branch, origin, ack)
    })
    // No output may have it before the last copy is made: an output writes its frame into the buffer.
    if (outputs.length === 0) chunk.giveBuffer()
    if (buffer === undefined) for (const { queue } of outputs) queue.push(chunk, receipt)
    else if (outputs.length > 0) buffer.accept(chunk.move(chunk.id), outputs, { settled: ack })
  }

  /** Returns undefined when a condition threw, which is a defect. */
  #divide(chunk: Chunk, { split }: Path): Division | undefined {
    if (split === undefined) return { shares: [], untaken: 0 }
    try {
      return divide(chunk, split)
    } catch (error) {
      this.#logDefect(`a condition of a route failed on ${counted(chunk.count, 'record')}`, chunk, error)
      return undefined
    }
  }

  /** Does `#filter`, with the lineage of the chunk. */
  #filterOf(chunk: Chunk, filters: readonly FilterStage[], fanOut: FanOut): boolean {
    const { rewrites, buf } = chunk
    const before = this.#lineages.enter(rewrites)
    const isDone = this.#filter(chunk, filters, fanOut)
    const lineage = this.#lineages.known
    if (rewrites.length > 0 && lineage !== undefined)
      lineage.bytes += Math.max(0, chunk.buf.length - buf.length)
    this.#lineages.leave(before)
    return isDone
  }

  /** Returns false when a filter threw, which is a defect: the chunk may be partly changed and is read again by the next run. */
  #filter(chunk: Chunk, filters: readonly FilterStage[], fanOut: FanOut): boolean {
    // A filter may emit records while it is applied, to filters that borrow as well.
    const before = this.#borrowed.current
    let running: string | undefined
    try {
      for (const stage of filters) {
        if (chunk.count === 0) break
        running = stage.name
        this.#borrowed.current = fanOut
        fanOut.nextFilter()
        counting(stage, chunk, () => {
          if (this.wantsPlaces) this.#applyWithPlaces(stage, chunk, fanOut)
          else stage.filter.apply(chunk, fanOut)
        })
      }
      return true
    } catch (error) {
      this.#logDefect(`a filter failed on ${counted(chunk.count, 'record')}`, chunk, error, running)
      return false
    } finally {
      this.#borrowed.current = before
    }
  }

  #logDefect(what: string, { tag }: Chunk, error: unknown, filter?: string): void {
    this.#log.error(`${what}: ${messageOf(error)}`, {
      code: 'E_INTERNAL',
      tag,
      ...(filter === undefined ? {} : { filter }),
      hint: DEFECT_HINT,
    })
  }

  /** Counts records that no output matches, and logs each tag once. They are discarded, as in fluent-bit. */
  #countUnrouted(chunk: Chunk): void {
    this.unroutedRecords += chunk.count
    if (!this.#isNewUnrouted(chunk.tag)) return
    this.#log.warn(`no output matches tag "${chunk.tag}": its records are discarded`, { tag: chunk.tag })
  }

  /** Counts records that no route of their input takes, and logs each tag once. */
  #countUntaken({ tag, input }: Chunk, records: number): void {
    if (records === 0) return
    this.unroutedRecords += records
    if (!this.#isNewUnrouted(tag)) return
    const what = `records with tag "${tag}" that no route of ${input} takes are discarded`
    this.#log.warn(what, { tag, hint: 'a route with "default: true" takes what the others leave' })
  }

  /** Returns true the first time for a tag, of a limited number of tags. */
  #isNewUnrouted(tag: string): boolean {
    if (this.#unroutedTags.has(tag) || this.#unroutedTags.size >= MAX_LOGGED_TAGS) return false
    this.#unroutedTags.add(tag)
    return true
  }
}

const DEFECT_HINT = 'the records stay unacknowledged; inputs with a DB read them again after a restart'

/** Counts what `run`, a call of the filter, makes of a chunk. */
function counting({ stats }: FilterStage, chunk: Chunk, run: () => void): void {
  const { count, size, givenUp, givenUpBytes } = chunk
  run()
  stats.records += count
  stats.bytes += size
  const dropped = count - chunk.count - (chunk.givenUp - givenUp)
  stats.dropRecords += Math.max(0, dropped)
  stats.addRecords += Math.max(0, chunk.count - count)
  if (dropped > 0) stats.dropBytes += Math.max(0, size - chunk.size - (chunk.givenUpBytes - givenUpBytes))
}

import type { Chunk } from '../../../core/chunk.ts'
import { ShipperError } from '../../../core/error.ts'
import type { Deferral, Filter, FilterContext } from '../../../core/plugin.ts'
import type { Joining } from '../../../lib/multiline/joining.ts'
import type { OpenRecord } from '../../../lib/multiline/open-record.ts'
import { OpenRecords, type OpenRecordsOptions } from '../../../lib/multiline/open-records.ts'
import { copyWithoutKeys, isOneOf } from '../../../lib/records/keys.ts'
import { type Part, PartClassifier, type Role } from './classifier.ts'
import { JOINED_OVERHEAD, JoinedParts } from './joined-parts.ts'
import { type ConcatOptions, separatorOf } from './options.ts'

const ERROR_LABEL = '@ERROR'
/** Events of fluentd itself. */
const OWN_TAG = /^fluent\.(?:trace|debug|info|warn|error|fatal)$/

/** Joins records of one tag and stream as fluent-plugin-concat does. */
export class Concat implements Filter {
  readonly #options: ConcatOptions
  readonly #ctx: FilterContext
  readonly #classifier: PartClassifier
  readonly #separator: Buffer
  readonly #limitBytes: number
  readonly #open: OpenRecords<JoinedParts>

  constructor(options: ConcatOptions, ctx: FilterContext) {
    this.#options = options
    this.#ctx = ctx
    this.#classifier = new PartClassifier(options, ctx.regexLimit)
    this.#separator = separatorOf(options.separator)
    const open: OpenRecordsOptions = {
      flushMs: options.flushInterval,
      overheadBytes: JOINED_OVERHEAD + this.#separator.length,
      evictedCounter: 'concat_evicted',
      onTimeout: (tag) => this.#onTimeout(tag),
    }
    this.#open = new OpenRecords(open, ctx)
    const method = options.bufferOverflowMethod
    this.#limitBytes =
      method === 'ignore' ? ctx.multilineBytes : Math.min(ctx.multilineBytes, options.bufferLimitSize)
    const label = options.timeoutLabel
    if (label !== undefined && ctx.labels?.has(label) !== true) {
      const hint = `add <label ${label}>, or remove timeout_label: incomplete records then continue after the filter`
      throw new ShipperError('E_CONFIG_BAD_VALUE', `there is no label ${label}`, {
        hint,
        option: 'timeout_label',
      })
    }
    if (method === 'truncate' || method === 'drop')
      ctx.log.warn(
        `buffer_overflow_method ${method} would drop parts: the rest becomes another record instead`,
      )
  }

  apply(chunk: Chunk, deferral: Deferral): void {
    if (!OWN_TAG.test(chunk.tag)) this.#open.apply(chunk, deferral, this.#add)
  }

  close(): void {
    this.#open.close()
  }

  /** Not a method, so that a chunk costs no closure. */
  readonly #add = (joining: Joining<JoinedParts>, at: number, end: number): void => {
    const { buf } = joining.chunk
    const part = this.#classifier.read(buf, at, end)
    if (part === undefined) {
      joining.copy(at, end)
      return
    }
    let open = joining.get(part.stream)
    const role = this.#classifier.classify(buf, part, end, open?.record.parts ?? 0)
    if (open !== undefined && this.#completes(open.record, part, role)) {
      joining.emit(open)
      open = undefined
    }
    if (role === 'pass') joining.copy(at, end)
    else if (open !== undefined) this.#join(joining, open, part, role, at, end)
    else if (role === 'single' || role === 'last') this.#addSingle(joining, at, end)
    else {
      const { removedKeys } = this.#classifier
      joining.begin(part.stream, new JoinedParts(buf, at, end, part, removedKeys, joining.buffers), at)
    }
  }

  readonly #isRemoved = (buf: Buffer, key: number): boolean => isOneOf(buf, key, this.#classifier.removedKeys)

  #addSingle(joining: Joining<JoinedParts>, at: number, end: number): void {
    const { chunk, out } = joining
    if (this.#classifier.removedKeys.length === 0) joining.copy(at, end)
    else joining.wrote(copyWithoutKeys(chunk.buf, at, end, this.#isRemoved, out, joining.at))
  }

  /** Returns true when the open record is complete before this record. */
  #completes(open: JoinedParts, part: Part, role: Role): boolean {
    if (role !== 'part' && role !== 'last') return true
    const size = open.size + this.#separator.length + part.textEnd - part.textAt
    if (size <= this.#limitBytes) return false
    this.#ctx.counters.add('concat_truncated')
    return true
  }

  #join(
    joining: Joining<JoinedParts>,
    open: OpenRecord<JoinedParts>,
    part: Part,
    role: Role,
    at: number,
    end: number,
  ): void {
    const { buf } = joining.chunk
    open.record.append(buf, at, end, part, this.#separator, this.#options.useFirstTimestamp)
    joining.grow(open)
    if (role !== 'last') return
    open.record.addFieldsOf(buf, part.map, end)
    joining.emit(open)
  }

  /** Counts a record that is sent incomplete, and returns the label that gets it. */
  #onTimeout(tag: string): string | undefined {
    const label = this.#timeoutLabel()
    this.#ctx.counters.add('concat_timeout')
    if (label === ERROR_LABEL) {
      const message = `an incomplete record has not grown for Flush_Interval: it goes to ${ERROR_LABEL}`
      this.#ctx.log.warn(message, { tag }, 'timeout')
    }
    return label
  }

  #timeoutLabel(): string | undefined {
    if (this.#options.timeoutLabel !== undefined) return this.#options.timeoutLabel
    return this.#ctx.labels?.has(ERROR_LABEL) === true ? ERROR_LABEL : undefined
  }
}

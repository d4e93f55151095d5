import { InputBlock, lazyShared, type WasmExports } from './instance.ts'
import { instantiateRecords } from './records-module.ts'

/** What a field of a record is, with the bits of assembly/records/logs.ts. */
const ROLES = { body: 1, level: 2, left: 4, pod: 8 } as const
const MAX_FIELDS = 32
const SIZEOF_FIELD = 16
const MAX_WORD_BYTES = 16
const SIZEOF_WORD = 32
const MAX_LEVELS = 16

export interface LogsForm {
  /** Keys of the fields that are the body, the first that a record has, and of those that have a level. */
  bodies: readonly string[]
  levels: readonly string[]
  /** Keys of fields with which records are left to the caller. */
  left: readonly string[]
  /** Key of the map of a pod, which is compared with the one that `setPod` has set; undefined: there is none. */
  pod: string | undefined
  /** True when the fields of a record beside its body are attributes. */
  hasAttributes: boolean
  /** Severities by words in lower case, and by the numbers from 0 to 127. */
  words: Readonly<Record<string, number>>
  numbers: Uint8Array
}

/** Exports of the module; assembly/records/memory.ts describes the memory regions. */
interface Exports extends WasmExports {
  IN: WebAssembly.Global
  IN_BYTES: WebAssembly.Global
  OUT: WebAssembly.Global
  OUT_BYTES: WebAssembly.Global
  PARTS: WebAssembly.Global
  PARTS_BYTES: WebAssembly.Global
  PAIRS: WebAssembly.Global
  PAIRS_BYTES: WebAssembly.Global
  logsConsumed: WebAssembly.Global
  logsTaken: WebAssembly.Global
  needsPod: WebAssembly.Global
  setLogs(
    fields: number,
    levels: number,
    attributes: boolean,
    words: number,
    wordCount: number,
    numbers: number,
    pod: number,
  ): void
  setPod(size: number): void
  logs(start: number, end: number): number
}

/**
 * Turns entries of a chunk into LogRecords of OTLP, as OtelEncoder does, byte for byte. It stops before an entry with metadata or a field
 * of `left`, a value or nesting that is rare in logs, a key twice, a text that is not UTF-8, or more than some kilobytes.
 *
 * One instance per process: `use` and the calls of `run` after it happen without an await. A third of a megabyte.
 */
export class LogsKernel {
  /** Offset in the chunk up to which the last run took entries, and their number. */
  consumed = 0
  taken = 0
  /** True when the next entry has another pod than the one that is set, or one while none is set, or none. */
  needsPod = false
  readonly output: Buffer
  readonly #block: InputBlock
  readonly #parts: Buffer
  readonly #fields: Buffer
  readonly #exports: Exports
  #podAt = 0
  /** Form of the runs before, which is still set. */
  #form: LogsForm | undefined

  constructor() {
    const { exports: x, region } = instantiateRecords<Exports>()
    this.#exports = x
    this.#block = new InputBlock(region(x.IN, x.IN_BYTES))
    this.output = region(x.OUT, x.OUT_BYTES)
    this.#parts = region(x.PARTS, x.PARTS_BYTES)
    this.#fields = region(x.PAIRS, x.PAIRS_BYTES)
  }

  /** Sets the form of the runs over one chunk, of records without a pod. Returns false when its parts are too large, or too many. */
  use(form: LogsForm): boolean {
    this.#block.clear()
    this.#exports.setPod(0)
    if (form === this.#form) return true
    this.#form = undefined
    if (!this.#write(form)) return false
    this.#form = form
    return true
  }

  #write(form: LogsForm): boolean {
    const { bodies, levels, left, pod, words } = form
    const keys = [...new Set([...bodies, ...levels, ...left, ...(pod === undefined ? [] : [pod])])]
    const texts = keys.map((key) => Buffer.from(key))
    const rows = Object.entries(words)
    const tables = rows.length * SIZEOF_WORD + form.numbers.length
    const size = texts.reduce((sum, { length }) => sum + length, tables)
    // At least half of it is for the pod.
    if (keys.length > MAX_FIELDS || levels.length > MAX_LEVELS || size > this.#parts.length / 2) return false
    rows.forEach(([word, number], i) => {
      const row = Buffer.alloc(SIZEOF_WORD)
      row.write(word, 'latin1')
      row[MAX_WORD_BYTES] = word.length
      row[MAX_WORD_BYTES + 1] = number
      row.copy(this.#parts, i * SIZEOF_WORD)
    })
    const numbersAt = rows.length * SIZEOF_WORD
    this.#parts.set(form.numbers, numbersAt)
    let at = numbersAt + form.numbers.length
    const base = this.#exports.PARTS.value
    for (const [i, key] of keys.entries()) {
      const text = texts[i] as Buffer
      const [body, level] = [bodies.indexOf(key), levels.indexOf(key)]
      const roles =
        (body >= 0 ? ROLES.body : 0) |
        (level >= 0 ? ROLES.level : 0) |
        (left.includes(key) ? ROLES.left : 0) |
        (key === pod ? ROLES.pod : 0)
      const row = [base + at, text.length, roles, Math.max(body, 0) | (Math.max(level, 0) << 8)]
      for (const [j, n] of row.entries()) this.#fields.writeUInt32LE(n, i * SIZEOF_FIELD + j * 4)
      at += text.copy(this.#parts, at)
    }
    this.#podAt = at
    const { length } = levels
    this.#exports.setLogs(keys.length, length, form.hasAttributes, 0, rows.length, numbersAt, at)
    return true
  }

  /** Sets the map buf[start, end) of the pod of the records that follow; empty: they have none. False when it is too large. */
  setPod(buf: Buffer, start: number, end: number): boolean {
    // Comparing reads 15 bytes more.
    if (this.#podAt + end - start + 16 > this.#parts.length) return false
    buf.copy(this.#parts, this.#podAt, start, end)
    this.#exports.setPod(end - start)
    return true
  }

  /** Writes LogRecords of the entries of chunk[at, end) to `output`, up to the first that it does not know; returns the number of bytes. */
  run(chunk: Buffer, at: number, end: number): number {
    const [x, block] = [this.#exports, this.#block]
    let size = 0
    block.run(chunk, at, end, () => {
      size = x.logs(at - block.from, block.to - block.from)
      return x.logsTaken.value > 0 || x.needsPod.value !== 0
    })
    this.consumed = block.from + x.logsConsumed.value
    this.taken = x.logsTaken.value
    this.needsPod = x.needsPod.value !== 0
    return size
  }
}

export const sharedLogsKernel = lazyShared(() => new LogsKernel())

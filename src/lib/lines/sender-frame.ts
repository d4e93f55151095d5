import { ENTRY_HEAD, encodeStr, writeEntryHead, writeEventTime } from '../../core/msgpack/encode.ts'
import { LaterKeys } from '../../core/msgpack/unique-keys.ts'
import type { LineFrame } from '../../core/parser.ts'

/** Keys of what an entry has besides the fields of its line. */
export interface FrameKeys {
  /** Key of a line that is not parsed; none of the others. */
  text: string
  /** Key of the line as it came, as binary; undefined: it is not kept. */
  raw: string | undefined
  /** Key of the address of the sender; undefined: it is not kept. */
  source: string | undefined
  /** True when the address is kept without scheme and port. */
  isHostOnly?: boolean
}

const EMPTY = Buffer.alloc(0)
/** Key of the flag that marks a line that was cut, as tail writes it. */
export const TRUNCATED_KEY = 'truncated'

/** scheme "://" ["[" ipv6 "]" / ipv4 ":" port]; what follows the scheme is empty for Unix sockets. */
const URL = /^\w+:\/\/(?:\[(.*)\]:\d+|([^:]*):\d+)?$/

/**
 * What the entries of one sender have in common. A line that is parsed has its fields, then the line as it came, then the
 * address. Of pairs with one key the last stays.
 *
 * ```
 *   92 d7 00 <time> 8n text-key | line            [raw-key bin]  [source-key address]
 *   92 d7 00 <time> 8n fields of the parser ...   [raw-key bin]  [source-key address]
 *   |----- prefix, of a line without parser -----|               |----- suffix -----|
 * ```
 */
export class SenderFrame implements LineFrame {
  readonly prefix: Buffer
  readonly prefixOffsetAt = -1
  readonly suffix: Buffer
  readonly suffixOffsetAt = -1
  /** Number of pairs in the suffix. */
  readonly extraPairs: number
  readonly extraKeys: LaterKeys | undefined
  /** Key of the line as it came; undefined where it is not kept, or another pair replaces it. */
  readonly rawKey: Buffer | undefined
  /** The keys of the line as it came and of the address. */
  readonly laterKeys: LaterKeys | undefined

  constructor(keys: FrameKeys, address: string | undefined) {
    const source = address === undefined ? undefined : keys.source
    const shown = keys.isHostOnly === true ? address?.replace(URL, '$1$2') : address
    const raw = keys.raw === source ? undefined : keys.raw
    const later = [raw, source].filter((key) => key !== undefined)
    this.rawKey = raw === undefined ? undefined : encodeStr(raw)
    this.suffix =
      source === undefined ? EMPTY : Buffer.concat([encodeStr(source), encodeStr(shown as string)])
    this.extraPairs = source === undefined ? 0 : 1
    this.extraKeys = source === undefined ? undefined : new LaterKeys([encodeStr(source)])
    this.laterKeys = later.length === 0 ? undefined : new LaterKeys(later.map(encodeStr))
    const head = Buffer.alloc(ENTRY_HEAD + 1)
    writeEntryHead(head, 0, 0, 0)
    head[ENTRY_HEAD] = 0x80 | (later.length + 1)
    this.prefix = Buffer.concat([head, encodeStr(keys.text)])
  }

  /** Number of pairs besides those of the line. */
  get laterPairs(): number {
    return this.extraPairs + (this.rawKey === undefined ? 0 : 1)
  }

  /** Sets the time of the lines that follow, unless their parser finds one. */
  setTime(sec: number, nsec: number): void {
    writeEventTime(this.prefix, 3, sec, nsec)
  }
}

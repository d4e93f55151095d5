import { encodeStr } from '../../core/msgpack/encode.ts'
import type { CriForm } from '../../core/parser.ts'

const TAG_AT = 8
/** Bits of `flags`, as in assembly/lines/cri.ts. */
const SKIPS_EMPTY = 2
const NO_PARTIAL = 4
const NO_EMPTY = 8
const NO_STREAM = 16
const TRIMMED = 32

/** What the entries of a CRI form have in common, for LineEncoder. */
export class CriPairs {
  /** Key of the time; empty when it is not a field. */
  readonly timeKey: Buffer
  /** The pairs between time and text, and the key of the text, for each stream. */
  readonly stdout: Buffer
  readonly stderr: Buffer
  /** Position of the tag letter in them, or -1. */
  readonly tagAt: number
  readonly textKeyBytes: number
  /** Number of pairs, that of an empty text included. */
  readonly count: number
  readonly flags: number
  readonly form: CriForm

  constructor(form: CriForm) {
    const { time, middle, text, lines } = form
    this.form = form
    this.timeKey = time === undefined ? Buffer.alloc(0) : encodeStr(time.key)
    const textKey = encodeStr(text.key)
    this.textKeyBytes = textKey.length
    const before = middle.findIndex(({ from, to }) => from <= TAG_AT && to > TAG_AT)
    this.stdout = Buffer.concat([...pairsOf(form, 'stdout'), textKey])
    this.stderr = Buffer.concat([...pairsOf(form, 'stderr'), textKey])
    const upToTag = Buffer.concat(pairsOf(form, 'stdout').slice(0, before + 1))
    // Values of up to ten bytes have a head of one.
    this.tagAt = before < 0 ? -1 : upToTag.length - ((middle[before]?.to as number) - TAG_AT)
    this.count = (time === undefined ? 0 : 1) + middle.length + 1
    this.flags =
      (text.skipEmpty ? SKIPS_EMPTY : 0) |
      (lines.partial ? 0 : NO_PARTIAL) |
      (lines.empty ? 0 : NO_EMPTY) |
      (lines.noStream ? NO_STREAM : 0) |
      (lines.trimmed ? TRIMMED : 0)
  }
}

function pairsOf({ middle }: CriForm, stream: string): Buffer[] {
  const text = ` ${stream} F `
  return middle.map(({ key, from, to }) => Buffer.concat([encodeStr(key), encodeStr(text.slice(from, to))]))
}

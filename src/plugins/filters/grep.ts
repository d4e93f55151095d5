import type { Chunk } from '../../core/chunk.ts'
import { ShipperError } from '../../core/error.ts'
import { skip } from '../../core/msgpack.ts'
import { defineOptions, type OptionsOf } from '../../core/option.ts'
import { defineFilter, type Filter } from '../../core/plugin.ts'
import { Accessor, entryMap, textHead, textLength } from '../../core/record.ts'
import { translateOnigmo } from '../../lib/onigmo.ts'

const OPTIONS = defineOptions({
  regex: {
    type: 'slist',
    words: 2,
    repeat: true,
    help: 'Keep records whose value of KEY matches the expression: `Regex KEY EXPRESSION`.',
  },
  exclude: {
    type: 'slist',
    words: 2,
    repeat: true,
    help: 'Leave out records whose value of KEY matches: `Exclude KEY EXPRESSION`.',
  },
  logical_op: {
    type: 'enum',
    values: ['legacy', 'AND', 'OR'],
    default: 'legacy',
    help: 'legacy: every Regex must match and no Exclude may. AND, OR: all, or one, of the Regex rules (or of the Exclude rules) decide; the two kinds then do not mix.',
  },
})

/** An expression without a character that means something is looked for as it stands. */
const LITERAL = /^[\w \-/:=@#%&~`"'<>,;!]+$/

class Rule {
  readonly exclude: boolean
  readonly #accessor: Accessor
  readonly #literal: Buffer | undefined
  readonly #regex: RegExp

  constructor(words: string[], exclude: boolean) {
    const [key = '', expression = ''] = words
    const accessor = Accessor.parse(key)
    if (accessor === undefined) throw badRule(`"${key}" is not a key or a record accessor`)
    this.exclude = exclude
    this.#accessor = accessor
    this.#literal = LITERAL.test(expression) ? Buffer.from(expression) : undefined
    this.#regex = translateOnigmo(expression).lines
  }

  /** Whether the value is there, is a text, and matches. */
  matches(buf: Buffer, map: number, end: number): boolean {
    const at = this.#accessor.find(buf, map, end)
    const head = at < 0 ? -1 : textHead(buf, at)
    if (head < 0) return false
    const start = at + head
    const stop = start + textLength(buf, at)
    if (this.#literal !== undefined) {
      const found = buf.indexOf(this.#literal, start)
      return found >= 0 && found + this.#literal.length <= stop
    }
    return this.#regex.test(buf.toString('latin1', start, stop))
  }
}

class Grep implements Filter {
  readonly #rules: Rule[]
  readonly #op: OptionsOf<typeof OPTIONS>['logicalOp']

  constructor(options: OptionsOf<typeof OPTIONS>) {
    if (options.logicalOp !== 'legacy' && options.regex.length > 0 && options.exclude.length > 0) {
      throw badRule('Regex and Exclude do not mix with Logical_Op AND or OR')
    }
    this.#op = options.logicalOp
    this.#rules = [
      ...options.regex.map((words) => new Rule(words, false)),
      ...options.exclude.map((words) => new Rule(words, true)),
    ]
  }

  /** Kept records move to the front, over those that are dropped. */
  apply(chunk: Chunk): void {
    const { buf, start, end } = chunk
    let to = start
    let kept = 0
    for (let at = start; at < end; ) {
      const next = skip(buf, at, end)
      const map = entryMap(buf, at, end)
      if (map < 0 || this.#keeps(buf, map, next)) {
        if (to !== at) buf.copyWithin(to, at, next)
        to += next - at
        kept++
      }
      at = next
    }
    chunk.end = to
    chunk.count = kept
  }

  #keeps(buf: Buffer, map: number, end: number): boolean {
    if (this.#op === 'legacy') return this.#rules.every((r) => r.matches(buf, map, end) !== r.exclude)
    const hit =
      this.#op === 'AND'
        ? this.#rules.every((r) => r.matches(buf, map, end))
        : this.#rules.some((r) => r.matches(buf, map, end))
    return this.#rules.length === 0 || hit !== (this.#rules[0] as Rule).exclude
  }
}

function badRule(message: string): ShipperError {
  return new ShipperError('E_CONFIG_BAD_VALUE', `[grep] ${message}`, {
    hint: 'see docs/plugins/filter-grep.md',
  })
}

export const spec = defineFilter({
  kind: 'filter',
  name: 'grep',
  summary: 'Keeps or leaves out records by expressions on their values.',
  description:
    'Values are matched as bytes: `.` is one byte, and classes and `(?i)` know ASCII. A value that is missing or no text ' +
    'matches nothing.',
  options: OPTIONS,
  example: '[FILTER]\n    Name    grep\n    Match   *\n    Exclude log healthz\n',
  create: (options) => new Grep(options),
})

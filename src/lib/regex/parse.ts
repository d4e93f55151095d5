import { ShipperError } from '../../core/error.ts'
import { EMPTY, type Node, sequence } from './ast.ts'
import { ByteSet } from './byte-set.ts'
import { CLASS_ESCAPES, readCharacter, readClass } from './char-class.ts'

const WRAPPED = /^\/(.*)\/([imxo]*)$/s
// Sticky: matched at an offset of the text, without copying the rest of it.
const QUANTIFIER = /(?:[*+?]|\{(\d*)(,?)(\d*)\})([?+]?)/y
/** Characters that a quantifier begins with: most pieces have none. */
const QUANTIFIERS = '*+?{'
const NAMED = /\(\?(?:<([^>=!][^>]*)>|'([^']+)')/y
const NAME = /^[\x21-\x7e]+$/
const OPTIONS = /\(\?([imx]*)(?:-([imx]*))?([:)])/y
const BACK = /\\k(?:<([^>]+)>|'([^']+)')/y
/** A back reference by number; three octal digits are a character. */
const NUMBER_BACK = /\\(?![1-3][0-7]{2})[1-9]/y
const ANY_NAMED = /\(\?(?:<[^=!]|')/
const ANCHORS = /\\[AzZbB]/y
const EXTENDED_BLANK = /\s/
const LOOKAROUNDS = [
  ['(?=', '='],
  ['(?!', '!'],
  ['(?<=', '<='],
  ['(?<!', '<!'],
] as const

/** Maximum length, and maximum depth of groups, of an expression: those in use have 2,000 characters and 8 levels. */
const MAX_CHARS = 65_536
const MAX_DEPTH = 200
/** Maximum number of quantifiers of one piece, as in `a{2}+?`. */
const MAX_QUANTIFIERS = 10
/** Maximum count of a repetition, as in Onigmo. */
const MAX_COUNT = 100_000

interface RegexFlags {
  i: boolean
  m: boolean
  x: boolean
}

/**
 * Parses an expression as fluent-bit does: Onigmo with Ruby's syntax, with or without `/.../imxo` around it. If it has
 * named groups, plain parentheses do not capture. Throws E_PARSER_REGEX for unsupported syntax.
 */
export function parseOnigmo(expression: string): Node {
  if (expression.length > MAX_CHARS)
    throw refusal(`it has ${expression.length} characters, more than ${MAX_CHARS}`)
  const [, inner, letters = ''] = WRAPPED.exec(expression) ?? []
  const flags = { i: letters.includes('i'), m: letters.includes('m'), x: letters.includes('x') }
  return new PatternParser(inner ?? expression, flags).read()
}

class PatternParser {
  readonly #text: string
  readonly #named: boolean
  /** Names of the groups opened so far, in order. */
  readonly #opened: (string | undefined)[] = []
  #at = 0
  #depth = 0
  #flags: RegexFlags

  constructor(text: string, flags: RegexFlags) {
    this.#text = text
    this.#flags = flags
    this.#named = ANY_NAMED.test(text)
  }

  read(): Node {
    const node = this.#choice()
    if (this.#at < this.#text.length) this.#refuse('a closing parenthesis without an opening one')
    return node
  }

  readonly #refuse = (what: string): never => {
    throw refusal(`${what}, near character ${this.#at + 1}`)
  }

  /** Matches a sticky expression here. */
  #here(sticky: RegExp): RegExpExecArray | null {
    sticky.lastIndex = this.#at
    return sticky.exec(this.#text)
  }

  #choice(): Node {
    const items = [this.#sequence()]
    while (this.#text[this.#at] === '|') {
      this.#at++
      items.push(this.#sequence())
    }
    return items.length === 1 ? (items[0] as Node) : { type: 'choice', items }
  }

  #sequence(): Node {
    const items: Node[] = []
    for (;;) {
      this.#skipExtended()
      const char = this.#text[this.#at]
      if (char === undefined || char === '|' || char === ')') return sequence(items)
      items.push(this.#repeated(this.#atom(char)))
    }
  }

  /** Skips blanks and comments under the x flag. */
  #skipExtended(): void {
    while (this.#flags.x && this.#at < this.#text.length) {
      const char = this.#text[this.#at] as string
      if (char === '#') {
        const end = this.#text.indexOf('\n', this.#at)
        this.#at = end < 0 ? this.#text.length : end
      } else if (!EXTENDED_BLANK.test(char)) return
      else this.#at++
    }
  }

  #repeated(atom: Node): Node {
    let node = atom
    for (let count = 0; ; count++) {
      this.#skipExtended()
      const found = QUANTIFIERS.includes(this.#text[this.#at] ?? ' ') ? this.#here(QUANTIFIER) : null
      if (found === null) return node
      const [all, low = '', comma = '', high = '', suffix = ''] = found
      const isInterval = all[0] === '{'
      if (isInterval && low === '' && high === '') return node
      if (node === EMPTY) this.#refuse('a repetition of nothing')
      const min = isInterval ? Number(low) : all[0] === '+' ? 1 : 0
      const max = isInterval ? intervalMax(low, comma, high) : all[0] === '?' ? 1 : Number.POSITIVE_INFINITY
      if (max < min || max === 0) this.#refuse(`the repetition ${all}`)
      if (min > MAX_COUNT || (max > MAX_COUNT && max !== Number.POSITIVE_INFINITY))
        this.#refuse(`the repetition ${all}, whose count exceeds ${MAX_COUNT}`)
      if (count === MAX_QUANTIFIERS) this.#refuse(`more than ${MAX_QUANTIFIERS} repetitions of one piece`)
      // In Ruby `{2}+` is a repetition of a repetition, and `{2}?` an optional one.
      const own = isInterval && (suffix === '+' || comma === '') ? '' : suffix
      this.#at += all.length - suffix.length + own.length
      node = { type: 'repeat', node, min, max, mode: own as '' | '?' | '+' }
    }
  }

  #atom(char: string): Node {
    if (char === '(') return this.#group()
    if (char === '[') {
      const { set, wide, end } = readClass(this.#text, this.#at, this.#refuse)
      this.#at = end
      const one = this.#set(set)
      return wide.length === 0 ? one : { type: 'choice', items: [...wide.map(bytesOf), one] }
    }
    if (char === '*' || char === '+' || char === '?') this.#refuse('a repetition of nothing')
    if (char === '.') return this.#step(1, { type: 'set', set: this.#flags.m ? ANY : NOT_NEWLINE })
    if (char === '^' || char === '$') return this.#step(1, { type: 'anchor', at: char })
    if (char === '\\') return this.#escape()
    return this.#character()
  }

  #character(): Node {
    const { byte, char, end } = readCharacter(this.#text, this.#at, false, this.#refuse)
    this.#at = end
    return byte >= 0 ? this.#set(ByteSet.byte(byte)) : bytesOf(char)
  }

  #escape(): Node {
    const letter = this.#text[this.#at + 1] ?? ''
    const set = CLASS_ESCAPES[letter]
    if (set !== undefined) return this.#step(2, { type: 'set', set })
    if (this.#here(ANCHORS) !== null) return this.#step(2, { type: 'anchor', at: letter as 'A' })
    const back = this.#here(BACK)
    if (back !== null) {
      const name = (back[1] ?? back[2]) as string
      return this.#step(back[0].length, this.#back(name, this.#opened.lastIndexOf(name) + 1))
    }
    if (this.#here(NUMBER_BACK) !== null) {
      if (this.#named) this.#refuse(`the reference \\${letter} together with named groups`)
      return this.#step(2, this.#back(letter, Number(letter)))
    }
    if (letter === 'R') return this.#step(2, LINE_BREAK)
    return this.#character()
  }

  #back(name: string, to: number): Node {
    if (to < 1 || to > this.#opened.length)
      this.#refuse(`a reference to a group "${name}" that is not before it`)
    return { type: 'back', to }
  }

  #group(): Node {
    const named = this.#here(NAMED)
    if (named !== null) {
      const name = (named[1] ?? named[2]) as string
      if (!NAME.test(name)) this.#refuse(`the group name "${name}"`)
      this.#opened.push(name)
      return { type: 'group', name, node: this.#inside(named[0].length) }
    }
    for (const [open, sign] of LOOKAROUNDS) {
      if (this.#text.startsWith(open, this.#at))
        return { type: 'look', sign, node: this.#inside(open.length) }
    }
    if (this.#text.startsWith('(?>', this.#at)) return { type: 'atomic', node: this.#inside(3) }
    if (this.#text.startsWith('(?#', this.#at)) {
      const end = this.#text.indexOf(')', this.#at)
      if (end < 0) this.#refuse('a comment without a closing parenthesis')
      return this.#step(end + 1 - this.#at, EMPTY)
    }
    const options = this.#here(OPTIONS)
    if (options !== null) return this.#options(options)
    if (this.#text.startsWith('(?', this.#at))
      this.#refuse(`the group ${this.#text.slice(this.#at, this.#at + 4)}`)
    if (this.#named) return sequence([this.#inside(1)])
    this.#opened.push(undefined)
    return { type: 'group', name: undefined, node: this.#inside(1) }
  }

  /** Parses `(?i:...)`, or `(?i)`, which applies to the rest of the enclosing group including alternatives. */
  #options([all, on = '', off = '', end]: RegExpExecArray): Node {
    const before = this.#flags
    const flags = { ...before }
    for (const letter of on) flags[letter as keyof RegexFlags] = true
    for (const letter of off) flags[letter as keyof RegexFlags] = false
    this.#flags = flags
    if (end === ':') return this.#inside(all.length, before)
    this.#at += all.length
    if (++this.#depth > MAX_DEPTH) this.#refuse(`options within groups, more than ${MAX_DEPTH} deep`)
    const node = this.#choice()
    this.#depth--
    this.#flags = before
    return node
  }

  /** Parses up to the closing parenthesis; flags set inside end with it. */
  #inside(open: number, before = this.#flags): Node {
    this.#at += open
    if (++this.#depth > MAX_DEPTH) this.#refuse(`groups within groups, more than ${MAX_DEPTH} deep`)
    const node = this.#choice()
    if (this.#text[this.#at] !== ')') this.#refuse('a group without a closing parenthesis')
    this.#at++
    this.#depth--
    this.#flags = before
    return node
  }

  #set(set: ByteSet): Node {
    return { type: 'set', set: this.#flags.i ? set.folded() : set }
  }

  #step(length: number, node: Node): Node {
    this.#at += length
    return node
  }
}

function refusal(what: string): ShipperError {
  const hint = 'see docs/plugins/parser-regex.md for the supported syntax'
  return new ShipperError('E_PARSER_REGEX', `unsupported regular expression: ${what}`, { hint })
}

function intervalMax(low: string, comma: string, high: string): number {
  if (comma === '') return Number(low)
  return high === '' ? Number.POSITIVE_INFINITY : Number(high)
}

const ANY = new ByteSet().addRange(0, 255)
const NOT_NEWLINE = ByteSet.byte(10).complement()
const LINE_BREAK: Node = {
  type: 'choice',
  items: [bytesOf('\r\n'), { type: 'set', set: ByteSet.of('\n\r') }],
}

/** Returns a sequence of the UTF-8 bytes of a text. */
function bytesOf(text: string): Node {
  return {
    type: 'sequence',
    items: [...Buffer.from(text)].map((byte) => ({ type: 'set', set: ByteSet.byte(byte) })),
  }
}

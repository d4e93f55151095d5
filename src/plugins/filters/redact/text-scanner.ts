import { type Fingerprint, Suspects } from '../../../lib/wasm/suspect-scanner.ts'
import { findBearer } from './authorization.ts'
import {
  ALNUM,
  DIGIT,
  escapeEnd,
  HEX,
  is,
  isWithinWord,
  runEnd,
  type Span,
  startsWith,
  UPPER,
} from './bytes.ts'
import { findCard, MIN_CARD_DIGITS } from './card.ts'
import { findEmail, findIpv4, findUrlPassword, ipv4End } from './email.ts'
import { findIban } from './iban.ts'
import { JWT_PREFIXES, JwtFinder } from './jwt.ts'
import {
  AUTHORIZATION,
  BEGIN_MARK,
  COUNTED_NAME,
  extendByNames,
  findKey,
  findKeyBlock,
  findPairValue,
  isLimit,
  KEY_FORMS,
  NAMES,
} from './secrets.ts'
import type { NameStrength } from './values.ts'

export const KINDS = ['card', 'iban', 'email', 'jwt', 'key', 'password', 'ipv4', 'ipv6'] as const
export type Kind = (typeof KINDS)[number]

/** What a byte may begin; 0: nothing. */
const NUMBER = 1
const AT = 2
const WORD = 3
const COLON_SIGN = 4

const COLON = 0x3a
const DOT = 0x2e
const IPV6_GROUPS = 8
/** Longest IBAN with blanks. */
const MAX_NUMBER = 42

/** A text that a secret begins with or comes after. `find`: looks for the secret of one that is at `at`. */
interface Word {
  text: Buffer
  folds: boolean
  kind: Kind
  find(buf: Buffer, from: number, at: number, end: number, span: Span): boolean
}

/** Finds the secrets of the chosen kinds in a text, byte by byte. */
export class TextScanner implements Span {
  start = 0
  end = 0
  kind: Kind = 'card'
  /** True when no kind was chosen. */
  readonly isIdle: boolean
  readonly #hasCard: boolean
  readonly #hasIban: boolean
  readonly #hasEmail: boolean
  readonly #hasKey: boolean
  readonly #hasIpv4: boolean
  readonly #triggers = new Uint8Array(256)
  /** 1 + the index in #words of a list, by the first two bytes. */
  readonly #pairs = new Uint8Array(0x10000)
  readonly #words: Word[][] = []
  readonly #tokens = new JwtFinder()

  constructor(kinds: ReadonlySet<Kind>) {
    this.isIdle = kinds.size === 0
    this.#hasCard = kinds.has('card')
    this.#hasIban = kinds.has('iban')
    this.#hasEmail = kinds.has('email')
    this.#hasKey = kinds.has('key')
    this.#hasIpv4 = kinds.has('ipv4')
    for (const word of wordsOf(kinds, this.#tokens)) this.#addWord(word)
    if (kinds.has('card') || kinds.has('iban') || kinds.has('ipv4'))
      for (let digit = 0x30; digit <= 0x39; digit++) this.#triggers[digit] = NUMBER
    if (kinds.has('email') || kinds.has('key')) this.#triggers[0x40] = AT
    if (kinds.has('ipv6')) this.#triggers[COLON] = COLON_SIGN
  }

  /** Finds the first secret of buf[begin, end) that ends after `from`, and does not begin before it: its kind, start and end. */
  next(buf: Buffer, from: number, begin: number, end: number): boolean {
    const triggers = this.#triggers
    if (from === begin) this.#tokens.begin()
    for (let at = from; at < end; at++) {
      const trigger = triggers[buf[at] as number] as number
      if (trigger === 0) continue
      if (trigger === WORD) {
        if (at + 1 >= end) return false
        const list = this.#pairs[((buf[at] as number) << 8) | (buf[at + 1] as number)] as number
        if (list > 0 && this.#word(list, buf, from, at, end)) return true
      } else if (trigger === NUMBER) {
        const stop = runEnd(buf, at, end, DIGIT)
        if (this.#number(buf, from, begin, at, stop, end)) return true
        at = stop - 1
      } else if (trigger === AT ? this.#at(buf, from, begin, at, end) : this.#ipv6(buf, from, at, end))
        return true
    }
    return false
  }

  #word(list: number, buf: Buffer, from: number, at: number, end: number): boolean {
    for (const { text, folds, kind, find } of this.#words[list - 1] as Word[]) {
      if (!startsWith(buf, at, end, text, folds) || !find(buf, from, at, end, this)) continue
      this.kind = kind
      this.#extend(buf, end)
      return true
    }
    return false
  }

  /** Extends a secret that ends within a number or the head of a key block: a word ends at a blank, those have some. */
  #extend(buf: Buffer, end: number): void {
    const { start, kind } = this
    let stop = this.end
    if (this.#hasKey) {
      const block = buf.subarray(start, Math.min(end, stop + BEGIN_MARK.length)).indexOf(BEGIN_MARK)
      if (block > 0 && findKeyBlock(buf, start + block, end, this)) stop = Math.max(stop, this.end)
      this.end = stop
    }
    if (!this.#hasCard && !this.#hasIban) {
      this.start = start
      return
    }
    // Longer numbers have no blanks.
    for (let at = Math.max(start, stop - MAX_NUMBER); at < stop; at++) {
      if (!is(buf, at, DIGIT) || !this.#number(buf, start, start, at, runEnd(buf, at, end, DIGIT), end))
        continue
      if (this.end > stop) break
    }
    this.start = start
    this.end = Math.max(stop, this.end)
    this.kind = kind
  }

  #number(buf: Buffer, from: number, begin: number, at: number, stop: number, end: number): boolean {
    if (this.#hasIban && stop - at >= 2 && at - 2 >= from && is(buf, at - 1, UPPER) && is(buf, at - 2, UPPER))
      if (findIban(buf, begin, at - 2, end, this)) return this.#found('iban')
    if (this.#hasCard && findCard(buf, begin, at, stop, end, this)) return this.#found('card')
    if (this.#hasCard && stop - at > MIN_CARD_DIGITS) {
      // The digits of `%20` or `\u0020` may stand before those of the number.
      const start = escapeEnd(buf, begin, at)
      if (start > at && start < stop && findCard(buf, begin, start, stop, end, this))
        return this.#found('card')
    }
    return this.#hasIpv4 && findIpv4(buf, begin, at, end, this) && this.#found('ipv4')
  }

  #at(buf: Buffer, from: number, begin: number, at: number, end: number): boolean {
    if (this.#hasKey && findUrlPassword(buf, from, at, end, this)) return this.#found('key')
    return (
      this.#hasEmail &&
      findEmail(buf, from, at, end, this, from > begin && this.kind !== 'key') &&
      this.#found('email')
    )
  }

  /** Finds an IPv6 address whose first colon is at `at`. */
  #ipv6(buf: Buffer, from: number, at: number, end: number): boolean {
    let start = at
    while (start > from && at - start < 4 && is(buf, start - 1, HEX)) start--
    if (isWithinWord(buf, from, start) || (start > from && buf[start - 1] === COLON)) return false
    let groups = 0
    let gaps = 0
    let hasDigit = false
    let p = start
    for (;;) {
      const stop = runEnd(buf, p, Math.min(end, p + 5), HEX)
      if (stop - p > 4) return false
      if (stop > p) {
        if (groups > 0 && stop + 1 < end && buf[stop] === DOT && is(buf, stop + 1, DIGIT)) {
          const last = ipv4End(buf, p, end)
          if (last < 0) return false
          groups += 2
          hasDigit = true
          p = last
          break
        }
        groups++
        hasDigit ||= runEnd(buf, p, stop, ALNUM & ~DIGIT) < stop
        p = stop
      }
      if (p >= end || buf[p] !== COLON) break
      if (p + 1 < end && buf[p + 1] === COLON) {
        if (++gaps > 1) return false
        p += 2
      } else if (stop === start && gaps === 0) return false
      else if (p + 1 < end && is(buf, p + 1, HEX)) p++
      else break
    }
    const isWhole =
      gaps === 0 ? groups === IPV6_GROUPS : groups > 0 && groups < IPV6_GROUPS && (hasDigit || groups > 2)
    if (
      !isWhole ||
      (p < end && (is(buf, p, ALNUM) || (buf[p] === COLON && p + 1 < end && is(buf, p + 1, ALNUM))))
    )
      return false
    this.start = start
    this.end = p
    return this.#found('ipv6')
  }

  #found(kind: Kind): true {
    this.kind = kind
    return true
  }

  #addWord(word: Word): void {
    const [first = 0, second = 0] = word.text
    for (const a of word.folds ? casesOf(first) : [first]) {
      this.#triggers[a] = WORD
      for (const b of word.folds ? casesOf(second) : [second]) {
        const at = (a << 8) | b
        if (this.#pairs[at] === 0) this.#pairs[at] = this.#words.push([])
        this.#words[(this.#pairs[at] as number) - 1]?.push(word)
      }
    }
  }
}

const JWT_STARTS = JWT_PREFIXES.map((text) => Buffer.from(text))

function casesOf(byte: number): number[] {
  const isLetter = byte >= 0x61 && byte <= 0x7a
  return isLetter ? [byte, byte - 0x20] : [byte]
}

function wordsOf(kinds: ReadonlySet<Kind>, tokens: JwtFinder): Word[] {
  const words: Word[] = []
  const add = (kind: Kind, text: string, folds: boolean, find: Word['find']) => {
    if (kinds.has(kind)) words.push({ text: Buffer.from(text), folds, kind, find })
  }
  for (const prefix of JWT_PREFIXES)
    add('jwt', prefix, false, (buf, from, at, end, span) => tokens.find(buf, from, at, end, span))
  for (const form of KEY_FORMS)
    add('key', form.prefix, false, (buf, from, at, end, span) => findKey(buf, from, at, end, form, span))
  add('key', BEGIN_MARK.toString(), false, (buf, _from, at, end, span) => findKeyBlock(buf, at, end, span))
  // A token that is one of JWT as a whole is found as such.
  const found: Span = { start: 0, end: 0 }
  const isJwt = (buf: Buffer, from: number, end: number, { start, end: stop }: Span) =>
    kinds.has('jwt') &&
    JWT_STARTS.some((text) => startsWith(buf, start, end, text, false)) &&
    tokens.find(buf, from, start, end, found) &&
    found.end >= stop
  add(
    'key',
    'bearer',
    true,
    (buf, from, at, end, span) => findBearer(buf, from, at, end, span) && !isJwt(buf, from, end, span),
  )
  const pair = (kind: Kind, name: string, strength: NameStrength) =>
    add(kind, name, true, (buf, from, at, end, span) => {
      if (!findPairValue(buf, at + name.length, end, strength, span)) return false
      if (name === COUNTED_NAME && isLimit(buf, from, at)) return false
      if (strength === 'authorization' && isJwt(buf, from, end, span)) return false
      extendByNames(buf, end, span)
      return true
    })
  pair('key', AUTHORIZATION, 'authorization')
  for (const [name, strength] of NAMES) pair('password', name, strength)
  return words
}

/** Returns what the bytes of a chunk are searched for, so that no text with a secret of these kinds is missed; undefined: it cannot be. */
export function suspectsOf(kinds: ReadonlySet<Kind>): Suspects | undefined {
  if (kinds.has('ipv4') || kinds.has('ipv6')) return undefined
  const groups: Fingerprint[][] = []
  const fold = (text: string) => text + text.toUpperCase()
  const word = (text: string): Fingerprint => [fold(text[0] ?? ''), fold(text[1] ?? ''), fold(text[2] ?? '')]
  if (kinds.has('jwt')) groups.push([['e', 'yw', 'JAo']])
  if (kinds.has('email') || kinds.has('key')) groups.push([[undefined, undefined, '@']])
  if (kinds.has('key')) {
    groups.push(
      // Mixtures of these two are rare in logs, and there are 16 groups only.
      [
        ['A', 'KSBCI', 'ICz'],
        ['B', 'E', 'G'],
      ],
      [['s', 'k', '-']],
      [['g', 'h', 'pousr']],
      [['a', 't', '_-']],
      [['x', 'oa', 'xp']],
      [['k', '_-', 'ltpa']],
      [word('bea')],
      [word('riz')],
    )
  }
  if (kinds.has('password')) {
    groups.push(
      [[fold('s'), fold('w'), fold('od')]],
      [word('pwd')],
      [word('sph'), word('pik')],
      [word('ecr')],
      [word('tok'), word('ske'), word('tke')],
      [['_-', fold('k'), fold('e')]],
    )
  }
  return new Suspects(groups, {
    digits: kinds.has('card'),
    letters: kinds.has('iban'),
    numbers: kinds.has('card'),
  })
}

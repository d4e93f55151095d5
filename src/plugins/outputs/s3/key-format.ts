import type { InvalidValue } from '../../../core/options/checks.ts'
import { strftime } from '../../../lib/time/strftime.ts'

/** Maximum size of a key, by S3. */
const MAX_KEY_BYTES = 1024
const PART = /\$(TAG\[(\d)\]|TAG|UUID|INDEX)|%(?:%|[a-zA-Z])|./gs

/** A directive of strftime with its flags; `%%` is one. In `%{name}` and the like the part up to the brace is none. */
const DIRECTIVE = /%(?:\{[^}]*\}?|[-0^#_]*\d{0,3}:{0,2}[A-Za-z%+]|.?)/g

/** What a key is made of. */
interface KeyParts {
  tag: string
  /** Unix time of the first record in seconds. */
  sec: number
  /** Eight characters that no other object has. */
  unique: string
  index: number
}

/**
 * The format of keys, by fluent-bit: directives of strftime in UTC, `$TAG`, `$TAG[0]` to `$TAG[9]`, `$UUID` and `$INDEX`. A part of the
 * tag that it does not have is empty.
 */
export class KeyFormat {
  /** True when no other object, of any program, has the same key. */
  readonly isUnique: boolean
  readonly hasIndex: boolean
  readonly #pieces: (string | { part: number } | 'TAG' | 'UUID' | 'INDEX')[] = []
  readonly #kinds: ('time' | 'variable')[] = []
  readonly #delimiters: Set<string>

  constructor(format: string, delimiters: string) {
    this.#delimiters = new Set(delimiters)
    for (const [text, variable, part] of format.matchAll(PART)) {
      if (variable === undefined) this.#add(text)
      else {
        this.#kinds.push('variable')
        this.#pieces.push(part === undefined ? (variable as 'TAG') : { part: Number(part) })
      }
    }
    this.isUnique = this.#has('UUID')
    this.hasIndex = this.#has('INDEX')
  }

  #has(name: string): boolean {
    return this.#pieces.some((piece, i) => this.#kinds[i] === 'variable' && piece === name)
  }

  #add(text: string): void {
    const last = this.#pieces.length - 1
    if (this.#kinds[last] === 'time') this.#pieces[last] += text
    else {
      this.#kinds.push('time')
      this.#pieces.push(text)
    }
  }

  /** Returns a key without a slash at its start, and with `suffix` at its end; the rest is truncated to the maximum length of S3. */
  keyOf({ tag, sec, unique, index }: KeyParts, suffix: string): string {
    let parts: string[] | undefined
    const text = this.#pieces.map((piece, i) => {
      if (this.#kinds[i] === 'time') return strftime(piece as string, sec, 0, 'utc')
      if (typeof piece === 'object') {
        parts ??= this.#partsOf(tag)
        return parts[piece.part] ?? ''
      }
      return piece === 'TAG' ? tag : piece === 'UUID' ? unique : String(index)
    })
    const key = text.join('').replace(/^\/+/, '')
    return cut(key, MAX_KEY_BYTES - Buffer.byteLength(suffix)) + suffix
  }

  #partsOf(tag: string): string[] {
    const parts = ['']
    for (const char of tag) {
      if (this.#delimiters.has(char)) parts.push('')
      else parts[parts.length - 1] += char
    }
    return parts
  }
}

function cut(text: string, bytes: number): string {
  const buf = Buffer.from(text)
  if (buf.length <= bytes) return text
  let end = bytes
  while (end > 0 && ((buf[end] as number) & 0xc0) === 0x80) end--
  return buf.toString('utf8', 0, end)
}

/** Checks the value of `s3_key_format`. */
export function checkKeyFormat(value: unknown): InvalidValue | undefined {
  const text = String(value)
  const bad = /\$TAG\[(?!\d\])/.exec(text)
  if (bad !== null) return { must: 'a format of keys', hint: 'a part of the tag is $TAG[0] to $TAG[9]' }
  if (text.replace(/^\/+/, '') === '')
    return { must: 'a format of keys', hint: 'an object needs a name, e.g. /logs/$TAG/%Y/%m/%d/%H' }
  const unknown = [...text.matchAll(DIRECTIVE)].find(
    ([directive]) => strftime(directive, 0, 0, 'utc') === directive,
  )
  if (unknown !== undefined)
    return { must: '', doubt: `has ${unknown[0]}, which is not a directive of strftime: it stays as it is` }
  return undefined
}

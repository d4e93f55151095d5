import { hostname } from 'node:os'
import type { Environment } from '../variables.ts'

/** Result of an expression; `undefined`: the attribute is as if it were not given (`use_nil`, `use_default`). */
interface Evaluated {
  value: string | undefined
  /** Environment variables that were used, as written. */
  variables: string[]
  /** The expression as a variable of ours, `${NAME}` or `${NAME:-default}`, if it is one. */
  written: string | undefined
  /** Names of variables without a value and without another value after `||`. */
  unset: string[]
  /** True when it has a variable or the name of the host, so that another machine may have another value. */
  isLocal: boolean
}

/** Reason why an expression is not evaluated. */
interface Refused {
  reason: string
  hint: string
}

const UNSUPPORTED = 'it is Ruby code that is not run here'
const ONLY_ENVIRONMENT =
  "put the value into an environment variable and write \"#{ENV['NAME']}\"; with a default: \"#{ENV['NAME'] || 'x'}\""
const NAME = '(?:\'([^\'\\\\#]*)\'|"([^"\\\\#]*)")'
const ENV_INDEX = new RegExp(`^ENV\\[\\s*${NAME}\\s*\\]`)
const ENV_FETCH = new RegExp(`^ENV\\.fetch\\(\\s*${NAME}\\s*`)
const TEXT = new RegExp(`^${NAME}`)
const NUMBER = /^-?\d+(?:\.\d+)?/
const WORD = /^(?:Socket\.gethostname|hostname|worker_id|use_nil|use_default|nil|true|false)\b(?![.([])/
const METHOD = /^\.(to_s|strip|chomp|downcase|upcase)\b(?:\(\))?/
const PREDICATE = /^\.(nil|empty)\?(?:\(\))?/
const OR = /^\s*\|\|\s*/
const EQUALS = /^\s*([=!])=\s*/
const THEN = /^\s*\?\s*/
const ELSE = /^\s*:\s*/
const PLUS = /^\s*\+\s*/
const OPEN = /^\(\s*/
const CLOSE = /^\s*\)/
const COMMA = /^,\s*/
const LINE_END = /\r?\n$/
const MAX_DEPTH = 20

/** Raised within this file by an expression outside of the grammar. */
class Unsupported extends Error {}

/** Ends an evaluation as `use_nil` and `use_default` do in fluentd. */
class Absent extends Error {}

/**
 * Evaluates the code of `#{...}`, of which only what concerns the environment and the host is known:
 *
 * ```
 *   expression = choice [ "?" expression ":" expression ]
 *   choice     = comparison *( "||" comparison )
 *   comparison = sum [ ( "==" | "!=" ) sum ]
 *   sum        = term *( "+" term )
 *   term       = ( ENV[name] | ENV.fetch(name [, expression]) | text | number | Socket.gethostname | hostname
 *                | worker_id | use_nil | use_default | nil | true | false | "(" expression ")" )
 *                *( .to_s | .strip | .chomp | .downcase | .upcase | .nil? | .empty? )
 * ```
 * `worker_id` is 0: there is one process. Code that is anything else is refused, and never run.
 */
export function evaluate(code: string, env: Environment): Evaluated | Refused {
  const run = new Evaluation(code.trim(), env)
  try {
    const value = run.all() ?? (run.isFalse ? 'false' : undefined)
    const unset = value === undefined ? run.unset : []
    const { variables, isLocal } = run
    return { value: value ?? '', variables, written: variableOf(code), unset, isLocal }
  } catch (error) {
    if (error instanceof Absent)
      return {
        value: undefined,
        variables: run.variables,
        written: undefined,
        unset: [],
        isLocal: run.isLocal,
      }
    if (error instanceof Unsupported)
      return { reason: error.message === '' ? UNSUPPORTED : error.message, hint: ONLY_ENVIRONMENT }
    throw error
  }
}

const PLAIN_VARIABLE = new RegExp(`^ENV(?:\\[\\s*${NAME}\\s*\\]|\\.fetch\\(\\s*${NAME}\\s*\\))$`)
const WITH_DEFAULT = new RegExp(
  `^ENV(?:\\[\\s*${NAME}\\s*\\]\\s*\\|\\|\\s*|\\.fetch\\(\\s*${NAME}\\s*,\\s*)${NAME}\\s*\\)?$`,
)
const VARIABLE_NAME = /^[A-Za-z_][\w.]*$/
const HOST_NAME = /^(?:Socket\.gethostname|hostname)$/

/** Returns the variable of ours that an expression is; its default stands in for an empty value, too. */
function variableOf(code: string): string | undefined {
  if (HOST_NAME.test(code.trim())) return '${HOSTNAME}'
  const plain = PLAIN_VARIABLE.exec(code.trim())
  const match = plain ?? WITH_DEFAULT.exec(code.trim())
  const name = match?.slice(1, 5).find((text) => text !== undefined)
  if (match === null || name === undefined || !VARIABLE_NAME.test(name)) return undefined
  if (plain !== null) return `\${${name}}`
  const fallback = match[5] ?? match[6] ?? ''
  return /[{}\n]/.test(fallback) ? undefined : `\${${name}:-${fallback}}`
}

class Evaluation {
  readonly variables: string[] = []
  readonly unset: string[] = []
  /** True when `false` was read: the value, if nothing else is. */
  isFalse = false
  hasHost = false
  readonly #env: Environment
  #rest: string
  #depth = 0

  constructor(code: string, env: Environment) {
    this.#rest = code
    this.#env = env
  }

  get isLocal(): boolean {
    return this.hasHost || this.variables.length > 0
  }

  all(): string | undefined {
    const value = this.#expression(true)
    if (this.#rest !== '') throw new Unsupported()
    return value
  }

  /** `isUsed`: false for what does not count, which Ruby does not evaluate. */
  #expression(isUsed: boolean): string | undefined {
    if (++this.#depth > MAX_DEPTH) throw new Unsupported()
    const value = this.#choice(isUsed)
    if (this.#take(THEN) === undefined) {
      this.#depth--
      return value
    }
    const isTrue = value !== undefined
    const then = this.#expression(isUsed && isTrue)
    const isFalseThen = this.isFalse
    if (this.#take(ELSE) === undefined) throw new Unsupported()
    const other = this.#expression(isUsed && !isTrue)
    if (isTrue) this.isFalse = isFalseThen
    this.#depth--
    return isTrue ? then : other
  }

  #choice(isUsed: boolean): string | undefined {
    let value = this.#comparison(isUsed)
    while (this.#take(OR) !== undefined) {
      const other = this.#comparison(isUsed && value === undefined)
      value ??= other
    }
    return value
  }

  #comparison(isUsed: boolean): string | undefined {
    const value = this.#sum(isUsed)
    const sign = this.#take(EQUALS)
    if (sign === undefined) return value
    const isEqual = value === this.#sum(isUsed)
    return this.#truth(isEqual === (sign[1] === '='))
  }

  /** Returns what stands for true or false: false is undefined, so that another value takes its place after ||. */
  #truth(value: boolean): string | undefined {
    this.isFalse = !value
    return value ? 'true' : undefined
  }

  /** Texts are joined; the sum with a variable that is not set would end fluentd. */
  #sum(isUsed: boolean): string | undefined {
    let value = this.#term(isUsed)
    while (this.#take(PLUS) !== undefined) {
      const other = this.#term(isUsed)
      if (isUsed && (value === undefined || other === undefined)) throw new Unsupported()
      value = `${value ?? ''}${other ?? ''}`
    }
    return value
  }

  #term(isUsed: boolean): string | undefined {
    let value = this.#primary(isUsed)
    for (let method = this.#method(); method !== undefined; method = this.#method())
      value = this.#apply(method, value, isUsed)
    return value
  }

  #method(): string | undefined {
    return (this.#take(METHOD) ?? this.#take(PREDICATE))?.[1]
  }

  #apply(method: string, value: string | undefined, isUsed: boolean): string | undefined {
    if (method === 'nil') return this.#truth(value === undefined)
    // A method of nil other than to_s would end fluentd.
    if (value === undefined && isUsed && method !== 'to_s') throw new Unsupported()
    return method === 'empty' ? this.#truth(value === '') : apply(method, value ?? '')
  }

  #primary(isUsed: boolean): string | undefined {
    this.isFalse = false
    if (this.#take(OPEN) !== undefined) {
      const value = this.#expression(isUsed)
      if (this.#take(CLOSE) === undefined) throw new Unsupported()
      return value
    }
    const index = this.#take(ENV_INDEX)
    if (index !== undefined) return this.#variable(nameIn(index), index[0].trim())
    const fetch = this.#take(ENV_FETCH)
    if (fetch !== undefined) return this.#fetch(nameIn(fetch), isUsed)
    const text = this.#take(TEXT)
    if (text !== undefined) return nameIn(text)
    const number = this.#take(NUMBER)
    if (number !== undefined) return number[0]
    const word = this.#take(WORD)?.[0]
    this.isFalse = word === 'false'
    this.hasHost ||= word === 'hostname' || word === 'Socket.gethostname'
    return wordValue(word, isUsed)
  }

  #variable(name: string, written: string): string | undefined {
    this.variables.push(written)
    const value = this.#env[name]
    if (value === undefined) this.unset.push(name)
    return value
  }

  #fetch(name: string, isUsed: boolean): string | undefined {
    const value = this.#variable(name, `ENV.fetch('${name}')`)
    if (this.#take(COMMA) !== undefined) {
      if (value === undefined) this.unset.pop()
      const fallback = this.#expression(isUsed && value === undefined)
      if (this.#take(CLOSE) === undefined) throw new Unsupported()
      return value ?? fallback
    }
    if (this.#take(CLOSE) === undefined) throw new Unsupported()
    if (value === undefined && isUsed) throw new Unsupported(`the environment variable ${name} is not set`)
    return value
  }

  #take(pattern: RegExp): RegExpExecArray | undefined {
    const match = pattern.exec(this.#rest)
    if (match === null) return undefined
    this.#rest = this.#rest.slice(match[0].length)
    return match
  }
}

function nameIn(match: RegExpExecArray): string {
  return match[1] ?? match[2] ?? ''
}

function wordValue(word: string | undefined, isUsed: boolean): string | undefined {
  switch (word) {
    case 'Socket.gethostname':
    case 'hostname':
      return hostname()
    case 'worker_id':
      return '0'
    case 'true':
      return word
    // Another value stands in for them after ||.
    case 'false':
    case 'nil':
      return undefined
    case 'use_nil':
    case 'use_default':
      if (isUsed) throw new Absent()
      return undefined
    default:
      throw new Unsupported()
  }
}

function apply(method: string, text: string): string {
  switch (method) {
    case 'strip':
      return text.trim()
    case 'chomp':
      return text.replace(LINE_END, '')
    case 'downcase':
      return text.toLowerCase()
    case 'upcase':
      return text.toUpperCase()
    default:
      return text
  }
}

/**
 * Returns the offset of the `}` that ends the code which begins at `from`, behind `#{`; -1 when there is none. Braces within
 * quotation marks do not count.
 */
export function codeEnd(text: string, from: number): number {
  let depth = 0
  let quote = ''
  for (let at = from; at < text.length; at++) {
    const c = text[at] as string
    if (quote !== '') {
      if (c === '\\') at++
      else if (c === quote) quote = ''
    } else if (c === "'" || c === '"' || c === '`') quote = c
    else if (c === '{') depth++
    else if (c === '}' && depth-- === 0) return at
  }
  return -1
}

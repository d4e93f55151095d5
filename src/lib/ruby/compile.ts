import { messageOf } from '../../core/error.ts'
import { findKey } from '../../core/msgpack/record.ts'
import { nearest } from '../text/did-you-mean.ts'
import { type Node, RubyRefusal } from './ast.ts'
import { RubyFailure } from './failure.ts'
import { textOf } from './format.ts'
import { parseJson, toJson } from './json.ts'
import { stringArg } from './method.ts'
import { CLASSES, findMethod, invoke, methodNames } from './methods.ts'
import { RubyRegex } from './regex.ts'
import { charge, type Scope, type Surroundings } from './scope.ts'
import { parseTime, timeAt, timeOfMs } from './time-methods.ts'
import { Expression, Instant, isTruthy, type Kind, Range, readValue, Stored, type Value } from './values.ts'

/** A compiled expression. Throws RubyFailure on a record on which it fails. */
export type Compiled = (scope: Scope) => Value

/** Names that an expression can use. */
const NAMES: Readonly<Record<string, Compiled>> = {
  record: ({ buf, map, end }) => new Stored(buf, map, end),
  tag: ({ tag }) => tag,
  tag_parts: ({ tagParts }) => tagParts,
  tag_prefix: ({ tagPrefix }) => tagPrefix,
  tag_suffix: ({ tagSuffix }) => tagSuffix,
  hostname: ({ hostname }) => hostname,
  time: ({ sec, nsec }) => new Instant(sec, nsec),
}
/** Kinds of their values. */
const NAME_KINDS: Readonly<Record<string, Kind>> = {
  record: 'map',
  tag: 'string',
  tag_parts: 'array',
  tag_prefix: 'array',
  tag_suffix: 'array',
  hostname: 'string',
  time: 'time',
}
/** Names whose value is the same for all records of a tag. */
const OF_TAG = new Set(['tag', 'tag_parts', 'tag_prefix', 'tag_suffix', 'hostname'])
/** Longer names are similar to none. */
const MAX_NAME_CHARS = 50
const WITHOUT_MARK = /^[a-z_]+!$/
/** Methods that change their receiver or take a block, with what stands in. */
const HINTS: Readonly<Record<string, string>> = {
  delete: 'records are not changed by expressions: use Remove_Keys',
  map: 'blocks are not translated',
  each: 'blocks are not translated',
  select: 'blocks are not translated',
  to_h: 'blocks are not translated',
  to_sym: 'keys of records are strings',
}

/** Compiles a parsed expression. Throws RubyRefusal for a name or a method that is not translated. */
export function compileRuby(node: Node, surroundings: Surroundings): Compiled {
  return new ExpressionCompiler(surroundings).compile(node)
}

/** Returns true when the expression has the same value for all records of a tag. */
export function isOfTag(node: Node): boolean {
  switch (node.type) {
    case 'literal':
    case 'regex':
      return true
    case 'name':
      return OF_TAG.has(node.name)
    case 'constant':
      return node.name !== 'Time' && node.name !== 'JSON'
    case 'text':
      return node.parts.every((part) => typeof part === 'string' || isOfTag(part))
    case 'array':
      return node.items.every(isOfTag)
    case 'range':
      return [node.from, node.to].every((end) => end === undefined || isOfTag(end))
    case 'call':
      return isOfTag(node.target) && node.args.every(isOfTag)
    case 'and':
    case 'or':
      return isOfTag(node.left) && isOfTag(node.right)
    case 'not':
      return isOfTag(node.node)
    case 'if':
      return isOfTag(node.test) && isOfTag(node.yes) && isOfTag(node.no)
    case 'rescue':
      return isOfTag(node.node) && isOfTag(node.other)
  }
}

class ExpressionCompiler {
  readonly #surroundings: Surroundings
  readonly #regexes = new Map<string, RubyRegex>()
  readonly #regex = (source: string): RubyRegex => this.#regexes.get(source) as RubyRegex

  constructor(surroundings: Surroundings) {
    this.#surroundings = surroundings
  }

  compile(node: Node): Compiled {
    switch (node.type) {
      case 'literal': {
        const { value } = node
        return () => value
      }
      case 'text':
        return this.#text(node.parts)
      case 'regex':
        return this.#expression(node)
      case 'array': {
        const items = node.items.map((item) => this.compile(item))
        return (scope) => items.map((item) => item(scope))
      }
      case 'range':
        return this.#range(node)
      case 'name':
        return name(node)
      case 'constant':
        throw new RubyRefusal(`the constant ${node.name}`, node.at)
      case 'call':
        return this.#constantCall(node) ?? this.#call(node)
      default:
        return this.#logic(node)
    }
  }

  #logic(node: Extract<Node, { type: 'and' | 'or' | 'not' | 'if' | 'rescue' }>): Compiled {
    switch (node.type) {
      case 'and':
      case 'or': {
        const [left, right] = [this.compile(node.left), this.compile(node.right)]
        const stopsAt = node.type === 'or'
        return (scope) => {
          const value = left(scope)
          return isTruthy(value) === stopsAt ? value : right(scope)
        }
      }
      case 'not': {
        const inner = this.compile(node.node)
        return (scope) => !isTruthy(inner(scope))
      }
      case 'if': {
        const [test, yes, no] = [this.compile(node.test), this.compile(node.yes), this.compile(node.no)]
        return (scope) => (isTruthy(test(scope)) ? yes : no)(scope)
      }
      case 'rescue': {
        const [inner, other] = [this.compile(node.node), this.compile(node.other)]
        return (scope) => {
          try {
            return inner(scope)
          } catch (error) {
            // A record that is too large stays one that has failed.
            if (!(error instanceof RubyFailure) || scope.budget < 0) throw error
            return other(scope)
          }
        }
      }
    }
  }

  #text(parts: readonly (string | Node)[]): Compiled {
    const [only] = parts
    if (parts.length === 1 && typeof only === 'string') return () => only
    const compiled = parts.map((part) => (typeof part === 'string' ? () => part : this.compile(part)))
    return (scope) => {
      let text = ''
      for (const part of compiled) text += textOf(part(scope))
      charge(scope, text.length)
      return text
    }
  }

  #expression({ source, at }: Extract<Node, { type: 'regex' }>): Compiled {
    const value = new Expression(source)
    if (!this.#regexes.has(source)) {
      try {
        this.#regexes.set(source, new RubyRegex(source, this.#surroundings.regexLimit))
      } catch (error) {
        throw new RubyRefusal(`the regular expression ${source}: ${messageOf(error)}`, at)
      }
    }
    return () => value
  }

  #range(node: Extract<Node, { type: 'range' }>): Compiled {
    const from = node.from === undefined ? () => null : this.compile(node.from)
    const to = node.to === undefined ? () => null : this.compile(node.to)
    return (scope) => new Range(from(scope), to(scope), node.isOpen)
  }

  /** Compiles methods of constants: of ENV, Socket, Time and JSON. Returns undefined for other calls. */
  #constantCall(node: Extract<Node, { type: 'call' }>): Compiled | undefined {
    if (node.target.type !== 'constant') return undefined
    const args = node.args.map((arg) => this.compile(arg))
    const [first, second] = args
    switch (`${node.target.name}.${node.name}/${args.length}`) {
      case 'Socket.gethostname/0':
        return ({ hostname }) => hostname
      case 'Time.now/0':
        return ({ nowMs }) => timeOfMs(nowMs())
      case 'Time.at/1':
        return (scope) => timeAt((first as Compiled)(scope))
      case 'Time.parse/1':
      case 'Time.iso8601/1':
        return (scope) => parseTime(stringArg((first as Compiled)(scope)))
      case 'JSON.parse/1':
        return (scope) => parseJson(stringArg((first as Compiled)(scope)), scope)
      case 'JSON.generate/1':
      case 'JSON.dump/1':
        return (scope) => toJson((first as Compiled)(scope), scope)
      case 'ENV.[]/1':
      case 'ENV.fetch/1':
      case 'ENV.fetch/2':
        return this.#variable(first as Compiled, second, node.name === 'fetch')
    }
    throw new RubyRefusal(`${node.target.name}.${node.name}`, node.target.at)
  }

  #variable(first: Compiled, second: Compiled | undefined, isRequired: boolean): Compiled {
    const { environment } = this.#surroundings
    return (scope) => {
      const key = textOf(first(scope))
      const value = Object.hasOwn(environment, key) ? environment[key] : undefined
      if (value !== undefined) return value
      if (second !== undefined) return second(scope)
      if (isRequired) throw new RubyFailure(`key not found: "${key}"`)
      return null
    }
  }

  #call(node: Extract<Node, { type: 'call' }>): Compiled {
    const { name, at, isSafe } = node
    const found = findMethod(name)
    const { target: owner } = node
    const kind = owner.type === 'name' ? NAME_KINDS[owner.name] : undefined
    if (found === undefined || (kind !== undefined && found.on[kind] === undefined))
      throw unknownMethod(name, at)
    if (node.args.length < found.min || node.args.length > found.max)
      throw new RubyRefusal(`"${name}" with ${node.args.length} arguments`, at)
    const isField = name === '[]' && node.target.type === 'name' && node.target.name === 'record'
    const [only] = node.args
    if (isField && only?.type === 'text' && typeof only.parts[0] === 'string' && only.parts.length === 1)
      return recordField(only.parts[0])
    const target = this.compile(node.target)
    const args = node.args.map((arg) => this.#argument(name, arg))
    const regex = this.#regex
    return (scope) => {
      const self = target(scope)
      if (isSafe && self === null) return null
      return invoke(found, name, self, { args: args.map((arg) => arg(scope)), scope, regex })
    }
  }

  /** Compiles an argument: the class of `is_a?` is passed by its name. */
  #argument(name: string, node: Node): Compiled {
    if (node.type !== 'constant' || findMethod(name) !== findMethod('is_a?')) return this.compile(node)
    const known = node.name
    if (!Object.hasOwn(CLASSES, known)) throw new RubyRefusal(`the class ${known}`, node.at)
    return () => known
  }
}

/** Compiles `record["key"]`, without an object for the record. */
function recordField(key: string): Compiled {
  const bytes = Buffer.from(key)
  return ({ buf, map, end }) => {
    const at = findKey(buf, map, end, bytes)
    return at < 0 ? null : readValue(buf, at, end)
  }
}

function name(node: Extract<Node, { type: 'name' }>): Compiled {
  if (Object.hasOwn(NAMES, node.name)) return NAMES[node.name] as Compiled
  const known = Object.keys(NAMES)
  const similar = nearest(node.name.slice(0, MAX_NAME_CHARS), known)
  const hint =
    similar === undefined
      ? `write record["${node.name.slice(0, MAX_NAME_CHARS)}"] for a field; known are ${known.join(', ')}`
      : `did you mean ${similar}?`
  throw new RubyRefusal(`the name "${node.name}"`, node.at, hint)
}

function unknownMethod(name: string, at: number): RubyRefusal {
  const plain = name.slice(0, -1)
  if (WITHOUT_MARK.test(name) && findMethod(plain) !== undefined)
    return new RubyRefusal(`the method "${name}", which changes its receiver`, at, `write ${plain}`)
  const similar = nearest(name.slice(0, MAX_NAME_CHARS), methodNames())
  const hint = Object.hasOwn(HINTS, name)
    ? HINTS[name]
    : similar === undefined
      ? ''
      : `did you mean ${similar}?`
  return new RubyRefusal(`the method "${name}"`, at, hint)
}

import {
  skip,
  strHeadSize,
  writeArrayHead,
  writeMapHead,
  writeStrHead,
} from '../../../core/msgpack/encode.ts'
import {
  arrayBody,
  arrayItems,
  mapBody,
  mapPairs,
  spanOf,
  textHead,
  textLength,
} from '../../../core/msgpack/record.ts'
import { JsonTranscoder, jsonBound } from '../../../lib/json/json-to-msgpack.ts'
import { MAX_EXPRESSION_DEPTH, type Node, RubyRefusal } from '../../../lib/ruby/ast.ts'
import type { ByteWriter } from '../../../lib/ruby/byte-writer.ts'
import { type Compiled, compileRuby, isOfTag } from '../../../lib/ruby/compile.ts'
import { encodeValue } from '../../../lib/ruby/encode.ts'
import { textOf } from '../../../lib/ruby/format.ts'
import { charge, type Scope, type Surroundings } from '../../../lib/ruby/scope.ts'
import { findPath, type KeyPath } from './key-path.ts'
import { parseText, type TextOptions } from './placeholders.ts'

/** Characters of a text that a message shows. */
const MAX_SHOWN_CHARS = 300

/** A value of the configuration that is written into records. */
export interface Field {
  /** True when it is the same for all records of a tag. */
  readonly isOfTag: boolean
  /** Appends the value as MessagePack. Throws RubyFailure when it has none for the record. */
  write(scope: Scope, out: ByteWriter): void
}

/** A text of the configuration with an expression that is not translated. */
export class RefusedText extends Error {
  readonly hint: string

  constructor(text: string, { message, character, hint }: RubyRefusal) {
    super(
      `${message} in ${text.length > MAX_SHOWN_CHARS ? `${text.slice(0, MAX_SHOWN_CHARS)}...` : text}, character ${character}`,
    )
    this.name = 'RefusedText'
    this.hint = hint
  }
}

/** Makes fields of texts of the configuration. Throws RefusedText. */
export class FieldMaker {
  readonly #options: TextOptions
  readonly #surroundings: Surroundings
  /** Placeholders without a value, and values that look like JSON and are not. */
  readonly unknown = new Set<string>()
  readonly notJson = new Set<string>()

  constructor(options: TextOptions, surroundings: Surroundings) {
    this.#options = options
    this.#surroundings = surroundings
  }

  /** Returns the field of a value: JSON if it begins as JSON does. */
  value(text: string): Field {
    if (!text.startsWith('{') && !text.startsWith('[')) return this.text(text, false)
    const src = Buffer.from(text)
    const out = Buffer.alloc(jsonBound(src.length))
    const json = new JsonTranscoder()
    const end = json.transcode(src, 0, src.length, out, 0)
    if (end >= 0 && src.toString('utf8', json.end).trim() === '') return this.#json(out, 0, end, 0)
    this.notJson.add(text)
    return this.text(text, false)
  }

  /** Returns the field of a text; a key is always text. */
  text(text: string, isKey: boolean): Field {
    const { node, compiled } = this.#compile(text, isKey)
    const path = pathOf(node)
    if (
      node.type === 'text' &&
      node.parts.some((part) => typeof part !== 'string' && pathOf(part) !== undefined)
    )
      return new TextWithFields(node.parts.map((part) => this.#part(part)))
    return path === undefined ? new Expression(compiled, isOfTag(node)) : new FieldCopy(path, compiled)
  }

  #part(part: string | Node): TextPart {
    if (typeof part === 'string') return { bytes: Buffer.from(part) }
    return { path: pathOf(part), compiled: compileRuby(part, this.#surroundings) }
  }

  #compile(text: string, isKey: boolean): { node: Node; compiled: Compiled } {
    try {
      const node = parseText(text, isKey, this.#options, (placeholder) => this.unknown.add(placeholder))
      return { node, compiled: compileRuby(node, this.#surroundings) }
    } catch (error) {
      throw error instanceof RubyRefusal ? new RefusedText(text, error) : error
    }
  }

  #json(buf: Buffer, at: number, end: number, depth: number): Field {
    if (depth > MAX_EXPRESSION_DEPTH)
      throw new RefusedText('JSON', new RubyRefusal(`a value of more than ${MAX_EXPRESSION_DEPTH} levels`, 0))
    const text = spanOf(buf, at)
    if (text !== undefined) return this.text(buf.toString('utf8', text.start, text.end), false)
    const pairs = mapPairs(buf, at)
    const items = arrayItems(buf, at)
    if (pairs < 0 && items < 0) return new Fixed(Buffer.from(buf.subarray(at, skip(buf, at, end))))
    const parts: Field[] = []
    let p = pairs < 0 ? arrayBody(buf, at) : mapBody(buf, at)
    for (let i = 0; i < (pairs < 0 ? items : pairs * 2); i++) {
      const isKey = pairs >= 0 && i % 2 === 0
      const key = isKey ? spanOf(buf, p) : undefined
      parts.push(
        key === undefined
          ? this.#json(buf, p, end, depth + 1)
          : this.text(buf.toString('utf8', key.start, key.end), true),
      )
      p = skip(buf, p, end)
    }
    return new Container(parts, pairs >= 0)
  }
}

class Fixed implements Field {
  readonly isOfTag = true
  readonly #bytes: Buffer

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  write(_scope: Scope, out: ByteWriter): void {
    out.copy(this.#bytes, 0, this.#bytes.length)
  }
}

class Expression implements Field {
  readonly isOfTag: boolean
  readonly #compiled: Compiled

  constructor(compiled: Compiled, isOfTagOnly: boolean) {
    this.#compiled = compiled
    this.isOfTag = isOfTagOnly
  }

  write(scope: Scope, out: ByteWriter): void {
    encodeValue(this.#compiled(scope), out)
  }
}

/** Copies the bytes of a field. */
class FieldCopy implements Field {
  readonly isOfTag = false
  readonly #path: KeyPath
  readonly #compiled: Compiled

  constructor(path: KeyPath, compiled: Compiled) {
    this.#path = path
    this.#compiled = compiled
  }

  write(scope: Scope, out: ByteWriter): void {
    const { buf, map, end } = scope
    const at = findPath(buf, map, end, this.#path)
    // The expression knows whether a missing value is nil or a failure.
    if (at < 0) encodeValue(this.#compiled(scope), out)
    else out.copy(buf, at, skip(buf, at, end))
  }
}

/**
 * A piece of a text: bytes, or what an expression makes, whose path is known if it is nothing but a field.
 */
type TextPart = { bytes: Buffer } | { bytes?: undefined; path: KeyPath | undefined; compiled: Compiled }

/** Writes a text that has the texts of fields in it, copying their bytes. */
class TextWithFields implements Field {
  readonly isOfTag = false
  readonly #parts: readonly TextPart[]

  constructor(parts: readonly TextPart[]) {
    this.#parts = parts
  }

  write(scope: Scope, out: ByteWriter): void {
    const start = out.at
    // Most texts have a head of one byte.
    out.reserve(1)
    out.at = start + 1
    for (const part of this.#parts) {
      if (part.bytes === undefined) writePart(part.path, part.compiled, scope, out)
      else out.copy(part.bytes, 0, part.bytes.length)
    }
    const length = out.at - start - 1
    charge(scope, length)
    const head = strHeadSize(length)
    if (head > 1) {
      out.reserve(head)
      out.buf.copyWithin(start + head, start + 1, out.at)
    }
    writeStrHead(out.buf, start, length)
    out.at = start + head + length
  }
}

function writePart(path: KeyPath | undefined, compiled: Compiled, scope: Scope, out: ByteWriter): void {
  const { buf, map, end } = scope
  const at = path === undefined ? -1 : findPath(buf, map, end, path)
  const head = at < 0 ? -1 : textHead(buf, at)
  if (head < 0) out.text(textOf(compiled(scope)))
  else out.copy(buf, at + head, at + head + textLength(buf, at))
}

class Container implements Field {
  readonly isOfTag: boolean
  readonly #parts: readonly Field[]
  readonly #isMap: boolean

  constructor(parts: readonly Field[], isMap: boolean) {
    this.#parts = parts
    this.#isMap = isMap
    this.isOfTag = parts.every((part) => part.isOfTag)
  }

  write(scope: Scope, out: ByteWriter): void {
    const { length } = this.#parts
    out.reserve(5)
    out.at = this.#isMap ? writeMapHead(out.buf, out.at, length / 2) : writeArrayHead(out.buf, out.at, length)
    for (const part of this.#parts) part.write(scope, out)
  }
}

/** Returns the path of an expression that is nothing but one: `record["a"]["b"]`, `record.dig("a", 0)`. */
function pathOf(node: Node): KeyPath | undefined {
  if (node.type === 'rescue')
    return node.other.type === 'literal' && node.other.value === null ? pathOf(node.node) : undefined
  if (node.type !== 'call' || node.isSafe || (node.name !== '[]' && node.name !== 'dig')) return undefined
  if (node.name === '[]' && node.args.length !== 1) return undefined
  const before = node.target.type === 'name' && node.target.name === 'record' ? [] : pathOf(node.target)
  if (before === undefined) return undefined
  const steps = node.args.map(stepOf)
  return steps.includes(undefined) ? undefined : [...before, ...(steps as (Buffer | number)[])]
}

function stepOf(node: Node): Buffer | number | undefined {
  if (node.type === 'text') {
    const [only] = node.parts
    return node.parts.length === 1 && typeof only === 'string' ? Buffer.from(only) : undefined
  }
  return node.type === 'literal' && typeof node.value === 'bigint' ? Number(node.value) : undefined
}

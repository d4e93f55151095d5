import type { SourceLocation } from '../../core/error.ts'
import { truncate } from '../../core/escape-controls.ts'
import { problem, type Tree, warn } from '../config-tree.ts'
import {
  Composer,
  type Document,
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type ParsedNode,
  Parser,
  type YAMLMap,
  type YAMLSeq,
} from './package.ts'
import { OPEN_QUOTE, syntaxProblem } from './syntax-errors.ts'

/** A node of a document. What an alias stands for is shared, not copied, so that a node may have several parents. */
export type YamlNode = YamlText | YamlList | YamlMap

export interface YamlText {
  kind: 'string'
  /** The scalar as written, without its quotes: `on`, `5` and `null` are texts. */
  text: string
  /** True when it is written without quotes and on one line. */
  isPlain: boolean
  location: SourceLocation
}

export interface YamlList {
  kind: 'list'
  items: YamlNode[]
  location: SourceLocation
}

export interface YamlMap {
  kind: 'map'
  /** In the order of the text; a key may be there several times. */
  entries: YamlEntry[]
  /** True when the map or one of its values has an anchor. */
  isAnchored: boolean
  location: SourceLocation
}

export interface YamlEntry {
  key: YamlText
  value: YamlNode
}

/** Maximum depth of collections: a configuration needs about 12. */
const MAX_DEPTH = 64
/** Maximum number of lexical tokens: 20 times as many as in 2,000 lines. */
const MAX_TOKENS = 400_000
/** Maximum number of nodes and of entries copied by merge keys. */
const MAX_NODES = 200_000
/** Maximum number of tags that are warned of. */
const MAX_WARNINGS = 20
const MAX_SHOWN_CHARS = 60

const BOM = /^\uFEFF/
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what YAML does not allow in a text
const CONTROL = /[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F]/
const CORE_TAG = /^(?:!|tag:yaml\.org,2002:(?:str|int|float|bool|null|map|seq))$/
const LAST_LINE_END = /\n$/

/**
 * Parses a text that is one YAML document. Scalars are texts as written. Returns undefined when the document is empty or a
 * problem was recorded.
 *
 * The text is parsed token by token: depth and number are checked before the package builds its nodes, which it does recursively.
 */
export function parseYaml(file: string, text: string, tree: Tree): YamlNode | undefined {
  return new YamlDocument(file, text.replace(BOM, ''), tree).parse()
}

/** Ends the reading of a document; the problem is recorded. */
class Refused extends Error {}

class YamlDocument {
  readonly #file: string
  readonly #text: string
  readonly #tree: Tree
  readonly #lines = new LineCounter()
  readonly #anchors = new Map<string, YamlNode>()
  #nodes = 0
  #tags = 0

  constructor(file: string, text: string, tree: Tree) {
    this.#file = file
    this.#text = text
    this.#tree = tree
  }

  parse(): YamlNode | undefined {
    try {
      const document = this.#compose()
      return document?.contents === null || document === undefined ? undefined : this.#node(document.contents)
    } catch (err) {
      if (err instanceof Refused) return undefined
      throw err
    }
  }

  /** Returns the only document of the text that is not empty. */
  #compose(): Document.Parsed | undefined {
    const control = this.#text.search(CONTROL)
    if (control >= 0) {
      this.#countLines(control)
      const code = this.#text.charCodeAt(control).toString(16).toUpperCase().padStart(4, '0')
      this.#refuse(`control character U+${code}`, control, 'a YAML file is text')
    }
    const composer = new Composer({
      schema: 'failsafe',
      resolveKnownTags: false,
      uniqueKeys: false,
      prettyErrors: false,
    })
    let found: Document.Parsed | undefined
    const add = (document: Document.Parsed): void => {
      const [error] = document.errors
      if (error !== undefined) {
        // The package reports an open quotation mark at the end of the text.
        const at = OPEN_QUOTE.test(error.message) ? lastScalar(document.contents) : error.pos[0]
        this.#tree.problems.push(syntaxProblem(error, this.#text, at, this.#at(at)))
        throw new Refused()
      }
      if (document.contents === null) return
      if (found !== undefined) {
        const hint = 'put everything into one document, without a line ---'
        this.#refuse('a second YAML document begins here', document.contents.range[0], hint)
      }
      found = document
    }
    for (const token of this.#tokens()) for (const document of composer.next(token)) add(document)
    for (const document of composer.end(false, this.#text.length)) add(document)
    return found
  }

  *#tokens(): Generator<Parameters<Composer['next']>[0]> {
    const parser = new Parser(this.#lines.addNewLine)
    this.#lines.addNewLine(0)
    let count = 0
    for (const lexeme of new Lexer().lex(this.#text)) {
      yield* parser.next(lexeme)
      if (parser.stack.length > MAX_DEPTH)
        this.#refuse(`nested more than ${MAX_DEPTH} levels deep`, parser.offset, '')
      if (++count > MAX_TOKENS) this.#refuse('too long for a configuration', parser.offset, 'split the file')
    }
    yield* parser.end()
  }

  /** Counts the lines up to an offset when the parser has not done it. */
  #countLines(end: number): void {
    this.#lines.addNewLine(0)
    for (let at = this.#text.indexOf('\n'); at >= 0 && at < end; at = this.#text.indexOf('\n', at + 1))
      this.#lines.addNewLine(at + 1)
  }

  #node(node: ParsedNode | null, keyAt = 0): YamlNode {
    if (node === null) return { kind: 'string', text: '', isPlain: true, location: this.#at(keyAt) }
    const at = node.range[0]
    if (++this.#nodes > MAX_NODES) this.#refuse('too many values for a configuration', at, 'split the file')
    if (isAlias(node)) return this.#resolve(node.source, at)
    const { tag, anchor } = node
    if (tag !== undefined && !CORE_TAG.test(tag) && ++this.#tags <= MAX_WARNINGS)
      warn(this.#tree, 'the tag has no effect: values are taken as written', this.#at(at))
    const made = isMap(node) ? this.#map(node, at) : isSeq(node) ? this.#list(node, at) : this.#scalar(node)
    if (anchor !== undefined && made.kind === 'string' && made.isPlain && made.text === '') {
      const shown = truncate(anchor, MAX_SHOWN_CHARS)
      const message = `&${shown} is an anchor of YAML without a value`
      this.#tree.problems.push(
        problem('E_CONFIG_SYNTAX', message, this.#at(at), `for this text quote it: '&${shown}'`),
      )
      made.text = `&${anchor}`
    }
    if (anchor !== undefined) this.#anchors.set(anchor, made)
    if (anchor !== undefined && made.kind === 'map') made.isAnchored = true
    return made
  }

  #resolve(name: string, at: number): YamlNode {
    const target = this.#anchors.get(name)
    if (target !== undefined) return target
    const shown = truncate(name, MAX_SHOWN_CHARS)
    const hint = `if it is no alias, put it in quotation marks: '*${shown}'`
    return this.#refuse(`the alias *${shown} has no anchor &${shown} before it`, at, hint)
  }

  #scalar(node: ParsedNode): YamlText {
    const { value, source, type } = isScalar(node) ? node : { value: '', source: '', type: undefined }
    const text = typeof value === 'string' ? value : (source ?? '')
    const isBlock = type === 'BLOCK_LITERAL' || type === 'BLOCK_FOLDED'
    // A text of one line that is written as a block does not mean the line end behind it.
    const isOneLine = isBlock && text.indexOf('\n') === text.length - 1
    return {
      kind: 'string',
      text: isOneLine ? text.replace(LAST_LINE_END, '') : text,
      isPlain: type === 'PLAIN' && !text.includes('\n'),
      location: this.#at(node.range[0]),
    }
  }

  #list({ items }: YAMLSeq.Parsed, at: number): YamlList {
    return { kind: 'list', items: items.map((item) => this.#node(item, at)), location: this.#at(at) }
  }

  #map({ items }: YAMLMap.Parsed, at: number): YamlMap {
    const entries: YamlEntry[] = []
    const merged: YamlNode[] = []
    let isAnchored = false
    for (const pair of items) {
      const key = this.#node(pair.key, at)
      if (key.kind !== 'string') this.#refuseAt(`a key must be a string, not a ${key.kind}`, key.location)
      const value = this.#node(pair.value, pair.key?.range[1] ?? at)
      if (pair.value !== null && !isAlias(pair.value) && pair.value.anchor !== undefined) isAnchored = true
      if (key.isPlain && key.text === '<<') merged.push(...(value.kind === 'list' ? value.items : [value]))
      else entries.push({ key, value })
    }
    const map: YamlMap = { kind: 'map', entries, isAnchored, location: this.#at(at) }
    for (const source of merged) this.#merge(map, source)
    return map
  }

  /** Adds the entries of a merge key `<<` whose keys the map does not have. */
  #merge(map: YamlMap, source: YamlNode): void {
    if (source.kind !== 'map') this.#refuseAt(`<< merges maps, not a ${source.kind}`, source.location)
    const own = new Set(map.entries.map(({ key }) => key.text))
    this.#nodes += map.entries.length + source.entries.length
    if (this.#nodes > MAX_NODES) this.#refuseAt('too many values for a configuration', source.location)
    map.entries.push(...source.entries.filter(({ key }) => !own.has(key.text)))
  }

  #at(offset: number): SourceLocation {
    const { line, col } = this.#lines.linePos(offset)
    return { file: this.#file, line: Math.max(1, line), col: Math.max(1, col) }
  }

  #refuse(message: string, offset: number, hint?: string): never {
    return this.#refuseAt(message, this.#at(offset), hint)
  }

  #refuseAt(message: string, location: SourceLocation, hint = ''): never {
    this.#tree.problems.push(problem('E_CONFIG_SYNTAX', message, location, hint))
    throw new Refused()
  }
}

/** Returns the offset of the last scalar of a node. */
function lastScalar(node: ParsedNode | null): number {
  let last = node
  for (;;) {
    const [item] = isMap(last) || isSeq(last) ? last.items.slice(-1) : []
    const next = item === undefined ? undefined : isPair(item) ? (item.value ?? item.key) : item
    if (next === undefined || next === null) return last?.range[0] ?? 0
    last = next as ParsedNode
  }
}

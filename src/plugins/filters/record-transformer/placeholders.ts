import { type Node, nil } from '../../../lib/ruby/ast.ts'
import { parseInterpolated, parseRuby } from '../../../lib/ruby/parse.ts'

const PLACEHOLDER = /\$\{([^}]+)\}/g
const PART_OF_TAG = /^(tag_parts|tag_prefix|tag_suffix)\[(-?\d{1,9})\]$/
const FIELD = /^record((?:\[(?:"[^"]*"|'[^']*')\])+)$/
const KEY = /\[(?:"([^"]*)"|'([^']*)')\]/g
const SIMPLE = new Set(['tag', 'hostname'])

/** How texts of the configuration are read. */
export interface TextOptions {
  enableRuby: boolean
  autoTypecast: boolean
}

/**
 * Parses a text with placeholders. One that is a placeholder and nothing else has the value of that, unless
 * `isKey` or Auto_Typecast is off. `unknown` gets the placeholders that have no value. Throws RubyRefusal.
 */
export function parseText(
  text: string,
  isKey: boolean,
  { enableRuby, autoTypecast }: TextOptions,
  unknown: (placeholder: string) => void,
): Node {
  const keepsType = autoTypecast && !isKey
  return enableRuby ? rubyText(text, keepsType) : plainText(text, keepsType, unknown)
}

/** Reads a text as fluentd does with enable_ruby: `${` becomes `#{` of a double-quoted string. */
function rubyText(text: string, keepsType: boolean): Node {
  const count = text.split('${').length - 1
  if (keepsType && count === 1 && text.startsWith('${') && text.endsWith('}'))
    return parseRuby(text.slice(2, -1), 2)
  return parseInterpolated(text.replaceAll('${', '#{'))
}

function plainText(text: string, keepsType: boolean, unknown: (placeholder: string) => void): Node {
  const parts: (string | Node)[] = []
  let from = 0
  for (const found of text.matchAll(PLACEHOLDER)) {
    const { index } = found
    if (index > from) parts.push(text.slice(from, index))
    const node = placeholder((found[1] as string).trim())
    if (node === undefined) unknown(found[0])
    parts.push(node ?? nil(index))
    from = index + found[0].length
  }
  if (from < text.length || parts.length === 0) parts.push(text.slice(from))
  const [only] = parts
  if (keepsType && parts.length === 1 && typeof only === 'object') return only
  return { type: 'text', parts, at: 0 }
}

/**
 * Returns the expression that a placeholder stands for; a part of the tag or a field that is missing is nil.
 */
function placeholder(text: string): Node | undefined {
  if (SIMPLE.has(text)) return { type: 'name', name: text, at: 0 }
  if (text === 'time') return call({ type: 'name', name: 'time', at: 0 }, 'to_s', [])
  const [, list, index] = PART_OF_TAG.exec(text) ?? []
  if (list !== undefined)
    return call({ type: 'name', name: list, at: 0 }, '[]', [
      { type: 'literal', value: BigInt(index ?? 0), at: 0 },
    ])
  const [, keys] = FIELD.exec(text) ?? []
  if (keys === undefined) return undefined
  const path = [...keys.matchAll(KEY)].map(
    ([, double, single]): Node => ({ type: 'text', parts: [double ?? single ?? ''], at: 0 }),
  )
  const field = call({ type: 'name', name: 'record', at: 0 }, path.length === 1 ? '[]' : 'dig', path)
  return path.length === 1 ? field : { type: 'rescue', node: field, other: nil(0), at: 0 }
}

function call(target: Node, name: string, args: readonly Node[]): Node {
  return { type: 'call', target, name, args, isSafe: false, at: 0 }
}

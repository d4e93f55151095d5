import { isSecretName } from './secret-names.ts'

/** What is shown instead of a secret. */
export const MASK = '******'

/**
 * Longest value that is searched for secrets. The time that the expressions below take may grow with the square of the
 * length; a longer value is masked as a whole.
 */
const MAX_VALUE_CHARS = 16_000
/** A word is only tried from its first character, or a long one would be read again from each of them. */
const USER_INFO = /(?<![\w+.-])([\w+.-]+:\/\/)[^/?#\s@"]+@/g
const PAIR_HEAD = /(?<![\w.-])([\w.-]+)\s*[=:]\s*/g
const PAIR_VALUE = /"(?:[^"\\]|\\.)*"|'[^']*'|[^\s&;,]+/y
/** Names of headers whose value goes on to the end of the line, and may have signs and several words. */
const HEADER_NAME = /^(?:proxy-)?authorization$|cookie$/i
const HEADER_VALUE = /[^"'\\\r\n]+/y
/** The same within a text of JSON, as in a connection string: a value in quotation marks has them escaped. */
const PAIR_HEAD_IN_TEXT = /(?<![\w.-])([\w.-]+)\s*=\s*/g
const PAIR_VALUE_IN_TEXT = /\\"(?:[^"\\]|\\[^"])*\\"|'[^']*'|[^\s&;,"]+/y
/** The user information of an address without a scheme, as in `me:abc@host:9092`; not a group of an expression. */
const PASSWORD_BEFORE_HOST = /(?<![\w.%+-])[\w.%+-]+:(?!\/\/)[^\s@"',()<>[\]{}|\\]+@(?=[\w[])/g
/** A name and its value, as in `Header Authorization Bearer abc` or `Record api_key abc`. */
const NAME_AND_VALUE = /^([\w.-]+)(\s+)\S.*$/s

/**
 * Returns a JSON text in which the values of fields are masked whose names say that they are secret, and the user
 * information of addresses. Takes time that grows with the length of the text: a record may be long. No expression finds the
 * texts in it, since one that repeats an alternative fails silently on a very long text.
 */
export function maskJson(json: string): string {
  let masked = ''
  let done = 0
  for (let at = json.indexOf('"'); at >= 0; ) {
    const end = endOfText(json, at)
    const sign = END_OF_NAME.exec(json.slice(end, end + MAX_GAP_CHARS))?.[0]
    if (sign !== undefined && isSecretName(json.slice(at + 1, end - 1))) {
      const value = end + sign.length
      const valueEnd = endOfValue(json, value)
      if (valueEnd > value) {
        masked += `${json.slice(done, value)}"${MASK}"`
        done = valueEnd
        at = json.indexOf('"', valueEnd)
        continue
      }
    }
    if (sign === undefined && end - at <= MAX_VALUE_CHARS) {
      masked += json.slice(done, at) + maskPairs(json.slice(at, end), PAIR_HEAD_IN_TEXT, PAIR_VALUE_IN_TEXT)
      done = end
    }
    at = json.indexOf('"', end)
  }
  return (masked + json.slice(done)).replace(USER_INFO, `$1${MASK}@`)
}

/** The end of a field's name, after its quotation mark. */
const END_OF_NAME = /^\s*:\s*/
const MAX_GAP_CHARS = 1000
const END_OF_WORD = /[\s,{}[\]]/g

/**
 * Masks the values behind secret names. Only a name and its sign are read at a time: the value of another pair may have a pair
 * itself.
 */
function maskPairs(text: string, head: RegExp, value: RegExp): string {
  let masked = ''
  let done = 0
  head.lastIndex = 0
  for (let found = head.exec(text); found !== null; found = head.exec(text)) {
    const name = found[1] as string
    if (!isSecretName(name)) continue
    const start = head.lastIndex
    const isHeader = HEADER_NAME.test(name) && !QUOTE.test(text[start] ?? '')
    const end = endOfMatch(isHeader ? HEADER_VALUE : value, text, start)
    if (end <= start) continue
    masked += text.slice(done, start) + MASK
    done = head.lastIndex = end
  }
  return masked + text.slice(done)
}

const QUOTE = /["'\\]/

/** Returns the end of the match at `start`, 0 without one. */
function endOfMatch(sticky: RegExp, text: string, start: number): number {
  sticky.lastIndex = start
  return sticky.test(text) ? sticky.lastIndex : 0
}

/** Returns the offset of the end of a value: a text, a list or map with all that is in it, a number or a word. */
function endOfValue(json: string, start: number): number {
  const first = json[start]
  if (first === '"') return endOfText(json, start)
  if (first !== '{' && first !== '[') return endOfWord(json, start)
  let depth = 0
  for (let at = start; at < json.length; at++) {
    const sign = json[at]
    if (sign === '"') at = endOfText(json, at) - 1
    else if (sign === '{' || sign === '[') depth++
    else if ((sign === '}' || sign === ']') && --depth === 0) return at + 1
  }
  return json.length
}

/** Returns the offset behind the quotation mark that ends the text which begins at `start`, or the length of `json`. */
function endOfText(json: string, start: number): number {
  for (let at = start + 1; at < json.length; at++) {
    if (json[at] === '"') return at + 1
    if (json[at] === '\\') at++
  }
  return json.length
}

/** Returns the offset of the end of a number or a word. */
function endOfWord(json: string, start: number): number {
  END_OF_WORD.lastIndex = start
  return END_OF_WORD.exec(json)?.index ?? json.length
}

const COMMAND_NAME = /(?:^|_)command$/i
const PROGRAM = /^[\w./@+-]+$/
const SPACES = /\s+/

/**
 * Returns what may be shown of a shell command: its program and the number of the words that follow, `curl (4 more words)`. They are
 * passwords as often as not, in a form of each program (`-u me:abc`, `-pabc`, `--key abc`).
 */
export function commandText(command: string): string {
  const [program = '', ...more] = command.trim().split(SPACES)
  // The first word may set a variable, which may have spaces: then no word is known to be the program.
  const name = PROGRAM.test(program) ? program : MASK
  if (more.length === 0) return name
  return `${name} (${more.length} more word${more.length === 1 ? '' : 's'})`
}

/**
 * Returns the value of an option in which everything is masked that looks like a secret: the user information of an
 * address, the values of pairs whose names say that they are secret, and all of it when `name` does. Of a command only what
 * `commandText` returns is shown.
 */
export function maskValue(name: string, value: string): string {
  if (value === '') return value
  if (isSecretName(name) || value.length > MAX_VALUE_CHARS) return MASK
  if (COMMAND_NAME.test(name)) return commandText(value)
  const [, word = '', gap = ''] = NAME_AND_VALUE.exec(value) ?? []
  if (word !== '' && isSecretName(word)) return `${word}${gap}${MASK}`
  return maskPairs(maskJson(value).replace(PASSWORD_BEFORE_HOST, `${MASK}@`), PAIR_HEAD, PAIR_VALUE)
}

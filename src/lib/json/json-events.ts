/** Deepest nesting that is read. */
const MAX_DEPTH = 64
/** Longest text that is kept of a string, in bytes; the rest is passed over. */
const MAX_TEXT_BYTES = 512
const MAX_LITERAL_BYTES = 64

const OBJECT = 1
const ARRAY = 2

type Expect = 'value' | 'first value' | 'key' | 'first key' | 'colon' | 'end'

/** What happens in a text of JSON. `depth`: the number of objects and arrays that are open around it. */
interface JsonEventHandler {
  /** A string (its beginning), or the text of another scalar. `key`: the name of the member, empty in an array. */
  scalar(depth: number, key: string, text: string, isString: boolean): void
  open(depth: number, key: string, isArray: boolean): void
  close(depth: number): void
}

/**
 * Reads a text of JSON of any size as it arrives and keeps no more of it than one text. Throws an Error when it is none. That it is
 * complete is said by `isComplete`.
 */
export class JsonEvents {
  readonly #handler: JsonEventHandler
  readonly #stack = new Uint8Array(MAX_DEPTH)
  #depth = 0
  #expect: Expect = 'value'
  #key = ''
  /** In a string; of a literal, `#text` has its bytes. */
  #isString = false
  #isEscaped = false
  #isLiteral = false
  readonly #text = Buffer.alloc(MAX_TEXT_BYTES)
  #length = 0
  #isCut = false

  constructor(handler: JsonEventHandler) {
    this.#handler = handler
  }

  /** True when a whole value was read. */
  get isComplete(): boolean {
    return this.#expect === 'end' && this.#depth === 0 && !this.#isLiteral
  }

  /** True when the next item of an array follows a comma; `depth`: the number of objects and arrays around it. */
  isBetweenItems(depth: number): boolean {
    return (
      this.#depth === depth &&
      this.#expect === 'value' &&
      this.#stack[depth - 1] === ARRAY &&
      !this.#isLiteral
    )
  }

  /**
   * Reads bytes from `start` on to their end, or only up to the next comma of the array with `depth` objects and arrays around its
   * items; returns the offset after what was read.
   */
  write(bytes: Buffer, start = 0, depth = -1): number {
    for (let i = start; i < bytes.length; i++) {
      const c = bytes[i] as number
      if (this.#isString) this.#inString(c)
      else if (this.#isLiteral && isLiteral(c)) this.#keep(c)
      else {
        if (this.#isLiteral) this.#endLiteral()
        if (c !== 0x20 && c !== 0x0a && c !== 0x0d && c !== 0x09) this.#token(c)
        if (c === 0x2c && this.#depth === depth) return i + 1
      }
    }
    return bytes.length
  }

  #token(c: number): void {
    const expect = this.#expect
    switch (c) {
      case 0x22:
        if (expect === 'colon' || expect === 'end') throw notJson(c)
        this.#isString = true
        this.#length = 0
        this.#isCut = false
        return
      case 0x7b:
      case 0x5b:
        this.#open(c === 0x5b)
        return
      case 0x7d:
        this.#close(OBJECT, c)
        return
      case 0x5d:
        this.#close(ARRAY, c)
        return
      case 0x3a:
        if (expect !== 'colon') throw notJson(c)
        this.#expect = 'value'
        return
      case 0x2c:
        if (expect !== 'end' || this.#depth === 0) throw notJson(c)
        this.#expect = this.#stack[this.#depth - 1] === OBJECT ? 'key' : 'value'
        return
      default:
        if ((expect !== 'value' && expect !== 'first value') || !isLiteral(c)) throw notJson(c)
        this.#isLiteral = true
        this.#length = 0
        this.#keep(c)
    }
  }

  #open(isArray: boolean): void {
    if (this.#expect !== 'value' && this.#expect !== 'first value') throw notJson(isArray ? 0x5b : 0x7b)
    if (this.#depth === MAX_DEPTH) throw new Error(`more than ${MAX_DEPTH} levels`)
    this.#handler.open(this.#depth, this.#key, isArray)
    this.#stack[this.#depth++] = isArray ? ARRAY : OBJECT
    this.#expect = isArray ? 'first value' : 'first key'
    this.#key = ''
  }

  #close(kind: number, c: number): void {
    const isEmpty = this.#expect === (kind === ARRAY ? 'first value' : 'first key')
    if (this.#depth === 0 || this.#stack[this.#depth - 1] !== kind || !(isEmpty || this.#expect === 'end'))
      throw notJson(c)
    this.#depth--
    this.#expect = 'end'
    this.#key = ''
    this.#handler.close(this.#depth)
  }

  #inString(c: number): void {
    if (this.#isEscaped) {
      this.#isEscaped = false
      this.#keep(c)
    } else if (c === 0x22) this.#endString()
    else {
      if (c === 0x5c) this.#isEscaped = true
      this.#keep(c)
    }
  }

  #endString(): void {
    this.#isString = false
    const text = this.#decoded()
    if (this.#expect === 'key' || this.#expect === 'first key') {
      this.#key = text
      this.#expect = 'colon'
      return
    }
    this.#expect = 'end'
    this.#handler.scalar(this.#depth, this.#key, text, true)
    this.#key = ''
  }

  #endLiteral(): void {
    this.#isLiteral = false
    const text = this.#text.toString('latin1', 0, this.#length)
    if (!/^(?:true|false|null|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)$/.test(text))
      throw new Error(`${text} is not JSON`)
    this.#expect = 'end'
    this.#handler.scalar(this.#depth, this.#key, text, false)
    this.#key = ''
  }

  #keep(c: number): void {
    if (this.#isLiteral && this.#length >= MAX_LITERAL_BYTES) throw new Error('a number without an end')
    if (this.#length < MAX_TEXT_BYTES) this.#text[this.#length++] = c
    else this.#isCut = true
  }

  #decoded(): string {
    const raw = this.#text.toString('utf8', 0, this.#length)
    // An escape may be cut in two at the end.
    const whole = this.#isCut ? `${raw.replace(/(?:\\u[0-9a-fA-F]{0,3}|\\)$/, '')}...` : raw
    if (!whole.includes('\\')) return whole
    try {
      return JSON.parse(`"${whole}"`) as string
    } catch {
      return whole
    }
  }
}

function isLiteral(c: number): boolean {
  return (
    (c >= 0x30 && c <= 0x39) ||
    (c >= 0x61 && c <= 0x7a) ||
    c === 0x2d ||
    c === 0x2b ||
    c === 0x2e ||
    c === 0x45
  )
}

function notJson(c: number): Error {
  const what = c > 0x20 && c < 0x7f ? `"${String.fromCharCode(c)}"` : `the byte ${c}`
  return new Error(`it is not JSON: ${what} where it cannot be`)
}

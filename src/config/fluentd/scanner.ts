import type { SourceLocation } from '../../core/error.ts'

/** A text with a place in it, and the lines and columns of its offsets. */
export class Scanner {
  readonly text: string
  readonly file: string
  at = 0
  /** Offsets of the first characters of lines. */
  readonly #lines: number[] = [0]

  constructor(file: string, text: string) {
    this.file = file
    this.text = text
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) this.#lines.push(at + 1)
  }

  get isAtEnd(): boolean {
    return this.at >= this.text.length
  }

  /** Character at the place; empty at the end. */
  get next(): string {
    return this.text[this.at] ?? ''
  }

  /** Skips `pattern`, which is sticky (`/.../y`), and returns what it matched; undefined when it does not match here. */
  take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at
    const match = pattern.exec(this.text)
    if (match === null) return undefined
    this.at += match[0].length
    return match[0]
  }

  looksAt(pattern: RegExp): boolean {
    pattern.lastIndex = this.at
    return pattern.test(this.text)
  }

  /** Returns the end of the line in which the place is, before its line end. */
  lineEnd(from = this.at): number {
    const end = this.text.indexOf('\n', from)
    return end < 0 ? this.text.length : end
  }

  location(at = this.at): SourceLocation {
    let [low, high] = [0, this.#lines.length - 1]
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if ((this.#lines[middle] as number) <= at) low = middle
      else high = middle - 1
    }
    return { file: this.file, line: low + 1, col: at - (this.#lines[low] as number) + 1 }
  }
}

import type { LineWriter, Sender } from './line-writer.ts'
import type { StreamReader } from './stream-reader.ts'

const NEWLINE = 10
const LESS = 0x3c

/**
 * Reads the messages of a datagram of syslog. It is one message, which may have several lines (RFC 5426, 3.1), unless a line after the
 * first begins with `<` and a digit: then a sender has put several messages into it. With `splits` each line is a message: an expression
 * of a user's parser ends at the first line feed, and the rest would be lost.
 */
export class SyslogDatagram implements StreamReader {
  isFull = false
  readonly #writer: LineWriter
  readonly #sender: Sender
  readonly #splits: boolean

  constructor(writer: LineWriter, sender: Sender, splits: boolean) {
    this.#writer = writer
    this.#sender = sender
    this.#splits = splits
  }

  read(src: Buffer, start: number, end: number): number {
    let pos = start
    while (pos < end) {
      const next = this.#nextMessage(src, pos, end)
      let to = next
      while (to > pos && (src[to - 1] === NEWLINE || src[to - 1] === 0)) to--
      this.isFull = !this.#writer.write(this.#sender, src, pos, to, next)
      if (this.isFull) return pos
      pos = next
    }
    return end
  }

  /** Returns the offset at which the message after the one at `start` begins. */
  #nextMessage(src: Buffer, start: number, end: number): number {
    for (let at = src.indexOf(NEWLINE, start); at >= 0 && at + 1 < end; at = src.indexOf(NEWLINE, at + 1))
      if (this.#splits || beginsMessage(src, at + 1, end)) return at + 1
    return end
  }
}

function beginsMessage(src: Buffer, at: number, end: number): boolean {
  const digit = at + 1 < end ? (src[at + 1] as number) : 0
  return src[at] === LESS && digit >= 0x30 && digit <= 0x39
}

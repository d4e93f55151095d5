import type { EntryWriter, Parser } from '../../core/parser.ts'
import { type LineRole, NO_RECORD, type StateMachine } from './state-machine.ts'

/** Starts a record at each line that the parser of its rule can read; joins any other line to the record before it. */
export class FirstLineStateMachine implements StateMachine {
  state = 0
  readonly startsByParser = true

  next(state: number): LineRole {
    return state === NO_RECORD ? 'alone' : 'join'
  }
}

/**
 * Starts a record at each text that a parser can read, for texts that are values of records; the parser's output is unused.
 */
export class FirstTextStateMachine implements StateMachine {
  state = 0
  readonly #parser: Parser
  readonly #writer: EntryWriter = { buf: Buffer.alloc(0), at: 0, sec: 0, nsec: 0, extraPairs: 0 }

  constructor(parser: Parser) {
    this.#parser = parser
  }

  next(state: number, text: string): LineRole {
    const line = Buffer.from(text, 'latin1')
    const bound = this.#parser.bound(line.length)
    if (bound > this.#writer.buf.length) this.#writer.buf = Buffer.alloc(bound)
    this.#writer.at = 0
    if (this.#parser.parse(line, 0, line.length, this.#writer)) return 'start'
    return state === NO_RECORD ? 'alone' : 'join'
  }
}

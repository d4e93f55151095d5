import type { Connection } from '../net/http-server/connection.ts'
import type { BodySink } from '../net/http-server/exchange.ts'
import type { HttpAnswer } from './answers.ts'

/** Body of a request that is refused: it is passed over, so that the connection serves the next one, and answered after that. */
export class PassedOverBody implements BodySink {
  readonly #connection: Connection<HttpAnswer>
  readonly #answer: HttpAnswer
  #left: number

  /** A body of more than `maxBytes` ends the connection. */
  constructor(connection: Connection<HttpAnswer>, answer: HttpAnswer, maxBytes: number) {
    this.#connection = connection
    this.#answer = answer
    this.#left = maxBytes
  }

  push(_buf: Buffer, start: number, end: number): boolean {
    this.#left -= end - start
    if (this.#left < 0) this.#connection.answer(this.#answer, true)
    return true
  }

  end(): void {
    this.#connection.answer(this.#answer)
  }

  abort(): void {}
}

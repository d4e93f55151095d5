import type { AnswerBody, AnswerFrame } from '../net/http-server/exchange.ts'
import { reasonOfStatus } from '../net/http-server/status.ts'

/** An answer of an input, in the form of fluent-bit's. */
export interface HttpAnswer extends AnswerBody {
  status: number
  body: string | Buffer
  /** Lines of the head besides those that all answers have, each with its end. */
  fields?: string
}

/**
 * Fields that the servers of fluent-bit's inputs send. Its own integration tests look at them, and no other client is known that does.
 * They are here because an answer is the same as fluent-bit's, byte by byte: a test that compares answers, or a proxy with a rule for
 * them, sees no difference. The server for metrics and health, which people look at, names itself.
 */
const SERVER_FIELDS = 'server: Fluent Bit\r\nx-http-engine: Monkey heritage\r\n'
/** Answer of fluent-bit's server to a request that is too large, which has no body. */
const TOO_LARGE = 'HTTP/1.1 413 Request Entity Too Large\r\nContent-Length: 0\r\nConnection: close\r\n'
/** Seconds after which a client may try again when there was no memory. */
const RETRY_AFTER = 'retry-after: 1\r\n'

export const BUSY_FIELDS = RETRY_AFTER

/** Returns the head of an answer, up to its empty line. */
export function headOf({ status, fields = '' }: HttpAnswer, frame: AnswerFrame): string {
  if (status === 413 && frame.length === 0) return `${TOO_LARGE}\r\n`
  const { length = 0, connection } = frame
  const end = connection === undefined ? '' : `connection: ${connection}\r\n`
  const first = `HTTP/1.1 ${status} ${reasonOfStatus(status)}\r\n${SERVER_FIELDS}`
  return `${first}${fields}content-length: ${length}\r\n${end}\r\n`
}

/** Keeps the bytes of the answer that was sent last: to the requests of an input it is nearly always the same. */
export class UsualAnswer {
  #answer: HttpAnswer | undefined
  #bytes: Buffer | undefined

  /** Returns the answer for a client of HTTP/1.1 whose connection goes on. */
  bytesOf(answer: HttpAnswer): Buffer {
    if (answer !== this.#answer || this.#bytes === undefined) {
      const body = Buffer.from(answer.body as string)
      const frame = { length: body.length, isChunked: false, isLast: false, connection: undefined }
      this.#bytes = Buffer.concat([Buffer.from(headOf(answer, frame), 'latin1'), body])
      this.#answer = answer
    }
    return this.#bytes
  }
}

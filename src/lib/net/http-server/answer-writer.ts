import type { Socket } from 'node:net'
import type { BodyParts } from './body-parts.ts'

/** Whose answers they are. */
interface Answering {
  /** False when the connection has ended, and nothing more is to be sent. */
  readonly isSending: boolean
  /** Does work that may take long when it is its turn. */
  inTurn(work: () => void): void
  /** Called when the client has taken all of an answer. */
  sent(): void
  destroy(): void
}

/** Sends answers to one client. Of one in parts, each is made when the client has taken those before. */
export class AnswerWriter {
  /** Bytes that the client has not taken. */
  pendingBytes = 0
  readonly #socket: Socket
  readonly #owner: Answering
  readonly #onSent = (): void => {
    this.pendingBytes = 0
    this.#owner.sent()
  }

  constructor(socket: Socket, owner: Answering) {
    this.#socket = socket
    this.#owner = owner
  }

  /** Sends all bytes of an answer. */
  send(bytes: Buffer): void {
    this.#send(bytes, this.#onSent)
  }

  /** Sends a head and a body, of which `first` is the first part. */
  sendParts(head: Buffer, first: Buffer, parts: BodyParts, isChunked: boolean): void {
    this.#sendPart(parts, isChunked, [head, ...framed(first, isChunked, parts.isDone)])
  }

  #sendPart(parts: BodyParts, isChunked: boolean, bytes: Buffer[]): void {
    const all = bytes.length === 1 ? (bytes[0] as Buffer) : Buffer.concat(bytes)
    if (parts.isDone) this.send(all)
    else this.#send(all, () => this.#sendNext(parts, isChunked))
  }

  #sendNext(parts: BodyParts, isChunked: boolean): void {
    const owner = this.#owner
    if (!owner.isSending) return
    this.pendingBytes = 0
    owner.inTurn(() => {
      if (!owner.isSending) return
      try {
        const part = parts.next()
        this.#sendPart(parts, isChunked, framed(part, isChunked, parts.isDone))
      } catch (error) {
        // The client notices that the body has no end.
        owner.destroy()
        throw error
      }
    })
  }

  /** `taken` is called when the client has taken the bytes. */
  #send(bytes: Buffer, taken: () => void): void {
    this.pendingBytes = bytes.length
    this.#socket.write(bytes, taken)
  }
}

/** Returns a part of a body as it is sent; `chunk = hex-length CRLF bytes CRLF`, the last one has the length 0. */
function framed(part: Buffer, isChunked: boolean, isDone: boolean): Buffer[] {
  if (!isChunked) return part.length === 0 ? [] : [part]
  const head = part.length === 0 ? '' : `${part.length.toString(16)}\r\n`
  const end = `${part.length === 0 ? '' : '\r\n'}${isDone ? '0\r\n\r\n' : ''}`
  return [Buffer.from(head), part, Buffer.from(end)]
}

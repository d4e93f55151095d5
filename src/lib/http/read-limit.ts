import type { Socket } from 'node:net'
import { HttpError } from './http-error.ts'

/** Maximum number of bytes that the parser reads at a time: it keeps two objects for each header field among them. */
const MAX_PIECE_BYTES = 8192
/** Maximum number of bytes in a row that are neither the end of a head, part of a body nor the end of a response. */
const MAX_SILENT_BYTES = 24_576

/**
 * Bounds what servers send that no limit of undici counts, and that would keep the parser busy until a timeout: a chunk extension, a
 * reason phrase or blank lines without end, and the names and colons of header fields. The parser reads and reports in turns, so what it
 * reports belongs to the connection that was read last.
 */
export class ReadLimit {
  readonly #where: string
  /** Bytes of each connection that were read since something was reported. */
  #current = { bytes: 0 }

  /** `where` names the server, for errors. */
  constructor(where: string) {
    this.#where = where
  }

  /** Returns the connection, which is destroyed at the limit. */
  watch(socket: Socket): Socket {
    const read = socket.read.bind(socket)
    const silent = { bytes: 0 }
    return Object.assign(socket, {
      read: (): Buffer | null => {
        if (silent.bytes > MAX_SILENT_BYTES) {
          const reason = `the server sent ${MAX_SILENT_BYTES} bytes that are no response and no part of one`
          socket.destroy(new HttpError('E_PEER_PROTOCOL', reason, this.#where, true))
          return null
        }
        const piece = read(socket.readableLength > MAX_PIECE_BYTES ? MAX_PIECE_BYTES : undefined)
        if (piece !== null) silent.bytes += piece.length
        this.#current = silent
        return piece
      },
    })
  }

  /** Reports that the parser has found the end of a head, part of a body or the end of a response. */
  found(): void {
    this.#current.bytes = 0
  }
}

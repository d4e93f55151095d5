import type { Socket } from 'node:net'
import { Readable } from 'node:stream'

const START = Buffer.from('HTTP/1.1 100')
const BLANK_LINE = '\r\n\r\n'
/** Maximum number and size of the interim responses before a response; what is more is left to undici, which fails. */
const MAX_DROPPED = 8
const MAX_BYTES = 16_384

/**
 * Drops each `100 Continue` that a server sends before a response. A client has to accept them also where it has not asked for
 * them (RFC 9110, 15.2), and undici fails then. A response is awaited from a write on, up to the first other bytes.
 */
export function dropContinue(socket: Socket): Socket {
  // Not the socket's own: that of bun lets another piece come from the peer at each call, however much waits to be read.
  const read: Socket['read'] = Readable.prototype.read.bind(socket)
  const write = socket.write.bind(socket) as (...args: unknown[]) => boolean
  let isAwaited = false
  let dropped = 0
  let held: Buffer | undefined

  /** Returns what is not dropped of the bytes before a response; null: nothing yet. */
  function rest(bytes: Buffer): Buffer | null {
    let at = 0
    while (at < bytes.length && dropped < MAX_DROPPED && isStart(bytes, at)) {
      const end = bytes.indexOf(BLANK_LINE, at)
      if (end < 0) {
        if (bytes.length - at > MAX_BYTES) break
        held = bytes.subarray(at)
        return null
      }
      dropped++
      at = end + BLANK_LINE.length
    }
    if (at === bytes.length) return null
    isAwaited = false
    return bytes.subarray(at)
  }

  return Object.assign(socket, {
    read(size?: number): Buffer | null {
      for (;;) {
        const piece = read(size) as Buffer | null
        if (!isAwaited || piece === null) return piece
        const bytes = held === undefined ? piece : Buffer.concat([held, piece])
        held = undefined
        const left = rest(bytes)
        // With a size, there may be more to read.
        if (left !== null || size === undefined) return left
      }
    },
    write(...args: unknown[]): boolean {
      if (!isAwaited) dropped = 0
      isAwaited = true
      return write(...args)
    },
  })
}

/** Returns true when the bytes from `at` on begin with START, or are a beginning of it. */
function isStart(bytes: Buffer, at: number): boolean {
  const length = Math.min(START.length, bytes.length - at)
  return bytes.compare(START, 0, length, at, at + length) === 0
}

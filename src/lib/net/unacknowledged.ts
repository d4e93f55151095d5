import type { Socket } from 'node:net'
import { loadLibc } from '../fs/libc.ts'

/** Request of ioctl (SIOCOUTQ): bytes that were written and that the kernel of the peer has not acknowledged. */
const SIOCOUTQ = 0x5411

/** Returns the number of bytes that the kernel of the peer has not acknowledged; undefined when that cannot be known. */
export type Unacknowledged = (socket: Socket) => number | undefined

/** Returns a function that asks the kernel; where the C library cannot be called it knows nothing. */
export async function loadUnacknowledged(): Promise<Unacknowledged> {
  const libc = await loadLibc({ ioctl: { args: ['i32', 'u64', 'ptr'], returns: 'i32' } })
  if (libc === undefined) return () => undefined
  const count = new Int32Array(1)
  return (socket) => {
    // The runtime shows the descriptor of a connection nowhere else.
    const fd = (socket as { _handle?: { fd?: unknown } | null })._handle?.fd
    if (socket.destroyed || typeof fd !== 'number' || fd < 0) return undefined
    return libc.ioctl(fd, SIOCOUTQ, count) === 0 ? count[0] : undefined
  }
}

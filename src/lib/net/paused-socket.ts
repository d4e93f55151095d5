import type { Socket } from 'node:net'

/** What a socket of the runtime has, and its types do not. */
interface WithHandle {
  readonly _handle?: { pause?(): void } | null
}

/** What a socket may read ahead. It reads nothing in any case while it is paused with `pauseSocket`, and with 0 does not even try. */
export const HIGH_WATER_BYTES = 0

/**
 * Pauses a socket so that nothing more of it is read: not even in this turn, when it is ready already. `pause` alone makes the runtime
 * read one more piece, of up to 512 KB, before it stops. `resume` is that of the socket.
 */
export function pauseSocket(socket: Socket): void {
  socket.pause()
  pauseHandle(socket)
  // After a piece, a stream below its high water mark has the handle read on, in the next tick.
  process.nextTick(() =>
    process.nextTick(() => {
      if (socket.isPaused()) pauseHandle(socket)
    }),
  )
}

function pauseHandle(socket: Socket): void {
  ;(socket as unknown as WithHandle)._handle?.pause?.()
}

/**
 * The floor: reads the files in 1 MB blocks and writes the same bytes to a socket, unparsed. This is the least that a
 * shipper on this runtime can spend. It uses bun's socket instead of node:net, because that is cheaper.
 *
 *   bun bench/floor.ts PORT FILE...
 */
import { closeSync, openSync, readSync } from 'node:fs'

const BLOCK_BYTES = 1 << 20

const [port = '', ...files] = process.argv.slice(2)
const block = Buffer.allocUnsafeSlow(BLOCK_BYTES)
let drained: (() => void) | undefined
const closed = Promise.withResolvers<void>()
const socket = await Bun.connect({
  hostname: '127.0.0.1',
  port: Number(port),
  socket: {
    data() {},
    drain() {
      drained?.()
    },
    close() {
      closed.resolve()
    },
  },
})

for (const file of files) {
  const fd = openSync(file, 'r')
  for (;;) {
    const n = readSync(fd, block, 0, BLOCK_BYTES, null)
    if (n === 0) break
    let sent = 0
    while (sent < n) {
      const taken = socket.write(block, sent, n - sent)
      if (taken < 0) throw new Error('the sink closed the connection')
      sent += taken
      if (sent < n) {
        await new Promise<void>((done) => {
          drained = done
        })
      }
    }
  }
  closeSync(fd)
}
socket.end()
await closed.promise

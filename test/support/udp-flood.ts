import { loadLibc } from '../../src/lib/fs/libc.ts'

/**
 * `bun udp-flood.ts PORT` sends datagrams `n0 ...`, `n1 ...` to 127.0.0.1 as fast as it can, until 20 were refused, and prints
 * how many were sent and how many of these were refused. On loopback the kernel says with the next call whether one was refused.
 */
const MAX_REFUSED = 20
const port = Number(process.argv[2])

const libc = await loadLibc({
  socket: { args: ['i32', 'i32', 'i32'], returns: 'i32' },
  connect: { args: ['i32', 'ptr', 'u32'], returns: 'i32' },
  send: { args: ['i32', 'ptr', 'u64', 'i32'], returns: 'i64' },
})
if (libc === undefined) throw new Error('this script runs under bun')
const address = Buffer.from([2, 0, port >> 8, port & 255, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0])
const fd = libc.socket(2, 2, 0)
libc.connect(fd, address, address.length)
let sent = 0
let refused = 0
while (refused < MAX_REFUSED) {
  const data = Buffer.from(`n${sent} ${'x'.repeat(100)}`)
  if (Number(libc.send(fd, data, data.length, 0)) < 0) refused++
  else sent++
}
process.stdout.write(`${sent} ${refused}\n`)

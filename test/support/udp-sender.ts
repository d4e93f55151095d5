import { loadLibc } from '../../src/lib/fs/libc.ts'

/**
 * Resolves with a function that sends a datagram to 127.0.0.1, and returns false when the kernel has refused it. On loopback it says with
 * the next call whether one was refused. The calls go to the C library, which returns what the kernel has said.
 */
export async function udpSender(port: number): Promise<(data: Buffer) => boolean> {
  const libc = await loadLibc({
    socket: { args: ['i32', 'i32', 'i32'], returns: 'i32' },
    connect: { args: ['i32', 'ptr', 'u32'], returns: 'i32' },
    send: { args: ['i32', 'ptr', 'u64', 'i32'], returns: 'i64' },
  })
  if (libc === undefined) throw new Error('this script runs under bun, on Linux')
  const address = Buffer.from([2, 0, port >> 8, port & 255, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0])
  const socket = libc.socket(2, 2, 0)
  libc.connect(socket, address, address.length)
  return (data) => Number(libc.send(socket, data, data.length, 0)) >= 0
}

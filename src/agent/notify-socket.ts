import { close, FsFailure, write } from '../lib/fs/file-system.ts'
import { loadLibc } from '../lib/fs/libc.ts'

/**
 * The datagram socket of the service manager, as sd_notify(3) uses it. The runtime's own modules do not reach it: none has
 * datagrams over unix sockets, and a path of the file system is only one of its two kinds of addresses.
 */
export interface NotifySocket {
  /** Sends a message; returns why it was not taken. It never blocks: a manager that does not read must not stop the agent. */
  send(message: string): FsFailure | undefined
}

/** Values on Linux, on x86-64 and arm64. */
const AF_UNIX = 1
const SOCK_DGRAM = 2
const SOCK_NONBLOCK = 0o4000
const SOCK_CLOEXEC = 0o2000000
/** Size of `sun_path` in `struct sockaddr_un`. */
const PATH_BYTES = 108

/** Opens the socket at the address in NOTIFY_SOCKET; resolves with a reason in words when it cannot be reached. */
export async function openNotifySocket(address: string): Promise<NotifySocket | string> {
  const target = socketAddress(address)
  if (typeof target === 'string') return target
  const libc = await loadLibc({
    socket: { args: ['i32', 'i32', 'i32'], returns: 'i32' },
    connect: { args: ['i32', 'ptr', 'u32'], returns: 'i32' },
  })
  if (libc === undefined) return 'this variant of the program has no datagram sockets'
  const fd = libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
  if (fd < 0) return 'no socket can be opened'
  const connect = (): boolean => libc.connect(fd, target, target.length) === 0
  if (!connect()) {
    close(fd)
    return 'nobody listens at its address'
  }
  return { send: (message) => sendTo(fd, message, connect) }
}

function sendTo(fd: number, message: string, connect: () => boolean): FsFailure | undefined {
  const bytes = Buffer.from(message)
  const written = write(fd, bytes)
  if (!(written instanceof FsFailure)) return undefined
  // A manager that was replaced listens again at the same address.
  if (written.code === 'EAGAIN' || !connect()) return written
  const again = write(fd, bytes)
  return again instanceof FsFailure ? again : undefined
}

/** Returns a `struct sockaddr_un`, or why the address is not one: `/path`, or `@name` for the abstract `\0name`. */
export function socketAddress(address: string): Buffer | string {
  const isAbstract = address.startsWith('@')
  if (!isAbstract && !address.startsWith('/')) return 'only paths and abstract names are supported'
  // A path ends with a zero byte, an abstract name with the length.
  const path = isAbstract ? Buffer.from(`\0${address.slice(1)}`) : Buffer.from(`${address}\0`)
  if (path.length > PATH_BYTES) return `its address is longer than ${PATH_BYTES} bytes`
  // The family is in the byte order of the machine.
  return Buffer.concat([new Uint8Array(new Uint16Array([AF_UNIX]).buffer), path])
}

import { checkHost, type InvalidValue } from '../../core/options/checks.ts'
import { defineOptions } from '../../core/options/option.ts'

/** Longest path that the address of a Unix socket has space for, with the NUL byte behind it. */
const MAX_PATH_BYTES = 107
const OCTAL = /^[0-7]{3,4}$/
const KILOBYTES = /^([1-9]\d{0,5}) *(?:k|kb)?$/i
const BYTES_PER_KB = 1024

/** Options of inputs that listen on a port. */
export const LISTEN_OPTION = defineOptions({
  listen: {
    type: 'string',
    default: '127.0.0.1',
    check: checkHost,
    help: 'Address to listen on. Set `::` to accept senders from other machines, over IPv6 and IPv4 (IPv4 only where IPv6 is off); fluent-bit’s default is 0.0.0.0.',
  },
})

export const MAX_CONNECTIONS_OPTION = defineOptions({
  max_connections: {
    type: 'int',
    default: '1024',
    min: 1,
    max: 65_536,
    help: 'Maximum number of connections; at most a quarter of the limit of open files. Up to 4096 more wait, and are not read until another one has ended, was idle for 2 s, or did not go on with a message for 10 s. fluent-bit has no limit.',
  },
})

export const RECEIVE_BUFFER_OPTION = defineOptions({
  receive_buffer_size: {
    type: 'size',
    default: '8M',
    min: 4096,
    max: 1_000_000_000,
    help: 'Size of the receive buffer of the socket, in the memory of the kernel: datagrams that do not fit are lost. The kernel grants at most `net.core.rmem_max`, unless the agent has CAP_NET_ADMIN. fluent-bit’s default is that of the kernel, about 200 KB.',
  },
})

export const WORKERS_OPTION = defineOptions({
  workers: {
    type: 'int',
    default: '1',
    help: 'Number of threads.',
    ignored: 'everything runs in one thread',
  },
})

const BY_KERNEL = 'the limits of the kernel hold'

/** Options of fluent-bit for all that listens, which have no meaning here. */
export const NET_SERVER_OPTIONS = defineOptions({
  'net.backlog': {
    type: 'int',
    default: '128',
    help: 'Connections that wait to be accepted.',
    ignored: 'up to 512 wait, or net.core.somaxconn if that is less',
  },
  'net.share_port': {
    type: 'bool',
    default: 'false',
    help: 'Share the port.',
    ignored: 'one agent has a port',
  },
  'net.accept_timeout': {
    type: 'time',
    default: '10s',
    help: 'Time limit for accepting a connection.',
    ignored: BY_KERNEL,
  },
  'net.accept_timeout_log_error': {
    type: 'bool',
    default: 'true',
    help: 'Log connections that were not accepted in time.',
    ignored: BY_KERNEL,
  },
  'net.io_timeout': {
    type: 'time',
    default: '0s',
    help: 'Time for which a connection may be idle.',
    ignored: 'an idle connection takes no memory; it gives way to others at Max_Connections',
  },
})

/** Checks the permissions of a socket. */
export function checkMode(text: string): InvalidValue | undefined {
  return OCTAL.test(text) ? undefined : { must: 'an octal mode like 0660' }
}

/** Checks the path of a Unix socket. */
export function checkSocketPath(path: unknown): InvalidValue | undefined {
  const bytes = Buffer.byteLength(String(path))
  if (bytes <= MAX_PATH_BYTES) return undefined
  return {
    must: `at most ${MAX_PATH_BYTES} bytes long, as every path of a socket`,
    reason: `it has ${bytes} bytes`,
    hint: 'choose a shorter one, such as /run/shipper/in.sock',
  }
}

/** Checks a number of kilobytes: fluent-bit reads `5M` as 5 KB. */
export function checkKilobytes(text: string): InvalidValue | undefined {
  if (KILOBYTES.test(text)) return undefined
  return {
    must: 'a number of KB, such as 64',
    hint: 'this option counts in KB and takes no other unit, as in fluent-bit: 1 MB is 1024',
  }
}

/** Returns the bytes that a number of kilobytes stands for. */
export function kilobytes(text: string): number {
  return Number(KILOBYTES.exec(text)?.[1]) * BYTES_PER_KB
}

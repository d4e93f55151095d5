import { readFileSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'

/** Linux assigns ports from 32768 on to outgoing connections: below, a port that was free a moment ago still is. */
const MIN_PORT = 12_000
const MAX_PORT = 32_000

/** Returns free ports of loopback, for a peer that cannot choose one itself. */
export async function freePorts(count: number): Promise<number[]> {
  const servers: Server[] = []
  const ports: number[] = []
  while (ports.length < count) {
    const port = MIN_PORT + Math.floor(Math.random() * (MAX_PORT - MIN_PORT))
    const server = await listening(port)
    if (server === undefined) continue
    servers.push(server)
    ports.push(port)
  }
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

function listening(port: number): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(undefined))
    server.listen(port, '127.0.0.1', () => resolve(server))
  })
}

/** Resolves to true if something accepts connections on the port. */
export function connected(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const end = (accepted: boolean) => {
      socket.destroy()
      resolve(accepted)
    }
    socket.once('connect', () => end(true))
    socket.once('error', () => end(false))
  })
}

/** State of a listening socket in /proc/net/tcp, and of any in /proc/net/udp. */
const STATES = { tcp: '0A', udp: '07' }

/** True when a socket of 127.0.0.1 listens on the port, or is bound to it; asking takes no connection of the peer's. */
export function isListening(port: number, protocol: 'tcp' | 'udp'): boolean {
  const address = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`
  return readFileSync(`/proc/net/${protocol}`, 'utf8').includes(
    `${address} 00000000:0000 ${STATES[protocol]}`,
  )
}

import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** Arguments of an attacker's process as JSON: what it attacks, and the names of attacks to leave out all others. */
export interface Arguments {
  port: number
  dir: string
  only: string[]
}

export const given: Arguments = { port: 0, dir: '', only: [], ...JSON.parse(process.argv[2] ?? '{}') }

/** Parents end this process by SIGKILL; without a parent it ends by itself. */
process.stdin.on('end', () => process.exit(0)).resume()
/** A bound for a process that was forgotten. */
setTimeout(() => process.exit(0), 900_000).unref()

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Counts of what was tried, for the report. */
export const counts: Record<string, number> = {}
export function count(name: string, n = 1): void {
  counts[name] = (counts[name] ?? 0) + n
}
process.on('SIGTERM', () => {
  process.stdout.write(`${JSON.stringify(counts)}\n`)
  process.exit(0)
})

/** Returns the attacks that were chosen. */
export function chosen<T>(attacks: Record<string, T>): [string, T][] {
  return Object.entries(attacks).filter(([name]) => given.only.length === 0 || given.only.includes(name))
}

/** Runs all attacks at the same time, each again and again, after it printed `ready`. */
export function repeat(attacks: Record<string, () => Promise<void>>): void {
  process.stdout.write('ready\n')
  for (const [name, attack] of chosen(attacks)) void again(name, attack)
}

async function again(name: string, attack: () => Promise<void>): Promise<void> {
  for (;;) {
    await attack().catch(() => count(`${name} failed`))
    count(name)
    await pause(20)
  }
}

/** Connects; errors of the socket are ignored. Rejects when refused. */
export function dial(port = given.port): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket))
    socket.on('error', () => {})
    socket.once('close', () => reject(new Error('closed')))
  })
}

/** Writes all pieces as fast as they are taken, for at most `ms`, or until the peer closes. */
export async function pour(socket: Socket, pieces: Iterable<Buffer | string>, ms = 2000): Promise<void> {
  const endMs = performance.now() + ms
  for (const piece of pieces) {
    if (socket.destroyed || performance.now() > endMs) return
    if (!socket.write(piece)) await Promise.race([drained(socket), pause(endMs - performance.now())])
  }
}

function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.once('drain', resolve)
    socket.once('close', resolve)
  })
}

/** Sends the bytes and waits until the peer closes or `ms` have passed; reads nothing unless `read`. */
export async function send(bytes: Buffer | string, { ms = 500, read = false } = {}): Promise<void> {
  const socket = await dial()
  if (read) socket.resume()
  await pour(socket, [bytes], ms)
  await Promise.race([new Promise((resolve) => socket.once('close', resolve)), pause(ms)])
  socket.resetAndDestroy()
}

/** Listens on loopback, on the given port or a free one, and prints it. */
export function serve(onSocket: (socket: Socket, n: number) => void): Promise<number> {
  let n = 0
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {})
    onSocket(socket, n++)
  })
  return new Promise((resolve) => {
    server.listen(given.port, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      process.stdout.write(`listening ${port}\n`)
      resolve(port)
    })
  })
}

/** Sends the piece again and again as fast as it is read, or each `everyMs`, until the peer closes. */
export async function flood(socket: Socket, piece: Buffer | string, everyMs = 0): Promise<void> {
  while (!socket.destroyed) {
    if (!socket.write(piece)) await drained(socket)
    await (everyMs > 0 ? pause(everyMs) : new Promise(setImmediate))
  }
}

export function* endless<T>(make: (n: number) => T): Generator<T> {
  for (let n = 0; ; n++) yield make(n)
}

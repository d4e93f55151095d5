import type { Server } from 'node:net'
import { messageOf, ShipperError, systemCode } from '../../core/error.ts'
import { useDropIn } from '../text/drop-in.ts'

/** Listens on a host; rejects with the error of the system. */
export type Bind = (server: Server, host: string, port: number) => Promise<void>

const BRACKETS = /^\[(.*)\]$/
const ANY_IPV6 = '::'
const ANY_IPV4 = '0.0.0.0'
/** Codes that do not mean that the system is without IPv6. */
const OTHER_REASONS = new Set(['EADDRINUSE', 'EACCES'])

/**
 * Listens on an address, IPv6 also in brackets, and returns it. `::` serves both families; where IPv6 is switched off,
 * 0.0.0.0 takes its place. Rejects with the error of the system, for the address that was asked for.
 */
export async function listenOn(
  server: Server,
  address: string,
  port: number,
  bind: Bind = (to, host, at) => listening(to, { host, port: at }),
): Promise<string> {
  const host = BRACKETS.exec(address)?.[1] ?? address
  try {
    await bind(server, host, port)
    return host
  } catch (error) {
    if (host !== ANY_IPV6 || OTHER_REASONS.has(systemCode(error) ?? '')) throw error
    try {
      await bind(server, ANY_IPV4, port)
      return ANY_IPV4
    } catch {
      throw error
    }
  }
}

/** Resolves when the server listens; rejects with the error of the system. */
export function listening(
  server: Server,
  at: { host: string; port: number; backlog?: number } | { path: string },
): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    try {
      server.listen(at, () => {
        server.off('error', reject)
        resolve()
      })
    } catch (error) {
      server.off('error', reject)
      reject(error)
    }
  })
}

/** Options of what listens on a port, as hints name them. */
interface ListenOptions {
  listen: string
  port: string
}

/** Options of inputs. */
export const LISTEN_OPTIONS: ListenOptions = { listen: 'Listen', port: 'Port' }

const HINTS: Readonly<Record<string, (options: ListenOptions) => string>> = {
  EADDRINUSE: ({ port }) =>
    `the port is used by another program, or by another input: stop it or set ${port} to another one`,
  EACCES: ({ port }) =>
    `ports below 1024 need CAP_NET_BIND_SERVICE: ${useDropIn('low-ports')}, with Helm set \`ports\`; or set ${port} to a higher one`,
  EADDRNOTAVAIL: notOurs,
  EINVAL: notOurs,
}

function notOurs({ listen }: ListenOptions): string {
  return `the address does not belong to this machine: set ${listen} to one of its addresses`
}

/** Returns E_LISTEN for what could not listen on the address `where`; `options` choose it. */
export function listenError(where: string, error: unknown, options: ListenOptions): ShipperError {
  if (error instanceof ShipperError) return error
  const code = systemCode(error)
  // The runtime gives no code for a name that cannot be resolved.
  const reason = code ?? (NAMELESS.test(messageOf(error)) ? 'the name has no address' : messageOf(error))
  const nameless = ({ listen }: ListenOptions): string => `set ${listen} to an IP address of this machine`
  const hint = (code === undefined ? nameless : HINTS[code])?.(options)
  return new ShipperError('E_LISTEN', `cannot listen on ${where}: ${reason}`, {
    cause: error,
    ...(hint === undefined ? {} : { hint }),
  })
}

const NAMELESS = /^Failed to listen at /

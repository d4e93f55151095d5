import type { Server } from 'node:net'
import { systemCode } from '../../core/error.ts'

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

import type { Server } from 'node:net'
import { systemCode } from '../../core/error.ts'

const BRACKETS = /^\[(.*)\]$/
/** Codes of a system without IPv6, or in which it is switched off. */
const NO_IPV6 = ['EAFNOSUPPORT', 'EADDRNOTAVAIL', 'EINVAL']

/**
 * Listens on an address, IPv6 also in brackets. `::` serves both families; where IPv6 is switched off, 0.0.0.0 takes its
 * place. Rejects with the error of the system.
 */
export async function listenOn(server: Server, address: string, port: number): Promise<void> {
  const host = BRACKETS.exec(address)?.[1] ?? address
  try {
    await listening(server, { host, port })
  } catch (error) {
    if (host !== '::' || !NO_IPV6.includes(systemCode(error) ?? '')) throw error
    await listening(server, { host: '0.0.0.0', port })
  }
}

/** Resolves when the server listens; rejects with the error of the system. */
export function listening(
  server: Server,
  at: { host: string; port: number } | { path: string },
): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(at, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

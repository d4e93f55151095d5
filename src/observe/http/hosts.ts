import { isIP } from 'node:net'

/**
 * Names that a page of another site cannot have: without a dot (`localhost`, a service of Docker Compose), or under a
 * domain that nobody can register.
 */
const PRIVATE_NAME = /^[^.]+$|\.(localhost|local|internal|lan|svc|test)$|\.svc\.[a-z0-9.-]+$|\.home\.arpa$/

/** Maximum length of a name of the DNS. */
const MAX_HOST_CHARS = 253

/**
 * Returns a test for the host that a request names. A page in a browser on this machine can have the name of its site
 * resolve to the address of the agent and then read its answers (DNS rebinding), so names that anybody can register are
 * refused. Addresses, the names of this machine and those in `allowed` are accepted: probes and scrapers use them. `*`
 * in `allowed` accepts every name, `*.example.com` those of a domain.
 */
export function hostTest(own: readonly string[], allowed: readonly string[]): (host: string) => boolean {
  const names = new Set(own.map(normal))
  const patterns = allowed.map(normal)
  return (host) => {
    if (host.length > MAX_HOST_CHARS) return false
    const name = normal(host)
    // An IPv6 address may have a zone.
    if (name === '' || isIP(name.replace(ZONE, '')) !== 0) return true
    if (names.has(name) || PRIVATE_NAME.test(name)) return true
    return patterns.some((pattern) =>
      pattern.startsWith('*') ? name.endsWith(pattern.slice(1)) : name === pattern,
    )
  }
}

const ZONE = /%.*$/
const LAST_DOT = /\.$/

function normal(host: string): string {
  return host.toLowerCase().replace(LAST_DOT, '')
}

import { ShipperError, type SourceLocation } from '../core/error.ts'
import type { Plan } from '../core/plan.ts'
import type { ListenAddress } from '../core/plugin.ts'

interface Listener extends ListenAddress {
  name: string
  label: string
  location: SourceLocation | undefined
}

const BRACKETS = /^\[(.*)\]$/
const ANY_IPV4 = '0.0.0.0'
/** Serves addresses of IPv4, too. */
const ANY = '::'
const IPV4 = /^\d+(?:\.\d+){3}$/

/** Finds inputs, and the HTTP server, that would listen on the port and address of another: the later one could not start. */
export function sharedAddressProblems(plan: Plan): ShipperError[] {
  const problems: ShipperError[] = []
  const first: Listener[] = []
  for (const listener of listenersOf(plan)) {
    const other = first.find((one) => isShared(one, listener))
    if (other === undefined) {
      first.push(listener)
      continue
    }
    const { name, label, host, port, location } = listener
    const also = host === other.host ? 'too' : `on ${other.host}`
    problems.push(
      new ShipperError(
        'E_CONFIG_BAD_VALUE',
        `[${label}] ${name} listens on ${host} port ${port}, and ${other.name} does so, ${also}: only one of them could start`,
        { hint: 'give each a port of its own', ...(location === undefined ? {} : { location }) },
      ),
    )
  }
  return problems
}

function* listenersOf({ service, inputs }: Plan): Generator<Listener> {
  if (service.httpServer)
    yield {
      host: service.httpListen,
      port: service.httpPort,
      name: 'the HTTP server',
      label: 'service',
      location: undefined,
    }
  for (const { spec, name, options, optionLocations, location } of inputs) {
    const address = spec.listensOn?.(options as never)
    if (address !== undefined)
      yield { ...address, name, label: spec.name, location: optionLocations.get('port') ?? location }
  }
}

/** Returns true when two listeners certainly exclude each other. What a host name stands for is not looked up. */
function isShared(one: Listener, other: Listener): boolean {
  if (one.port !== other.port || one.port === 0 || one.protocol !== other.protocol) return false
  const [a, b] = [one.host, other.host].map((host) => (BRACKETS.exec(host)?.[1] ?? host).toLowerCase()) as [
    string,
    string,
  ]
  if (a === b || a === ANY || b === ANY) return true
  return (a === ANY_IPV4 && IPV4.test(b)) || (b === ANY_IPV4 && IPV4.test(a))
}

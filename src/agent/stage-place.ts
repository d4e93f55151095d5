import type { InputPlan, OutputPlan } from '../core/plan.ts'
import { formatAddress } from '../lib/net/connect.ts'

/** Returns where a stage reads or writes, by the names that such options have in all plugins. */
export function placeOf({ spec, options }: InputPlan | OutputPlan): string | undefined {
  // An output may derive its address from other options: a Cloud_ID, a region.
  const peer = spec.kind === 'output' ? spec.connectsTo?.(options as never) : undefined
  if (peer !== undefined) return formatAddress(peer.host, peer.port)
  const { host, listen, port, brokers, path, unixPath } = options as Record<string, unknown>
  if (typeof unixPath === 'string') return unixPath
  const address = host ?? listen
  if (typeof address === 'string' && typeof port === 'number') return formatAddress(address, port)
  const first = [brokers, path].find((value) => value !== undefined)
  if (typeof first === 'string') return first
  return Array.isArray(first) ? first.flat().join(',') : undefined
}

/** Returns where an output sends its records: plugin and address, file or topics. */
export function targetOf(output: OutputPlan): string {
  const { spec, options } = output
  const { topics } = options as Record<string, unknown>
  const place = spec.writes?.(options as never) ?? placeOf(output)
  const parts = [spec.name, place, Array.isArray(topics) ? topics.flat().join(',') : topics]
  return parts.filter((part) => typeof part === 'string' && part !== '').join(' ')
}

const LOOPBACK = /^(?:127(?:\.\d+){3}|::1|localhost)$/

/** What is said of an input of which `isLocalByDefault` is true. */
export const LOCAL_BY_DEFAULT = 'reachable from this machine only: set Listen to accept others'

/** Returns true for an input that listens on this machine only, and nobody has said so: fluent-bit would accept senders of others. */
export function isLocalByDefault({ spec, options, optionLocations }: InputPlan): boolean {
  const address = spec.listensOn?.(options as never)
  return address !== undefined && LOOPBACK.test(address.host) && !optionLocations.has('listen')
}

/** A connection, as far as it matters for making room. */
interface Idler {
  readonly address: string
  /** Time since which it has been idle; undefined when it is not. */
  readonly idleSinceMs: number | undefined
}

/**
 * Returns the connection that gives way to a new one: of the address that has most connections the one that has been idle
 * longest. So a machine that opens many gives way to itself before it displaces others. Undefined when none is idle.
 */
export function longestIdle<C extends Idler>(connections: Iterable<C>): C | undefined {
  const perAddress = new Map<string, number>()
  for (const { address } of connections) perAddress.set(address, (perAddress.get(address) ?? 0) + 1)
  let best: C | undefined
  let bestMany = 0
  let bestSinceMs = 0
  for (const connection of connections) {
    const sinceMs = connection.idleSinceMs
    if (sinceMs === undefined) continue
    const many = perAddress.get(connection.address) ?? 0
    if (best !== undefined && (many < bestMany || (many === bestMany && sinceMs >= bestSinceMs))) continue
    best = connection
    bestMany = many
    bestSinceMs = sinceMs
  }
  return best
}

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
  const idle: C[] = []
  for (const connection of connections) {
    perAddress.set(connection.address, (perAddress.get(connection.address) ?? 0) + 1)
    if (connection.idleSinceMs !== undefined) idle.push(connection)
  }
  const rank = (c: C): [number, number] => [perAddress.get(c.address) ?? 0, -(c.idleSinceMs ?? 0)]
  let best = idle[0]
  for (const connection of idle.slice(1)) {
    const [many, since] = rank(connection)
    const [bestMany, bestSince] = rank(best as C)
    if (many > bestMany || (many === bestMany && since > bestSince)) best = connection
  }
  return best
}

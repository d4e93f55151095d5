import type { AddressCounts } from './address-counts.ts'

/**
 * What a connection is doing, as far as it matters for who gives way to others:
 *
 * - `busy`: it waits for us, or is owed an answer
 * - `ended`: its peer has ended its side, all that it sent was read, and it gets no answer
 * - `handshake`: its TLS handshake is not complete
 * - `idle`: nothing of it is incomplete or waiting, and nothing has arrived for a time
 * - `within`: a message or request is incomplete, has not gone on for `silentMs`, and has begun `slowMs` ago
 */
export type Standing =
  | { readonly is: 'busy' | 'ended' }
  | { readonly is: 'handshake' | 'idle'; readonly forMs: number }
  | { readonly is: 'within'; readonly silentMs: number; readonly slowMs: number }

export const BUSY: Standing = { is: 'busy' }
export const ENDED: Standing = { is: 'ended' }

/** What takes a place among the connections. */
export interface Occupant {
  readonly standing: Standing
}

/** A place among the connections, which are limited. */
export interface Place {
  readonly address: string
  occupant: Occupant
}

/** Why a connection gives way. */
export type Cause = 'ended' | 'handshake' | 'idle' | 'silent' | 'slow'

export interface GivingWay<P extends Place> {
  readonly place: P
  readonly cause: Cause
}

/** What is waiting for places. */
export interface Demand {
  /** Number of places that are needed. */
  readonly places: number
  /** The address with more than half of the places, if there is one, and how many of those that wait are of others. */
  readonly dominant: string | undefined
  readonly ofOthers: number
  /** Time after which an idle connection may give way; infinite: only those that have ended give way. */
  readonly minIdleMs: number
}

/** Time that a handshake has before it may give way. */
const MIN_HANDSHAKE_MS = 3000
/** Silence within a message after which it may give way. */
const MIN_SILENT_MS = 10_000
/** Time for a message or request of the address that takes more than half of the places, while others wait. */
const MIN_SLOW_MS = 10_000

/** Order in which those of one address give way. */
const RANKS: readonly Cause[] = ['handshake', 'silent', 'slow', 'idle']

interface Candidate<P extends Place> extends GivingWay<P> {
  readonly ageMs: number
}

/**
 * Returns the places whose connections give way, at most as many as are needed. Those that have ended go first. Then always one of
 * the address with most connections: so a machine that opens many gives way to itself before it displaces others.
 */
export function givingWay<P extends Place>(
  places: Iterable<P>,
  counts: AddressCounts,
  demand: Demand,
): GivingWay<P>[] {
  const chosen: GivingWay<P>[] = []
  const byAddress = new Map<string, Candidate<P>[]>()
  const left = new Map<string, number>()
  for (const place of places) {
    if (chosen.length === demand.places) return chosen
    const candidate = candidateOf(place, demand)
    if (candidate === undefined) continue
    const { address } = place
    const all = left.get(address) ?? counts.of(address)
    left.set(address, candidate.cause === 'ended' ? all - 1 : all)
    if (candidate.cause === 'ended') chosen.push(candidate)
    else if (!byAddress.get(address)?.push(candidate)) byAddress.set(address, [candidate])
  }
  // The last of each list goes first.
  for (const candidates of byAddress.values()) candidates.sort(compare)
  let slow = demand.ofOthers
  while (chosen.length < demand.places) {
    const address = mostOf(byAddress.keys(), left)
    if (address === undefined) break
    const candidates = byAddress.get(address) ?? []
    const candidate = candidates.pop()
    if (candidates.length === 0) byAddress.delete(address)
    if (candidate === undefined || (candidate.cause === 'slow' && slow-- <= 0)) continue
    chosen.push(candidate)
    left.set(address, (left.get(address) ?? 0) - 1)
  }
  return chosen
}

function candidateOf<P extends Place>(
  place: P,
  { dominant, ofOthers, minIdleMs }: Demand,
): Candidate<P> | undefined {
  const { standing } = place.occupant
  if (minIdleMs === Number.POSITIVE_INFINITY && standing.is !== 'ended') return undefined
  switch (standing.is) {
    case 'busy':
      return undefined
    case 'ended':
      return { place, cause: 'ended', ageMs: 0 }
    case 'handshake':
      return standing.forMs < MIN_HANDSHAKE_MS
        ? undefined
        : { place, cause: 'handshake', ageMs: standing.forMs }
    case 'idle':
      return standing.forMs < minIdleMs ? undefined : { place, cause: 'idle', ageMs: standing.forMs }
    case 'within': {
      const { silentMs, slowMs } = standing
      if (silentMs >= MIN_SILENT_MS) return { place, cause: 'silent', ageMs: silentMs }
      const isSlow = ofOthers > 0 && place.address === dominant && slowMs >= MIN_SLOW_MS
      return isSlow ? { place, cause: 'slow', ageMs: slowMs } : undefined
    }
  }
}

function compare(a: Candidate<Place>, b: Candidate<Place>): number {
  const ranks = RANKS.indexOf(b.cause) - RANKS.indexOf(a.cause)
  return ranks === 0 ? a.ageMs - b.ageMs : ranks
}

function mostOf(addresses: Iterable<string>, counts: ReadonlyMap<string, number>): string | undefined {
  let most: string | undefined
  for (const address of addresses)
    if (most === undefined || (counts.get(address) ?? 0) > (counts.get(most) ?? 0)) most = address
  return most
}

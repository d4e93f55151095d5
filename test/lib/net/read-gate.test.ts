import { expect, test } from 'bun:test'
import { type GatedPeer, ReadGate } from '../../../src/lib/net/read-gate.ts'
import { turn } from '../../support/engine/chunks.ts'
import { fc } from '../../support/property.ts'

/** A peer that notes when it is held and admitted. */
class Peer implements GatedPeer {
  largestPiece: number
  isHeld = false
  readonly #order: Peer[]

  constructor(largestPiece: number, order: Peer[]) {
    this.largestPiece = largestPiece
    this.#order = order
  }

  hold(): void {
    this.isHeld = true
  }

  admit(): void {
    this.isHeld = false
    this.#order.push(this)
  }
}

function peersOf(sizes: number[]): { gate: ReadGate; peers: Peer[]; admitted: Peer[] } {
  const gate = new ReadGate()
  const admitted: Peer[] = []
  const peers = sizes.map((size) => new Peer(size, admitted))
  for (const peer of peers) gate.add(peer)
  return { gate, peers, admitted }
}

const held = (peers: Peer[]): boolean[] => peers.map(({ isHeld }) => isHeld)

test('peers with large pieces are held from 2 MB that found no place, also one that becomes large later', () => {
  const { gate, peers } = peersOf([1000, 100_000, 2000])
  gate.arrived(2_000_000, peers[0])
  expect(held(peers)).toEqual([false, false, false])
  gate.arrived(1, peers[0])
  expect(held(peers)).toEqual([false, true, false])
  const [, , small] = peers
  if (small !== undefined) small.largestPiece = 20_000
  gate.arrived(20_000, small)
  expect(held(peers)).toEqual([false, true, true])
  expect(gate.isCongested).toBe(true)
})

test('all are held at once from 4 MB, and those that connect then; they are read again in this order', async () => {
  const { gate, peers, admitted } = peersOf([1000, 1000, 1000])
  gate.arrived(4_000_001, peers[1])
  expect(held(peers)).toEqual([true, true, true])
  const late = new Peer(0, admitted)
  gate.add(late)
  expect(late.isHeld).toBe(true)
  gate.placed(3_000_001)
  expect(admitted).toEqual([])
  gate.placed(1)
  for (let turns = 0; turns < 8; turns++) await turn()
  expect(admitted).toEqual([...peers, late])
  expect(gate.isCongested).toBe(false)
  const next = new Peer(0, admitted)
  gate.add(next)
  expect(next.isHeld).toBe(false)
})

test('in one turn as many are read again as may send 1 MB', async () => {
  const { gate, peers, admitted } = peersOf(Array.from({ length: 100 }, () => 200_000))
  gate.arrived(4_000_001, peers[0])
  gate.placed(4_000_001)
  expect(admitted).toEqual(peers.slice(0, 5))
  // What they have sent waits: the others do, too.
  gate.arrived(1_000_000, peers[0])
  await turn()
  await turn()
  expect(admitted).toHaveLength(5)
  gate.placed(1_000_000)
  expect(admitted).toEqual(peers.slice(0, 10))
  for (let turns = 0; turns < 20; turns++) await turn()
  expect(admitted).toEqual(peers)
})

test('one that sends more than 1 MB at once is read again, too', () => {
  const { gate, peers, admitted } = peersOf([3_000_000, 3_000_000])
  gate.arrived(6_000_000, peers[0])
  gate.placed(6_000_000)
  expect(admitted).toEqual(peers.slice(0, 1))
})

test('one that has ended is not admitted, and holds up nobody', () => {
  const { gate, peers, admitted } = peersOf([1000])
  const [peer] = peers
  gate.arrived(4_000_001, peer)
  if (peer !== undefined) gate.delete(peer)
  const next = new Peer(0, admitted)
  gate.add(next)
  // What the one that has ended had sent waits for a place.
  expect(next.isHeld).toBe(true)
  gate.placed(4_000_001)
  expect(admitted).toEqual([next])
})

test('peers that end while they are held do not let those that connect deliver more', () => {
  const { gate, peers, admitted } = peersOf([400_000])
  gate.arrived(4_400_000, peers[0])
  let last = peers[0] as Peer
  for (let i = 0; i < 100; i++) {
    gate.delete(last)
    last = new Peer(400_000, admitted)
    gate.add(last)
    if (!last.isHeld) gate.arrived(400_000, last)
  }
  expect(gate.unread).toBe(4_400_000)
  gate.placed(4_400_000)
  expect(last.isHeld).toBe(false)
})

test('whatever peers do, all that are left are read when everything has a place, and no more than one piece exceeds 8 MB', async () => {
  const action = fc.record({
    kind: fc.constantFrom('add', 'add', 'send', 'send', 'send', 'place', 'delete', 'turn'),
    at: fc.nat(99),
    bytes: fc.integer({ min: 1, max: 512_000 }),
    isQuick: fc.boolean(),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 150 }), async (actions) => {
      const { gate, peers } = peersOf([])
      for (const { kind, at, bytes, isQuick } of actions) {
        const peer = peers[at % peers.length]
        if (kind === 'add') {
          const added = Object.assign(new Peer(0, []), { isQuick })
          peers.push(added)
          gate.add(added)
        } else if (kind === 'place') gate.placed(Math.min(gate.unread, 8 * bytes))
        else if (kind === 'turn') await turn()
        else if (peer === undefined) continue
        else if (kind === 'delete') {
          gate.delete(peer)
          peers.splice(peers.indexOf(peer), 1)
        } else if (!peer.isHeld) {
          peer.largestPiece = Math.max(peer.largestPiece, bytes)
          gate.arrived(bytes, peer)
        }
        expect(gate.unread).toBeLessThanOrEqual(8_512_000)
      }
      gate.placed(gate.unread)
      const late = new Peer(0, [])
      gate.add(late)
      for (let turns = 0; turns < 400 && [late, ...peers].some(({ isHeld }) => isHeld); turns++) await turn()
      expect([late, ...peers].filter(({ isHeld }) => isHeld)).toEqual([])
    }),
  )
})

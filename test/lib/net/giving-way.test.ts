import { describe, expect, test } from 'bun:test'
import { AddressCounts } from '../../../src/lib/net/address-counts.ts'
import { type Demand, givingWay, type Place, type Standing } from '../../../src/lib/net/giving-way.ts'

const place = (address: string, standing: Standing): Place => ({ address, occupant: { standing } })
const idle = (forMs: number): Standing => ({ is: 'idle', forMs })
const within = (silentMs: number, slowMs: number): Standing => ({ is: 'within', silentMs, slowMs })

function given(places: Place[], demand: Partial<Demand> = {}) {
  const counts = new AddressCounts()
  for (const { address } of places) counts.add(address)
  const all = { places: 1, dominant: undefined, ofOthers: 0, minIdleMs: 2000, ...demand }
  return givingWay(places, counts, all).map((one) => [places.indexOf(one.place as Place), one.cause])
}

describe('the connections that give way', () => {
  test('are the longest idle ones of the address with most connections', () => {
    const places = [
      place('a', idle(9000)),
      place('b', idle(3000)),
      place('b', idle(5000)),
      place('b', { is: 'busy' }),
    ]
    expect(given(places)).toEqual([[2, 'idle']])
    // Then both have two.
    expect(given(places, { places: 9 }).toSorted()).toEqual([
      [0, 'idle'],
      [1, 'idle'],
      [2, 'idle'],
    ])
    expect(given([place('a', idle(3000)), place('b', idle(5000))])).toEqual([[0, 'idle']])
    expect(given([])).toEqual([])
  })

  test('are never busy, nor idle for a moment, nor within a message that goes on', () => {
    const places = [
      place('a', { is: 'busy' }),
      place('a', idle(1999)),
      place('a', within(9999, 3_600_000)),
      place('a', { is: 'handshake', forMs: 2999 }),
    ]
    expect(given(places, { places: 9 })).toEqual([])
  })

  test('are those first whose peer has ended, whatever address they have', () => {
    const places = [place('a', idle(9000)), place('a', idle(9000)), place('b', { is: 'ended' })]
    expect(given(places)).toEqual([[2, 'ended']])
    expect(given(places, { places: 9, minIdleMs: Number.POSITIVE_INFINITY })).toEqual([[2, 'ended']])
  })

  test('of one address are first those in a handshake, then silent ones, then idle ones', () => {
    const places = [
      place('a', idle(90_000)),
      place('a', within(10_000, 10_000)),
      place('a', { is: 'handshake', forMs: 3000 }),
    ]
    expect(given(places, { places: 9 })).toEqual([
      [2, 'handshake'],
      [1, 'silent'],
      [0, 'idle'],
    ])
  })

  test('are slow only where others wait for places of the address that has more than half, and only for these', () => {
    const places = [
      place('a', within(1000, 11_000)),
      place('a', within(1000, 12_000)),
      place('a', within(1000, 9000)),
      place('b', within(1000, 60_000)),
    ]
    expect(given(places, { places: 3 })).toEqual([])
    expect(given(places, { places: 3, dominant: 'a', ofOthers: 1 })).toEqual([[1, 'slow']])
    expect(given(places, { places: 3, dominant: 'a', ofOthers: 3 })).toEqual([
      [1, 'slow'],
      [0, 'slow'],
    ])
  })
})

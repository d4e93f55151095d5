import { expect, test } from 'bun:test'
import { ReadGate } from '../../../src/lib/net/read-gate.ts'

test('a quick peer is read on while others are held, until there is too much of what nothing has a place for', () => {
  const gate = new ReadGate()
  const held = new Set<string>()
  const peer = (name: string, isQuick: boolean) => ({
    ...{ largestPiece: 100, isQuick },
    hold: () => void held.add(name),
    admit: () => void held.delete(name),
  })
  gate.add(peer('quick', true))
  gate.add(peer('other', false))
  gate.arrived(5_000_000)
  expect([...held]).toEqual(['other'])
  gate.arrived(4_000_000)
  expect([...held]).toEqual(['other', 'quick'])
  gate.placed(9_000_000)
  expect([...held]).toEqual([])
})

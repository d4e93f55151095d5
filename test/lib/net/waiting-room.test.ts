import { expect, test } from 'bun:test'
import { Socket } from 'node:net'
import { WaitingRoom } from '../../../src/lib/net/waiting-room.ts'

test('connections leave in the order of their arrival, those of the address with most places last', () => {
  const room = new WaitingRoom(10)
  const all = ['a', 'b', 'a', 'c', 'a'].map((address) => room.add(new Socket(), address))
  expect([room.length, room.lengthWithout('a'), room.lengthWithout(undefined)]).toEqual([5, 2, 5])
  room.remove(all[3] as (typeof all)[0])
  room.remove(all[3] as (typeof all)[0])
  expect(room.next('a')).toBe(all[1])
  expect(room.next('a')).toBe(all[0])
  expect(room.next(undefined)).toBe(all[2])
  expect(room.next('a')).toBe(all[4])
  expect([room.next('a'), room.length]).toEqual([undefined, 0])
})

test('where all places are taken, the address of which most wait loses its last one to another', () => {
  const room = new WaitingRoom(4)
  const all = ['a', 'b', 'a', 'a'].map((address) => room.add(new Socket(), address))
  expect(room.lastOfMost('a')).toBeUndefined()
  expect(room.lastOfMost('c')).toBe(all[3])
  // One more of b is not fewer than those of a.
  expect(room.lastOfMost('b')).toBeUndefined()
  expect(room.length).toBe(3)
})

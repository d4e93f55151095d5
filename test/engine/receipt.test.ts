import { expect, test } from 'bun:test'
import type { Outcome } from '../../src/core/plugin.ts'
import { Receipt } from '../../src/engine/receipt.ts'
import { makeChunk, unlimitedAccount } from '../support/engine/chunks.ts'
import { fc } from '../support/property.ts'

const WORST: Outcome[] = ['aborted', 'dropped', 'delivered', 'filtered']

test('settles once with the worst outcome after the last route, and gives the buffer back', () => {
  const outcome = fc.constantFrom(...WORST)
  fc.assert(
    fc.property(fc.array(outcome, { minLength: 1, maxLength: 6 }), outcome, (outcomes, late) => {
      const account = unlimitedAccount()
      const settled: Outcome[] = []
      const receipt = new Receipt(makeChunk('x', { account }), outcomes.length, {
        settled: (o) => settled.push(o),
      })
      outcomes.forEach((o, i) => {
        expect([settled.length, account.used > 0]).toEqual([0, true])
        receipt.settle(o)
        expect(settled.length).toBe(i === outcomes.length - 1 ? 1 : 0)
      })
      receipt.settle(late)
      expect(settled).toEqual([WORST.find((o) => outcomes.includes(o)) as Outcome])
      expect(account.used).toBe(0)
    }),
  )
})

test('calls the ack before it gives the buffer back', () => {
  const account = unlimitedAccount()
  let used = 0
  const receipt = new Receipt(makeChunk('x', { account }), 1, {
    settled: () => {
      used = account.used
    },
  })
  receipt.settle('delivered')
  expect([used > 0, account.used]).toEqual([true, 0])
})

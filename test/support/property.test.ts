import { expect, test } from 'bun:test'
import { fc } from './property.ts'

test('a property whose first case takes longer than the limit is tried once, and fails if that case does', async () => {
  let cases = 0
  const slow = (holds: boolean) =>
    fc.asyncProperty(fc.integer(), async () => {
      cases++
      await Bun.sleep(20)
      return holds
    })
  const atOnce = { interruptAfterTimeLimit: 1 }
  await fc.assert(slow(true), atOnce)
  expect(cases).toBeGreaterThan(0)
  await expect(fc.assert(slow(false), { ...atOnce, endOnFailure: true })).rejects.toThrow('Property failed')
})

test('a counterexample is in the message, with the error that it caused', () => {
  const property = fc.property(fc.integer({ min: 5, max: 5 }), (n) => expect(n).toBe(6))
  expect(() => fc.assert(property)).toThrow('Counterexample: [5]')
})

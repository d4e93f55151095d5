import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { Fifo } from '../../src/engine/fifo.ts'

test('returns the items in the order in which they were added, as an array does', () => {
  const steps = fc.array(fc.oneof(fc.constant('take'), fc.constant('clear'), fc.nat(200)), { maxLength: 60 })
  fc.assert(
    fc.property(steps, (all) => {
      const fifo = new Fifo<number>()
      let model: number[] = []
      let next = 0
      for (const step of all) {
        if (step === 'take') {
          const times = (model.length >> 1) + 1
          for (let i = 0; i < times; i++) expect(fifo.take()).toBe(model.shift())
        } else if (step === 'clear') {
          fifo.clear()
          model = []
        } else
          for (let i = 0; i < Number(step); i++) {
            fifo.push(next)
            model.push(next++)
          }
        expect(fifo.length).toBe(model.length)
      }
    }),
  )
})

import { expect, test } from 'bun:test'
import { JsonEvents } from '../../../src/lib/json/json-events.ts'
import { fc } from '../../support/property.ts'

/** Builds the value again from the events. */
class Builder {
  readonly stack: unknown[] = []
  value: unknown
  readonly events = new JsonEvents({
    scalar: (_, key, text, isString) => this.#add(key, isString ? text : JSON.parse(text)),
    open: (_, key, isArray) => {
      const container = isArray ? [] : {}
      this.#add(key, container)
      this.stack.push(container)
    },
    close: () => void this.stack.pop(),
  })

  #add(key: string, value: unknown): void {
    const top = this.stack.at(-1)
    if (Array.isArray(top)) top.push(value)
    else if (top !== undefined)
      Object.defineProperty(top, key, { value, enumerable: true, configurable: true })
    else this.value = value
  }
}

const json = fc.json({ maxDepth: 5 })
const cuts = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 30 })

test('the events are those of the value, wherever the text is cut', () => {
  fc.assert(
    fc.property(json, cuts, (text, lengths) => {
      const bytes = Buffer.from(text)
      const builder = new Builder()
      let at = 0
      for (let i = 0; at < bytes.length; i++) {
        const length = lengths[i % lengths.length] as number
        builder.events.write(bytes.subarray(at, at + length))
        at += length
      }
      // The end of a number is known by what follows.
      builder.events.write(Buffer.from('\n'))
      expect(builder.events.isComplete).toBe(true)
      expect(builder.value).toEqual(JSON.parse(text))
    }),
  )
})

test('a text that is cut is not complete', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 3 }), fc.nat(), (text, seed) => {
      if (!/^[[{]/.test(text)) return
      const { events } = new Builder()
      events.write(Buffer.from(text).subarray(0, seed % Buffer.byteLength(text)))
      expect(events.isComplete).toBe(false)
    }),
  )
})

test.each([
  '<html>',
  '{"a":1,}x',
  '{"a" 1}',
  '[1 2]',
  '{1:2}',
  '[}',
  '{]',
  ']',
  '{"a":tru}',
  '[1,]',
  'nothing',
  '{,}',
  '{"a":}',
])('%s is no JSON', (text) => {
  const { events } = new Builder()
  expect(() => events.write(Buffer.from(`${text}\n`))).toThrow(/not JSON/)
})

test('what is kept has a bound: a long text is cut, and nesting is refused', () => {
  const builder = new Builder()
  for (let i = 0; i < 1000; i++) builder.events.write(Buffer.from(i === 0 ? '"x' : 'x'.repeat(1000)))
  builder.events.write(Buffer.from('"'))
  expect((builder.value as string).length).toBeLessThan(1100)
  expect(() => new Builder().events.write(Buffer.from('['.repeat(1000)))).toThrow('more than 64 levels')
})

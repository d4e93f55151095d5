import { expect, test } from 'bun:test'
import { EXTENTS } from '../../../src/core/places.ts'
import { Extent } from '../../../src/lib/multiline/extent.ts'
import type { LinePlace } from '../../../src/lib/multiline/held-lines.ts'

function extentOf(lines: LinePlace[]): number {
  const extent = new Extent()
  for (const { source, offset, extent: part } of lines) extent.addLine(source, offset, part)
  return extent.value
}

test('a record of one line has no extent', () => {
  expect(extentOf([])).toBe(0)
})

test('number of lines, order, file and size of a part give another extent but for chance, the same each time', () => {
  const seen = new Set<number>()
  let count = 0
  const lines: LinePlace[] = []
  const add = (all: LinePlace[]): void => {
    const value = extentOf(all)
    expect(value).toBeGreaterThan(0)
    expect(value).toBeLessThan(EXTENTS)
    expect(extentOf(all)).toBe(value)
    seen.add(value)
    count++
  }
  for (let i = 1; i < 2000; i++) {
    lines.push({ source: 'agent a', offset: i * 80 })
    add(lines)
    add([{ source: 'agent a', offset: 2 ** 41 + i }])
    add([{ source: `agent ${i}`, offset: 80 }])
    add([{ source: 'agent z', offset: 80, extent: i }])
    add([
      { source: 'agent z', offset: i },
      { source: 'agent z', offset: 0 },
    ])
  }
  // Of 24 bits, about three of these are equal by chance.
  expect(count - seen.size).toBeLessThan(20)
})

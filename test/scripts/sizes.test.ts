import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { functionSizes, sizesUnder } from '../../scripts/sizes.ts'

const SOURCE = `export function first(a: number): void {
  if (a > 1) {
    return
  }
}

class X {
  #hidden(a: string): void {
    a
  }

  async run(): Promise<void> {
    const inner = (x: number): number => {
      return x
    }
  }
}
`

test('measures functions, methods and arrow functions, but no other blocks', () => {
  expect(functionSizes('a.ts', SOURCE)).toEqual([
    { name: 'a.ts:1 first', lines: 5 },
    { name: 'a.ts:8 #hidden', lines: 3 },
    { name: 'a.ts:12 run', lines: 5 },
    { name: 'a.ts:13 inner', lines: 3 },
  ])
})

test('counts the lines of every source file of a directory', () => {
  const { files } = sizesUnder('scripts')
  const text = readFileSync(join(import.meta.dirname, '../../scripts/sizes.ts'), 'utf8')
  expect(files.find(({ name }) => name === 'scripts/sizes.ts')?.lines).toBe(text.match(/\n/g)?.length)
})

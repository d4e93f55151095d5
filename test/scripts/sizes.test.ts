import { expect, test } from 'bun:test'
import { BUDGET, functionSizes, sizesUnder } from '../../scripts/sizes.ts'

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

test('measures functions, methods and arrow functions, and no other block', () => {
  expect(functionSizes('a.ts', SOURCE)).toEqual([
    { name: 'a.ts:1 first', lines: 5 },
    { name: 'a.ts:8 #hidden', lines: 3 },
    { name: 'a.ts:12 run', lines: 5 },
    { name: 'a.ts:13 inner', lines: 3 },
  ])
})

test('no file of the program and its tools is longer than its budget', () => {
  const files = ['src', 'scripts', 'bench'].flatMap((folder) => sizesUnder(folder).files)
  expect(files.length).toBeGreaterThan(300)
  expect(files.filter(({ lines }) => lines > BUDGET.file)).toEqual([])
})

import { describe, expect, test } from 'bun:test'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { corpusOf } from './corpus.ts'
import { Fuzzer, runTarget } from './fuzzer.ts'
import { must, type Target } from './target.ts'
import { TARGETS } from './targets.ts'

describe('every kept input still has the properties of', () => {
  for (const target of TARGETS) {
    test(target.name, async () => {
      for (const input of corpusOf(target)) await runTarget(target, input)
      await target.close?.()
    })
  }
})

test('every folder of the corpus belongs to a target', () => {
  const names = TARGETS.map(({ name }) => name)
  expect(
    readdirSync(join(import.meta.dirname, 'corpus')).filter((folder) => !names.includes(folder)),
  ).toEqual([])
})

describe('the fuzzer', () => {
  const planted: Target = {
    name: 'planted',
    maxBytes: 20,
    dictionary: ['AB', 'CD'],
    seeds: () => ['x'],
    run(input) {
      const text = input.toString('latin1')
      must(!(text.includes('AB') && text.includes('CD')), 'AB and CD')
      return `${text.includes('AB')} ${text.includes('CD')}`
    },
  }

  async function inputsOf(target: Target, seed: number, runs: number) {
    const made = { inputs: [] as string[], fresh: [] as string[], failures: [] as string[] }
    const fuzzer = new Fuzzer(target, corpusOf(target), seed, {
      onInput: (input) => void made.inputs.push(input.toString('hex')),
      onNew: (input) => void made.fresh.push(input.toString('latin1')),
      onFailure: (input, reason) => void made.failures.push(`${reason}: ${input.toString('latin1')}`),
    })
    while (fuzzer.runs < runs && !fuzzer.isDone) await fuzzer.next()
    return made
  }

  test('gives the same inputs for the same seed, and others for another one', async () => {
    const first = await inputsOf(planted, 1, 500)
    expect(await inputsOf(planted, 1, 500)).toEqual(first)
    expect((await inputsOf(planted, 2, 500)).inputs).not.toEqual(first.inputs)
  })

  test('finds a fault that needs two steps, because it keeps what behaves in a new way', async () => {
    const { fresh, failures } = await inputsOf(planted, 7, 20_000)
    expect(fresh.length).toBeGreaterThan(0)
    expect(failures[0]).toStartWith('AB and CD: ')
  })

  test('reports an uncaught error with its stack, and an input that takes too long', async () => {
    const broken: Target = { ...planted, run: () => (undefined as unknown as string).length.toString() }
    expect((await inputsOf(broken, 1, 1)).failures[0]).toMatch(/^uncaught: TypeError.*\n *at /s)
    const slow: Target = {
      ...planted,
      maxMs: 5,
      run() {
        for (const start = process.threadCpuUsage(); process.threadCpuUsage(start).user < 30_000; );
        return ''
      },
    }
    expect((await inputsOf(slow, 1, 1)).failures[0]).toContain('the limit is 5')
  })
})

import { describe, expect, test } from 'bun:test'
import { cpSync, readdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { writeClassic } from '../../src/config/classic-writer.ts'
import {
  emptyTree,
  newSection,
  type Property,
  type Section,
  type Tree,
} from '../../src/config/config-tree.ts'
import { readConfig } from '../../src/config/files.ts'
import { loadPlan } from '../../src/config/load.ts'
import type { WrittenTree } from '../../src/config/written-tree.ts'
import { writeYaml } from '../../src/config/yaml/yaml-writer.ts'
import { registry } from '../../src/registry.ts'
import { fc } from '../support/property.ts'
import { tmp } from '../support/tmp.ts'

const CORPUS = resolve(import.meta.dirname, '../fixtures/config')
const MAIN_FILES = readdirSync(CORPUS).filter((name) => name.endsWith('.conf'))

/** Returns all that a plan says, without places. */
async function planOf(file: string): Promise<unknown> {
  const { validPart, problems } = await loadPlan({ file, flags: undefined, registry, env: {} })
  const stage = ({ spec, name, options, common }: (typeof validPart)['filters'][number]): unknown => ({
    plugin: spec.name,
    name,
    options,
    common,
  })
  return {
    service: validPart.service,
    inputs: validPart.inputs.map((input) => ({
      ...input,
      spec: input.spec.name,
      processors: input.processors?.map(stage),
      routes: input.routes?.map(({ name, outputs }) => ({ name, outputs })),
      location: undefined,
      optionLocations: undefined,
    })),
    filters: validPart.filters.map(stage),
    outputs: validPart.outputs.map((output) => ({
      ...output,
      spec: output.spec.name,
      processors: output.processors?.map(stage),
      location: undefined,
      optionLocations: undefined,
    })),
    parsers: validPart.parsers.map(({ name, spec, options }) => ({ name, format: spec.name, options })),
    multilines: validPart.multilines.map(({ name, options }) => ({ name, options })),
    problems: problems.map(({ code }) => code).sort(),
  }
}

async function written(file: string, write: (tree: Tree) => WrittenTree): Promise<string> {
  const tree = await readConfig(file, {})
  expect(tree.problems).toEqual([])
  const { text, lost } = write(tree)
  expect(lost).toEqual([])
  return text
}

describe('a configuration of the corpus has the same plan', () => {
  test.each(MAIN_FILES)('as YAML, and in the classic format again: %s', async (name) => {
    const folder = tmp()
    cpSync(CORPUS, folder, { recursive: true })
    const original = join(folder, name)
    const yaml = join(folder, 'migrated.yaml')
    const classic = join(folder, 'migrated.conf')
    writeFileSync(yaml, await written(original, writeYaml))
    writeFileSync(classic, await written(yaml, writeClassic))
    const plan = await planOf(original)
    expect(await planOf(yaml)).toEqual(plan)
    expect(await planOf(classic)).toEqual(plan)
  })
})

const at = { file: 'x', line: 1, col: 1 }
const key = fc.stringMatching(/^[a-z][a-z_.]{0,8}$/)
/** A value as the classic format can hold it. */
const line = fc
  .oneof(
    fc.string({ unit: 'binary', minLength: 1 }),
    fc.constantFrom(
      'on',
      'true',
      'null',
      '~',
      '007',
      '1e3',
      '-1',
      '0x1f',
      '*',
      '&a',
      '- b',
      'a: b',
      '# c',
      '"q"',
      '|',
      '${X:-a}',
      '2026-01-01',
    ),
  )
  .filter((text) => isLine(text))

/** Neither format has these in a text: controls, line separators, byte order marks and what is no character. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: see above
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\ufeff\ud800-\udfff\ufffe\uffff]/u

function isLine(text: string): boolean {
  return text.trim() === text && text !== '' && !CONTROL.test(text)
}

function treeOf(sections: readonly (readonly [string, string])[][]): Tree {
  const tree = emptyTree()
  for (const pairs of sections) {
    const section: Section = newSection('FILTER', 'main', at)
    section.properties.push(
      ...pairs.map(([name, value]): Property => ({ key: name, value, location: at, valueLocation: at })),
    )
    tree.sections.push(section)
  }
  return tree
}

test('any text comes back from both formats as it was, and options in their order', async () => {
  const folder = tmp()
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(fc.tuple(key, line), { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 3 }),
      async (sections) => {
        for (const [write, name] of [
          [writeYaml, 'a.yaml'],
          [writeClassic, 'a.conf'],
        ] as const) {
          const file = join(folder, name)
          const { text, lost } = write(treeOf(sections))
          expect(lost).toEqual([])
          writeFileSync(file, text)
          const tree = await readConfig(file, {})
          expect(tree.problems).toEqual([])
          expect(tree.sections.map(({ properties }) => properties.map((p) => [p.key, p.value]))).toEqual(
            sections.map((pairs) => pairs.map(([k, v]) => [k, v])),
          )
        }
      },
    ),
  )
})

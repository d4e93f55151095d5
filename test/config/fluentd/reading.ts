/** Reads texts in fluentd's format, as one file `f.conf` with files that it includes. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { emptyTree, type Section, type TreeStep } from '../../../src/config/config-tree.ts'
import { type Element, newElement } from '../../../src/config/fluentd/element.ts'
import { readFluentd } from '../../../src/config/fluentd/fluentd-text.ts'
import { readElements } from '../../../src/config/fluentd/syntax.ts'
import { formatLocation, type ShipperError } from '../../../src/core/error.ts'
import { tmp } from '../../support/tmp.ts'

type Environment = Record<string, string | undefined>

function describe(problems: readonly ShipperError[], dir = '/no'): string[] {
  return problems.map((p) => `${formatLocation(p.location)}: ${p.message}`.replaceAll(`${dir}/`, ''))
}

/** What is in an element, without places: `{ 'match a.**': { type: 'null' } }`; sections of one name are numbered. */
export type Plain = { [name: string]: string | undefined | Plain }

export function plain(element: Element): Plain {
  const result: Plain = {}
  for (const { name, value } of element.attributes) result[name] = value
  for (const child of element.children) {
    let name = `${child.name} ${child.argument}`.trim()
    while (Object.hasOwn(result, name)) name += "'"
    result[name] = plain(child)
  }
  return result
}

/** Reads the elements of a text. */
export function elements(
  text: string,
  env: Environment = {},
): { root: Element; plain: Plain; reported: string[]; hints: string[]; warnings: string[] } {
  const root = newElement('', '', { file: 'f.conf' })
  const found = { problems: [] as ShipperError[], warnings: [] as string[] }
  readElements('f.conf', text, root, env, found, () => {})
  return {
    root,
    get plain() {
      return plain(root)
    },
    reported: describe(found.problems),
    hints: found.problems.map(({ hint }) => hint ?? ''),
    warnings: found.warnings,
  }
}

export interface Translated {
  /** Sections with their options as `key value`; of a repeated option, in order. */
  sections: { kind: string; name: string; options: string[]; label?: string }[]
  /** Steps by label: `a.** -> filter grep`, `** -> output null, label @X`. */
  steps: Record<string, string[]>
  missing: string[]
  reported: string[]
  hints: string[]
  warnings: string[]
  notes: string[]
}

/** Translates a file. */
export function translated(
  text: string,
  given: { env?: Environment; files?: Record<string, string> } = {},
): Translated {
  const dir = tmp()
  const file = join(dir, 'f.conf')
  for (const [name, content] of Object.entries({ ...given.files, 'f.conf': text })) {
    mkdirSync(dirname(join(dir, name)), { recursive: true })
    writeFileSync(join(dir, name), content)
  }
  const tree = emptyTree()
  readFluentd(file, text, 'main', tree, () => {}, given.env ?? {})
  const short = (line: string): string => line.replaceAll(`${dir}/`, '')
  return {
    sections: tree.sections.map((section) => ({
      kind: section.name,
      name: textOf(section, 'Name'),
      options: section.properties
        .filter(({ key }) => key !== 'Name')
        .map(({ key, value }) => `${key} ${value}`),
      ...(section.label === undefined ? {} : { label: section.label }),
    })),
    steps: Object.fromEntries(
      [...(tree.routing?.labels ?? [])].map(([label, steps]) => [label, steps.map(stepText)]),
    ),
    missing: (tree.missing ?? []).map(({ kind, name }) => `${kind} ${name}`),
    reported: describe(tree.problems, dir),
    hints: tree.problems.map(({ hint }) => hint ?? ''),
    warnings: tree.warnings.map(short),
    notes: (tree.notes ?? []).map(short),
  }
}

function textOf(section: Section, key: string): string {
  return section.properties.find((property) => property.key === key)?.value ?? ''
}

function stepText({ patterns, filter, targets = [] }: TreeStep): string {
  const to =
    filter === undefined
      ? targets.map((target) =>
          'label' in target ? target.label : `output ${textOf(target.output, 'Name')}`,
        )
      : [`filter ${textOf(filter, 'Name')}`]
  return `${patterns.join(' ')} -> ${to.join(', ')}`
}

/** Returns the options of the only section of this kind and plugin. */
export function optionsOf({ sections }: Translated, kind: string, name?: string): string[] {
  const found = sections.filter(
    (section) => section.kind === kind && (name === undefined || section.name === name),
  )
  if (found.length !== 1) throw new Error(`${found.length} sections ${kind} ${name}`)
  return found[0]?.options ?? []
}

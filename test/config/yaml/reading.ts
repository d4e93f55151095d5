/** Reads YAML texts into trees that are easy to compare. */
import type { Section, Tree } from '../../../src/config/config-tree.ts'
import { emptyTree } from '../../../src/config/config-tree.ts'
import { readYaml } from '../../../src/config/yaml/yaml-text.ts'
import { formatLocation } from '../../../src/core/error.ts'

export interface Read {
  tree: Tree
  /** Problems as `line:col: message`. */
  problems: string[]
  hints: string[]
  /** Patterns of `includes` with their locations. */
  includes: string[]
}

export async function read(text: string): Promise<Read> {
  const tree = emptyTree()
  const includes: string[] = []
  const include = (pattern: string, location: { line?: number; col?: number }): void =>
    void includes.push(`${pattern} ${location.line}:${location.col}`)
  await readYaml('a.yaml', text, 'main', tree, include, {})
  return {
    tree,
    problems: tree.problems.map((p) => `${formatLocation(p.location).replace('a.yaml:', '')}: ${p.message}`),
    hints: tree.problems.map(({ hint }) => hint),
    includes,
  }
}

/** Returns the sections as nested texts: `NAME{key=value key=value GROUP{...}}`. */
export function shape(sections: readonly Section[]): string[] {
  return sections.map(({ name, properties, groups }) => {
    const parts = [...properties.map(({ key, value }) => `${key}=${value}`), ...shape(groups)]
    return `${name}{${parts.join(' ')}}`
  })
}

export async function shapeOf(text: string): Promise<string[]> {
  const { tree, problems } = await read(text)
  if (problems.length > 0) throw new Error(problems.join('\n'))
  return shape(tree.sections)
}

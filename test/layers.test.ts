import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { packageOf, readSource, type Source, sourcesUnder } from './support/sources.ts'

/**
 * The layers that each layer may import. A layer is a folder of src/ or a file in it. Every layer may import
 * core, the vocabulary. Within a layer imports are free, but a plugin must not import another plugin.
 */
const MAY_IMPORT: Record<string, string[]> = {
  core: [],
  lib: ['core'],
  protocol: ['core'],
  store: ['core', 'lib'],
  observe: ['core', 'lib'],
  engine: ['core', 'lib'],
  config: ['core', 'lib'],
  plugins: ['core', 'lib', 'protocol'],
  registry: ['core', 'plugins'],
  agent: ['core', 'lib', 'engine', 'config', 'store', 'observe'],
  cli: ['core', 'lib', 'config', 'registry', 'agent'],
  main: ['core', 'cli'],
}

/** Built-in modules that core, which consists of types and pure functions, may import. */
const CORE_BUILT_INS = ['node:buffer', 'node:crypto']
const TIMERS = /\b(?:setTimeout|setInterval|setImmediate)\(/
const BUN_GLOBAL = /\bBun\b\s*[.[]/
const TOP_AWAIT = /^(?:(?:const|let|export)\b[^=\n]*=\s*)?await\b/m

const sources = sourcesUnder('src')

describe('src', () => {
  test('imports only what the table of layers allows', () => {
    expect(sources.flatMap(breaches)).toEqual([])
  })

  test('consists of the layers of the table', () => {
    const layers = new Set(
      sources.filter(({ path }) => !path.endsWith('.d.ts')).map(({ path }) => layerOf(path)),
    )
    expect([...layers].sort()).toEqual(Object.keys(MAY_IMPORT).sort())
  })

  test('core does no I/O and uses no timers', () => {
    const core = sources.filter((source) => layerOf(source.path) === 'core')
    const outside = core.flatMap(({ path, imports }) =>
      imports
        .filter((name) => name.startsWith('node:') && !CORE_BUILT_INS.includes(name))
        .map((name) => `${path}: ${name}`),
    )
    expect(outside).toEqual([])
    expect(core.filter(({ code }) => TIMERS.test(code)).map(({ path }) => path)).toEqual([])
  })

  test('every package has one owner file, and the dependencies are exactly these packages', () => {
    const owners = Map.groupBy(
      sources.flatMap(({ path, imports }) =>
        // Files of conf/ that are bundled as text belong to no package.
        [...new Set(imports.filter((name) => !name.startsWith('conf/')).map(packageOf))].map((name) => ({
          name,
          path,
        })),
      ),
      ({ name }) => name,
    )
    owners.delete(undefined)
    const shared = [...owners].filter(([, files]) => files.length > 1)
    expect(shared.map(([name, files]) => `${name}: ${files.map(({ path }) => path).join(' ')}`)).toEqual([])
    const manifest = JSON.parse(readFileSync(resolve(import.meta.dirname, '../package.json'), 'utf8'))
    const known = [...Object.keys(manifest.dependencies), 'bun', 'bun:sqlite', 'bun:ffi', 'bun:jsc']
    expect([...owners.keys()].filter((name) => !known.includes(name ?? ''))).toEqual([])
    // A package that only tests or tools import is a devDependency: it would be in the bill of materials.
    expect(Object.keys(manifest.dependencies).filter((name) => !owners.has(name))).toEqual([])
  })

  test('runs on node too: no use of the global Bun, no top-level await', () => {
    expect(sources.filter(({ code }) => BUN_GLOBAL.test(code)).map(({ path }) => path)).toEqual([])
    expect(sources.filter(({ code }) => TOP_AWAIT.test(code)).map(({ path }) => path)).toEqual([])
  })

  test('has no import cycle, type imports included, between files or between the subfolders of a folder', () => {
    expect(cycles(sources)).toEqual([])
  })

  test('the registry lists all existing plugins and no others', () => {
    const listed = sources.find(({ path }) => path === 'src/registry.ts')?.imports ?? []
    const plugins = sources.map(({ path }) => path).filter(isPlugin)
    expect(listed.filter((path) => path.startsWith('src/plugins/')).sort()).toEqual(plugins.sort())
  })
})

describe('the check of the layers', () => {
  const breachesOf = (path: string, text: string): string[] => breaches(readSource(path, text))

  test('finds an import that the table does not allow', () => {
    expect(breachesOf('src/lib/a.ts', "import { x } from '../engine/b.ts'\n")).toEqual([
      'src/lib/a.ts -> src/engine/b.ts',
    ])
    expect(breachesOf('src/agent/a.ts', "import type { X } from '../registry.ts'\n")).toHaveLength(1)
    expect(breachesOf('src/core/a.ts', "const x = import('../lib/b.ts')\n")).toHaveLength(1)
    expect(breachesOf('src/protocol/a.ts', "export * from '../lib/b.ts'\n")).toHaveLength(1)
  })

  test('finds an import from outside src', () => {
    expect(breachesOf('src/lib/a.ts', "import { x } from '/var/x.ts'\n")).toHaveLength(1)
    expect(breachesOf('src/lib/a.ts', "import { x } from '../../test/x.ts'\n")).toHaveLength(1)
  })

  test('finds a plugin that imports another', () => {
    expect(breachesOf('src/plugins/inputs/cpu.ts', "import { x } from './mem.ts'\n")).toHaveLength(1)
    expect(breachesOf('src/plugins/inputs/tail/index.ts', "import { x } from '../cpu.ts'\n")).toHaveLength(1)
    expect(breachesOf('src/plugins/inputs/tail/index.ts', "import { x } from './file.ts'\n")).toEqual([])
  })

  test('finds a cycle between files and one between the subfolders of a folder', () => {
    const files = (texts: Record<string, string>) =>
      Object.entries(texts).map(([path, from]) => readSource(path, `import type { X } from '${from}'\n`))
    expect(cycles(files({ 'src/lib/a.ts': './b.ts', 'src/lib/b.ts': './a.ts' }))).toEqual([
      'src/lib: a.ts -> b.ts -> a.ts',
    ])
    expect(
      cycles(
        files({
          'src/lib/x/a.ts': '../y/b.ts',
          'src/lib/y/b.ts': '../z.ts',
          'src/lib/y/c.ts': '../x/d.ts',
        }),
      ),
    ).toEqual(['src/lib: x -> y -> x'])
    expect(cycles(files({ 'src/lib/x/a.ts': '../y/b.ts', 'src/lib/y/b.ts': '../z.ts' }))).toEqual([])
  })

  test('accepts what the table allows and ignores comments', () => {
    expect(breachesOf('src/cli/main.ts', "import { a } from './agent.ts'\nimport 'commander'\n")).toEqual([])
    expect(
      breachesOf('src/lib/a.ts', "/*\nimport x from '../engine/b.ts'\n*/\n// import('../engine/b.ts')\n"),
    ).toEqual([])
  })
})

function breaches({ path, imports }: Source): string[] {
  const files = imports.filter((name) => name.endsWith('.ts'))
  return files.filter((name) => !allowed(path, name)).map((name) => `${path} -> ${name}`)
}

/**
 * Finds import cycles per folder: the nodes are its files and its subfolders. Returns one path for each
 * folder with a cycle; a cycle between files is reported for their folder, one between subfolders for the
 * folder above.
 */
function cycles(all: Source[]): string[] {
  const graphs = new Map<string, Map<string, Set<string>>>()
  for (const { path, imports } of all)
    for (const name of imports) {
      if (!name.startsWith('src/') || !name.endsWith('.ts')) continue
      const [from, to] = [path.split('/'), name.split('/')]
      const shared = from.findIndex((part, i) => part !== to[i])
      const graph = getOrMake(graphs, from.slice(0, shared).join('/'), () => new Map<string, Set<string>>())
      getOrMake(graph, from[shared] ?? '', () => new Set<string>()).add(to[shared] ?? '')
    }
  return [...graphs].flatMap(([folder, graph]) => {
    const found = cycleIn(graph)
    return found === undefined ? [] : [`${folder}: ${found.join(' -> ')}`]
  })
}

function cycleIn(graph: Map<string, Set<string>>): string[] | undefined {
  const done = new Set<string>()
  const walk = (node: string, trail: string[]): string[] | undefined => {
    const at = trail.indexOf(node)
    if (at >= 0) return [...trail.slice(at), node]
    if (done.has(node)) return undefined
    for (const next of graph.get(node) ?? []) {
      const found = walk(next, [...trail, node])
      if (found !== undefined) return found
    }
    done.add(node)
    return undefined
  }
  for (const node of graph.keys()) {
    const found = walk(node, [])
    if (found !== undefined) return found
  }
  return undefined
}

function getOrMake<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key)
  if (known !== undefined) return known
  const made = make()
  map.set(key, made)
  return made
}

function allowed(from: string, to: string): boolean {
  if (!to.startsWith('src/')) return false
  const [layer, other] = [layerOf(from), layerOf(to)]
  if (layer !== other) return MAY_IMPORT[layer]?.includes(other) ?? false
  return layer !== 'plugins' || ownerOf(from) === ownerOf(to)
}

/** Returns the layer of a file: `core` for `src/core/chunk.ts`, `main` for `src/main.ts`. */
function layerOf(path: string): string {
  return (path.split('/')[1] ?? '').replace('.ts', '')
}

/** Returns the plugin that a file belongs to: `src/plugins/inputs/tail` or `src/plugins/inputs/cpu.ts`. */
function ownerOf(path: string): string {
  return path.split('/').slice(0, 4).join('/')
}

function isPlugin(path: string): boolean {
  const parts = path.split('/')
  return parts[1] === 'plugins' && (parts.length === 4 || (parts.length === 5 && parts[4] === 'index.ts'))
}

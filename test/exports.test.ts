import { describe, expect, test } from 'bun:test'
import { posix } from 'node:path'
import { readSource, type Source, sourcesUnder } from './support/sources.ts'

/**
 * Every export of src/ must be imported by another file of the project: otherwise it loses the keyword, or is dead code. An export
 * that only a test imports is allowed.
 */
const IMPORTERS = ['src', 'test', 'bench', 'scripts']

const DECLARATION =
  /^export (?:declare |abstract |async )*(?:function\*?|class|const|let|enum|interface|type|namespace) (\w+)/gm
/** `export { a, b as c } from '...'`, with or without `from`. */
const EXPORT_LIST = /^export (?:type )?\{([^}]*)\}(?: from ['"]([^'"]+)['"])?/gm
/** `import type Main, { a, type B as C } from '...'`. */
const IMPORT_LIST = /^import (?:type )?(?:\w+, )?\{([^}]*)\} from ['"]([^'"]+)['"]/gm
const NAMESPACE = /^(?:import \* as \w+|export \*(?: as \w+)?) from ['"]([^'"]+)['"]/gm
const DYNAMIC = /\bimport\(\s*['"]([^'"]+)['"]\s*\)/g

describe('src', () => {
  test('has no export that no other file imports', () => {
    expect(unused(IMPORTERS.flatMap((folder) => sourcesUnder(folder)))).toEqual([])
  })
})

describe('the check of the exports', () => {
  const unusedIn = (texts: Record<string, string>): string[] =>
    unused(Object.entries(texts).map(([path, text]) => readSource(path, text)))

  test('finds an unused declaration of any kind', () => {
    const text =
      'export const a = 1\nexport async function b() {}\nexport abstract class C {}\nexport interface D {}\n' +
      'export type E = 1\nconst f = 1\nexport { f as g }\nfunction notExported() {}\n'
    expect(unusedIn({ 'src/x.ts': text })).toEqual(
      ['a', 'b', 'C', 'D', 'E', 'g'].map((n) => `src/x.ts: ${n}`),
    )
  })

  test('accepts names that are imported, also by tests, in lists, under another name and as types', () => {
    const files = {
      'src/x.ts': 'export const a = 1\nexport type B = 1\nexport const c = 1\n',
      'src/y.ts': "import {\n  a,\n  type B,\n} from './x.ts'\n",
      'test/x.test.ts': "import { c as other } from '../src/x.ts'\n",
    }
    expect(unusedIn(files)).toEqual([])
  })

  test('accepts a name used through a dynamic or namespace import, and no other name', () => {
    const files = {
      'src/x.ts': 'export const a = 1\nexport const b = 1\n',
      'src/y.ts': "const { a } = await import('./x.ts')\n",
      'src/z.ts': 'export const c = 1\nexport const d = 1\n',
      'src/w.ts': "import * as z from './z.ts'\nuse(z.c)\n",
    }
    expect(unusedIn(files)).toEqual(['src/x.ts: b', 'src/z.ts: d'])
  })

  test('counts neither an import of the same name from another file nor a word in a comment', () => {
    const files = {
      'src/x.ts': 'export const a = 1\n',
      'src/y.ts': 'export const a = 1\n',
      'src/z.ts': "import { a } from './y.ts'\n// import { a } from './x.ts'\n",
    }
    expect(unusedIn(files)).toEqual(['src/x.ts: a'])
  })

  test('follows a re-exported name to the file that re-exports it', () => {
    const files = {
      'src/x.ts': 'export const a = 1\n',
      'src/y.ts': "export { a } from './x.ts'\n",
    }
    expect(unusedIn(files)).toEqual(['src/y.ts: a'])
  })
})

/** Returns `path: name` for each export of src/ that no other file imports. */
function unused(sources: Source[]): string[] {
  const used = new Set(sources.flatMap(importsOf))
  return sources
    .filter(({ path }) => path.startsWith('src/') && !isAssembly(path))
    .flatMap((source) => exportsOf(source).filter((name) => !used.has(name)))
}

/** Returns true for AssemblyScript, whose compiler drops unused code, and for the modules that a script makes from it. */
function isAssembly(path: string): boolean {
  return path.startsWith('src/lib/wasm/assembly/') || path.endsWith('.wasm.ts')
}

function exportsOf({ path, code }: Source): string[] {
  const declared = [...code.matchAll(DECLARATION)].map(([, name = '']) => name)
  const listed = [...code.matchAll(EXPORT_LIST)].flatMap(([, list = '']) => namesIn(list).map(({ as }) => as))
  return [...declared, ...listed].map((name) => `${path}: ${name}`)
}

/** Returns `path: name` for each name that a file imports, or uses of a module that it imports as a namespace. */
function importsOf({ path, code }: Source): string[] {
  const lists = [...code.matchAll(IMPORT_LIST), ...code.matchAll(EXPORT_LIST)]
  const named = lists.flatMap(([, list = '', from]) =>
    from === undefined ? [] : namesIn(list).map(({ name }) => `${resolved(path, from)}: ${name}`),
  )
  const modules = [...code.matchAll(NAMESPACE), ...code.matchAll(DYNAMIC)].map(([, from = '']) => from)
  const words = modules.length === 0 ? [] : new Set(code.match(/\w+/g))
  return [
    ...named,
    ...modules.flatMap((from) => [...words].map((word) => `${resolved(path, from)}: ${word}`)),
  ]
}

/** Parses `a, type B, c as d`. */
function namesIn(list: string): { name: string; as: string }[] {
  return list
    .split(',')
    .map((item) => item.trim().replace(/^type /, ''))
    .filter((item) => item !== '')
    .map((item) => {
      const [name = '', as = name] = item.split(' as ')
      return { name, as }
    })
}

function resolved(path: string, from: string): string {
  const to = posix.join(posix.dirname(path), from)
  // AssemblyScript omits the extension.
  return to.endsWith('.ts') ? to : `${to}.ts`
}

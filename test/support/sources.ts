import { readdirSync, readFileSync } from 'node:fs'
import { join, posix, resolve } from 'node:path'

const ROOT = resolve(import.meta.dirname, '../..')

export interface Source {
  /** Path from the root, e.g. `src/core/chunk.ts`. */
  path: string
  /** Text without comments. */
  code: string
  /** Imported modules, type imports included: a path from the root, or the unchanged name of a package or built-in. */
  imports: string[]
}

const COMMENT = /\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm
// Text with a quotation mark between the keyword and `from` is not an import.
const STATIC = /^(?:import|export)\b[^;'"]*?\bfrom\s*['"]([^'"]+)['"]/gm
const SIDE_EFFECT = /^import\s*['"]([^'"]+)['"]/gm
const DYNAMIC = /\b(?:import|require)\(\s*['"]([^'"]+)['"]/g

/** Reads the TypeScript files under a folder of the project. */
export function sourcesUnder(folder: string): Source[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .sort()
    .map((name) => readSource(posix.join(folder, name), readFileSync(join(ROOT, folder, name), 'utf8')))
}

/** Parses the text of a source file; `path` is its path from the root. */
export function readSource(path: string, text: string): Source {
  const code = text.replace(COMMENT, '')
  const names = [STATIC, SIDE_EFFECT, DYNAMIC].flatMap((form) =>
    [...code.matchAll(form)].map((m) => m[1] ?? ''),
  )
  const imports = names.map((name) => (name.startsWith('.') ? posix.join(posix.dirname(path), name) : name))
  return { path, code, imports: [...new Set(imports)] }
}

/** Returns the package of an import: `chokidar` for `chokidar/handler.js`, undefined for own files and node's built-ins. */
export function packageOf(name: string): string | undefined {
  if (name.startsWith('src/') || name.startsWith('/') || name.startsWith('node:') || name.endsWith('.json'))
    return undefined
  const [first = '', second = ''] = name.split('/')
  return first.startsWith('@') ? `${first}/${second}` : first
}

import { readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { ROOT } from './bootstrap.mjs'

/**
 * `npm run sizes` prints the ten longest files and functions and marks those over the budget with `!`. The budget is a
 * reason to look for a second subject, never a limit: nothing fails, and no text is shortened to meet it.
 */
const BUDGET = { file: 300, function: 60 }
const DIRECTORIES = ['src', 'scripts', 'bench', 'test']
const MAX_ROWS = 10

export interface Size {
  name: string
  lines: number
}

// The formatter aligns the end of a body with its beginning, so no parser is needed.
const OPENS =
  /^(\s*)(?:.*\bfunction\*?\s+([\w$]+)|(?!.*\b(?:if|for|while|switch|catch|class|interface)\b)(?:.*?\b([\w$#]+)\s*[=:]\s*(?:async\s*)?\(|(?:(?:static|async|get|set|private|\*)\s+)*([\w$#]+)\()).*\{$/

/** Returns the functions and methods of formatted source, each with its number of lines, except those of one line. */
export function functionSizes(path: string, text: string): Size[] {
  const lines = text.split('\n')
  return lines.flatMap((line, at) => {
    const [opens, indent = '', ...names] = OPENS.exec(line) ?? []
    if (opens === undefined) return []
    const end = lines.findIndex((other, i) => i > at && other.startsWith(`${indent}}`))
    const name = names.find((each) => each !== undefined)
    return end === -1 ? [] : [{ name: `${path}:${at + 1} ${name}`, lines: end - at + 1 }]
  })
}

/** Returns every source file under a directory of the project. */
function textsUnder(directory: string): { path: string; text: string }[] {
  return readdirSync(join(ROOT, directory), { recursive: true, encoding: 'utf8' })
    .map((name) => posix.join(directory, name))
    .filter((path) => path.endsWith('.ts') || path.endsWith('.mjs'))
    .map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }))
}

/** Returns the files and the functions under a directory; test functions may have any length and are left out. */
export function sizesUnder(directory: string): { files: Size[]; functions: Size[] } {
  const texts = textsUnder(directory)
  return {
    files: texts.map(({ path, text }) => ({ name: path, lines: text.split('\n').length - 1 })),
    functions: directory === 'test' ? [] : texts.flatMap(({ path, text }) => functionSizes(path, text)),
  }
}

function main(): void {
  const sizes = DIRECTORIES.map(sizesUnder)
  const files = sizes.flatMap((each) => each.files)
  const functions = sizes.flatMap((each) => each.functions)
  print(`files (${files.length}, budget ${BUDGET.file} lines)`, files, BUDGET.file)
  print(`functions (${functions.length}, budget ${BUDGET.function} lines)`, functions, BUDGET.function)
}

function print(title: string, sizes: Size[], budget: number): void {
  const longest = sizes.sort((a, b) => b.lines - a.lines).slice(0, MAX_ROWS)
  const rows = longest.map(
    ({ name, lines }) => `${String(lines).padStart(6)} ${lines > budget ? '!' : ' '} ${name}`,
  )
  process.stdout.write(`${title}\n${rows.join('\n')}\n`)
}

if (import.meta.main) main()

import { readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { ROOT } from './bootstrap.mjs'

/**
 * `npm run sizes`: prints the ten longest files and functions and marks those over the budget. The budget is a reason to look for a
 * second subject, never a limit: nothing fails, and no text is shortened to meet it.
 */
const BUDGET = { file: 300, function: 60 }
const FOLDERS = ['src', 'scripts', 'bench', 'test']
const SHOWN = 10

export interface Size {
  name: string
  lines: number
}

// The formatter indents the end of a body like its beginning, so no parser is needed.
const OPENS =
  /^(\s*)(?:.*\bfunction\*?\s+([\w$]+)|(?!.*\b(?:if|for|while|switch|catch|class|interface)\b)(?:.*?\b([\w$#]+)\s*[=:]\s*(?:async\s*)?\(|(?:(?:static|async|get|set|private|\*)\s+)*([\w$#]+)\()).*\{$/

/** Returns the functions and methods of formatted source with their number of lines, except those of one line. */
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

/** Reads every source file in a folder of the project. */
function textsUnder(folder: string): { path: string; text: string }[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .map((name) => posix.join(folder, name))
    .filter((path) => path.endsWith('.ts') || path.endsWith('.mjs'))
    .map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }))
}

/** Returns the sizes of files and functions in a folder; test functions may be of any length. */
export function sizesUnder(folder: string): { files: Size[]; functions: Size[] } {
  const texts = textsUnder(folder)
  return {
    files: texts.map(({ path, text }) => ({ name: path, lines: text.split('\n').length - 1 })),
    functions: folder === 'test' ? [] : texts.flatMap(({ path, text }) => functionSizes(path, text)),
  }
}

function main(): void {
  const sizes = FOLDERS.map(sizesUnder)
  const files = sizes.flatMap((each) => each.files)
  const functions = sizes.flatMap((each) => each.functions)
  print(`files (${files.length}, budget ${BUDGET.file} lines)`, files, BUDGET.file)
  print(`functions (${functions.length}, budget ${BUDGET.function} lines)`, functions, BUDGET.function)
}

function print(title: string, sizes: Size[], budget: number): void {
  const longest = sizes.sort((a, b) => b.lines - a.lines).slice(0, SHOWN)
  const rows = longest.map(
    ({ name, lines }) => `${String(lines).padStart(6)} ${lines > budget ? '!' : ' '} ${name}`,
  )
  process.stdout.write(`${title}\n${rows.join('\n')}\n`)
}

if (import.meta.main) main()

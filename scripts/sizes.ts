import { readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { ROOT } from './bootstrap.mjs'

/** `npm run sizes`: the ten longest files and functions, with the budgets that a review asks about. */
const BUDGET = { file: 300, function: 60 }
const FOLDERS = ['src', 'scripts', 'bench', 'test']
const SHOWN = 10

export interface Size {
  name: string
  lines: number
}

// The formatter puts the end of a body under its beginning: no parser is needed.
const OPENS =
  /^(\s*)(?:.*\bfunction\*?\s+([\w$]+)|(?!.*\b(?:if|for|while|switch|catch|class|interface)\b)(?:.*?\b([\w$#]+)\s*[=:]\s*(?:async\s*)?\(|(?:(?:static|async|get|set|private|\*)\s+)*([\w$#]+)\()).*\{$/

/** The functions and methods of formatted source, each with its number of lines; those of one line are left out. */
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

function main(): void {
  const paths = FOLDERS.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((name) =>
      posix.join(folder, name),
    ),
  ).filter((path) => path.endsWith('.ts') || path.endsWith('.mjs'))
  const texts = paths.map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }))
  const files = texts.map(({ path, text }) => ({ name: path, lines: text.split('\n').length - 1 }))
  const functions = texts.flatMap(({ path, text }) =>
    path.startsWith('test/') ? [] : functionSizes(path, text),
  )
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

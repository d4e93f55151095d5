import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { COMMON_OPTIONS, KINDS, optionRange, optionType } from '../src/cli/help.ts'
import { ROUTE_CONDITION_OPTIONS, ROUTE_OPTIONS, RULE_OPTIONS } from '../src/config/processors.ts'
import { TEST_OPTIONS } from '../src/config/test-sections.ts'
import { ERROR_CODES } from '../src/core/error.ts'
import { MULTILINE_OPTIONS } from '../src/core/multiline.ts'
import type { Option, OptionTable } from '../src/core/options/option.ts'
import { SERVICE_OPTIONS } from '../src/core/options/service.ts'
import type { PluginKind, PluginSpec, Registry } from '../src/core/plugin.ts'
import type { CounterTable } from '../src/core/services.ts'
import { BUILTIN_NAMES } from '../src/lib/multiline/builtin-rules.ts'
import { registry } from '../src/registry.ts'
import { ROOT } from './bootstrap.mjs'

/**
 * `npm run docs [-- --check]` generates docs/plugins/ and docs/errors.md from the tables that the program
 * itself uses, and the marked parts of README.md and docs/DELIVERY.md. With --check it writes nothing and exits
 * with status 1 if a page differs.
 */
const PLUGINS = 'docs/plugins'
const DELIVERY = 'docs/DELIVERY.md'
const NOTE = '<!-- Made by `npm run docs` from the sources: change them, not this file. -->\n\n'
const PIPE = /\|/g
/** `<!-- plugins: ... -->` up to `<!-- /plugins -->` */
const PART = /(<!-- (\w+): [^\n]*-->\n)[\s\S]*?(<!-- \/\2 -->)/g
const CELL_EDGE = /^\||\|$/g
/** Columns of the first table of docs/BENCHMARKS.md that README.md shows. */
const FIGURES = ['workload', 'MB/CPU-s', 'floor / n', 'fluent-bit²']
const STORE_FIGURES = ['to a store', 'MB/CPU-s', 'wall MB/s', 'peak RSS']
const TITLES: Record<PluginKind, string> = {
  input: 'Inputs',
  parser: 'Formats of parsers',
  filter: 'Filters',
  output: 'Outputs',
}

/** Returns the text of every page by its path from the root of the project. */
export async function makePages(plugins: Registry): Promise<Map<string, string>> {
  const pages = new Map<string, string>()
  const specs: PluginSpec[] = []
  for (const kind of KINDS) {
    for (const name of plugins.names(kind)) {
      const spec = await plugins.find(kind, name)
      if (spec === undefined) throw new Error(`the registry lists ${kind} ${name} but does not find it`)
      specs.push(spec)
      pages.set(`${PLUGINS}/${pageOf(spec)}`, pluginPage(spec))
    }
  }
  pages.set(`${PLUGINS}/README.md`, indexPage(specs))
  pages.set(`${PLUGINS}/service.md`, servicePage())
  pages.set(`${PLUGINS}/multiline.md`, multilinePage())
  pages.set(`${PLUGINS}/processors.md`, processorsPage())
  pages.set(`${PLUGINS}/test.md`, testPage())
  pages.set('docs/errors.md', errorsPage())
  pages.set('README.md', withParts('README.md', { plugins: pluginList(specs), figures: figureTable() }))
  pages.set(DELIVERY, withParts(DELIVERY, { places: placesTable(specs) }))
  return pages
}

/** Returns a page with its marked parts generated again. */
function withParts(path: string, parts: Record<string, string>): string {
  return readFileSync(join(ROOT, path), 'utf8').replace(PART, (_, begin, name, end) => {
    const text = parts[name]
    if (text === undefined) throw new Error(`${path} has an unknown part ${name}`)
    return `${begin}${text}${end}`
  })
}

/** Returns a table of what names the records of inputs, and what is sent again after a kill; inputs that do the same share a row. */
function placesTable(specs: PluginSpec[]): string {
  const inputs = specs.filter((spec) => spec.kind === 'input' && spec.makesMetrics !== true)
  const rows = [...Map.groupBy(inputs, placeOf)]
  const sorted = rows.toSorted(([a], [b]) => Number(a.startsWith(NO_PLACE)) - Number(b.startsWith(NO_PLACE)))
  const lines = sorted.map(([text, own]) => `| ${own.map(({ name }) => name).join(', ')} | ${text} |\n`)
  return `| input | what names a record | sent again after \`kill -9\` |\n|---|---|---|\n${lines.join('')}`
}

const NO_PLACE = 'its chunk, and its number in it'

function placeOf(spec: PluginSpec): string {
  if (spec.kind !== 'input') return ''
  if (spec.places !== undefined) return `${cell(spec.places)} | under the same id: a store has it once`
  if (spec.resends === true)
    return `${NO_PLACE} | by senders that have no acknowledgement, under other ids: perhaps twice`
  return `${NO_PLACE} | no`
}

function pluginList(specs: PluginSpec[]): string {
  const lines = KINDS.map((kind) => {
    const own = specs.filter((spec) => spec.kind === kind)
    return `- ${TITLES[kind]}: ${own.map((spec) => `[${spec.name}](${PLUGINS}/${pageOf(spec)})`).join(', ')}\n`
  })
  const sections = `- Sections: [[SERVICE]](${PLUGINS}/service.md), [[MULTILINE_PARSER]](${PLUGINS}/multiline.md), [[TEST]](${PLUGINS}/test.md), [processors and routes](${PLUGINS}/processors.md)\n`
  return `${lines.join('')}${sections}`
}

/** Returns some columns of two tables of docs/BENCHMARKS.md, and the paragraph about the run. */
function figureTable(): string {
  const page = readFileSync(join(ROOT, 'docs/BENCHMARKS.md'), 'utf8').split('\n')
  const from = page.findIndex((line) => line.startsWith(`| ${FIGURES[0]} |`))
  // The paragraph before the table: date, machine, versions, and a warning if the machine was busy.
  const about = page.slice(page.lastIndexOf('', from - 2) + 1, from - 1)
  const tables = [FIGURES, STORE_FIGURES].map((names) => columnsOf(page, names)).filter(Boolean)
  return `${tables.join('\n').replace('²', '')}\n${about.join('\n')}\n`
}

/** Returns the columns of the table of which the first one has the first of these names; nothing if there is none. */
function columnsOf(page: string[], names: readonly string[]): string {
  const from = page.findIndex((line) => line.startsWith(`| ${names[0]} |`))
  if (from < 0) return ''
  const lines = page.slice(from)
  const rows = lines.slice(0, lines.indexOf('')).map((line) => line.replace(CELL_EDGE, '').split('|'))
  const columns = names.map((name) => rows[0]?.findIndex((text) => text.trim() === name) ?? -1)
  if (columns.includes(-1)) throw new Error(`docs/BENCHMARKS.md has no table with ${names.join(', ')}`)
  return rows.map((row) => `|${columns.map((at) => row[at]).join('|')}|\n`).join('')
}

function pageOf(spec: PluginSpec): string {
  return `${spec.kind}-${spec.name}.md`
}

function pluginPage(spec: PluginSpec): string {
  const kind = spec.kind === 'parser' ? 'format of a parser' : spec.kind
  const parts = [`# ${spec.name} (${kind})\n`, `${spec.summary}\n`, `${spec.description.trim()}\n`]
  parts.push(`## Options\n\n${optionTable(spec.options)}`)
  if (spec.kind !== 'parser') {
    parts.push(
      `It also takes [the options of every ${spec.kind}](README.md#options-of-every-${spec.kind}).\n`,
    )
  } else parts.push('The section also takes `Name`, which inputs and filters refer to, and `Format`.\n')
  parts.push(`## Example\n\n\`\`\`\n${spec.example.trimEnd()}\n\`\`\`\n`)
  const counters = Object.entries(spec.counters ?? {})
  if (counters.length > 0) {
    const rows = counters.map(([name, counter]) => counterRows(name, counter))
    parts.push(`## Counters\n\n| counter | counts |\n|---|---|\n${rows.join('')}`)
  }
  return NOTE + parts.filter((part) => part.trim() !== '').join('\n')
}

/** Returns the row of a counter, and one row for each of its reasons. */
function counterRows(name: string, counter: CounterTable[string]): string {
  if (typeof counter === 'string') return `| \`${name}\` | ${cell(counter)} |\n`
  const reasons = Object.entries(counter.reasons).map(
    ([reason, text]) => `| \`${name}{reason="${reason}"}\` | ${cell(text)} |\n`,
  )
  return `| \`${name}\` | ${cell(counter.help)}, by reason |\n${reasons.join('')}`
}

function indexPage(specs: PluginSpec[]): string {
  const sections =
    '[SERVICE] is in [service.md](service.md), [MULTILINE_PARSER] in [multiline.md](multiline.md), [TEST] in [test.md](test.md); ' +
    'processors and conditional routes are in [processors.md](processors.md).\n'
  const parts = ['# Plugins\n', sections]
  for (const kind of KINDS) {
    const rows = specs
      .filter((spec) => spec.kind === kind)
      .map((spec) => `| [${spec.name}](${pageOf(spec)}) | ${cell(spec.summary)} |\n`)
    parts.push(`## ${TITLES[kind]}\n\n| name | |\n|---|---|\n${rows.join('')}`)
  }
  for (const kind of ['input', 'filter', 'output'] as const) {
    parts.push(`## Options of every ${kind}\n\n${optionTable(COMMON_OPTIONS[kind])}`)
  }
  return NOTE + parts.join('\n')
}

function servicePage(): string {
  const text = 'Options of the agent. On the command line they have their own flags: `shipper -h`.\n'
  return `${NOTE}# [SERVICE]\n\n${text}\n${optionTable(SERVICE_OPTIONS)}`
}

function multilinePage(): string {
  const text =
    'Joins lines that belong together. The section also takes `Name`, which `Multiline.Parser` refers to. ' +
    `Built in, no section needed: ${BUILTIN_NAMES.map((name) => `\`${name}\``).join(', ')}.\n\n` +
    'A stack trace begins with the line that names the error, which may contain other text. The following lines are held until ' +
    'a frame arrives, and then joined, so that a message of several lines is part of the record. If no frame arrives within ' +
    '50 lines, 32 kB and 4 s, or before a line that begins like a log line (with a time, a level, or as JSON), they become ' +
    'records of their own, each with its own time and fields. The message of a Python exception follows the frames, and a ' +
    'Rust panic may have no frames. There the message ends before a line that begins like a log line; without such a line, ' +
    'only its first line is joined. If several traces are named, the frames decide which one it is. A section named `node`, ' +
    '`dotnet`, `php`, `rust` or `dart` replaces the built-in trace, because fluent-bit has no trace of that name.\n'
  const example = '[MULTILINE_PARSER]\n    Name traces\n    Type regex\n'
  const rules = '    Rule "start_state" "/^\\S/" "more"\n    Rule "more" "/^\\s+at /" "more"\n'
  const options = `## Options\n\n${optionTable(MULTILINE_OPTIONS)}`
  return `${NOTE}# [MULTILINE_PARSER]\n\n${text}\n${options}\n## Example\n\n\`\`\`\n${example}${rules}\`\`\`\n`
}

function processorsPage(): string {
  const text =
    'A processor is a filter that belongs to one input or one output: `processors: logs:`, a list, in YAML. Those of an input ' +
    'change its records before all filters; those of an output change what this output gets, and no other sees it. The ' +
    'list takes every [filter](README.md#filters) by its name, without a match. `condition` limits a processor to the ' +
    'records that meet it: the others pass unchanged, in their order.\n\n' +
    'A route sends records of an input to outputs by a condition: `routes: logs:`, a list. A record takes every route whose ' +
    'condition it meets; a route without a condition takes every record. Each record is routed by itself, after all filters, so that a ' +
    'condition sees what they have changed. The outputs that a route names need no match, and get records of this input by its ' +
    'routes only; the others get all of them, by their match. A record that no route and no other output takes is discarded, ' +
    'with one warning per tag. To keep such records, add a route with `default: true`.\n'
  const comparison =
    'A value of a rule is a string or a number, and how it is written makes no difference: `5` and `"5"` are the same. ' +
    '`true` and `false` outside of a list need quotation marks.\n\n' +
    '| operator | holds for |\n|---|---|\n' +
    '| `eq`, `in` | the same text; a number that is equal, so that `eq 5` holds for `5`, `5.0` and `"5"`, but not for `"5.0"`; with `"true"` also for the boolean, with `"null"` for null |\n' +
    '| `gt`, `gte`, `lt`, `lte` | a number, and a string that is a number: `gt 5` holds for `"9"`. The value must be a number |\n' +
    '| `regex` | a string, and the text of a number, a boolean or null: `regex ^5` holds for `5` |\n' +
    '| `neq`, `not_in`, `not_regex` | what `eq`, `in` and `regex` do not hold for, also a missing field, a map or a list; but a string on which an expression reaches Regex_Step_Limit satisfies neither `regex` nor `not_regex` |\n'
  const example = `pipeline:
  inputs:
    - name: tail
      path: /var/log/app.log
      tag: app
      processors:
        logs:
          - name: content_modifier
            action: upsert
            key: team
            value: shop
            condition:
              op: and
              rules:
                - {field: $service, op: in, value: [cart, orders]}
      routes:
        logs:
          - name: errors
            condition:
              rules:
                - {field: $level, op: regex, value: '^(error|fatal)$'}
            to:
              outputs: [alerts]
          - name: rest
            condition:
              default: true
            to:
              outputs: [archive]
  outputs:
    - {name: forward, alias: alerts, host: 10.0.0.5}
    - {name: file, alias: archive, path: /var/log/archive, file: app}
`
  const route = Object.fromEntries(Object.entries(ROUTE_OPTIONS).filter(([name]) => name !== 'outputs'))
  return (
    `${NOTE}# Processors and routes\n\n${text}\n## Example\n\n\`\`\`yaml\n${example}\`\`\`\n\n` +
    `## Options of a condition\n\n${optionTable(ROUTE_CONDITION_OPTIONS)}\n\`default\` is for routes only. \`rules\` is a list:\n\n` +
    `${optionTable(RULE_OPTIONS, 'or a list of strings')}\n### How values compare\n\n${comparison}\n## Options of a route\n\n${optionTable(route)}\n\`to: outputs:\` lists the aliases or names of outputs.\n`
  )
}

function testPage(): string {
  const text =
    'Cases for `shipper test`, see [before the start](../guides/before-the-start.md#tests). A run passes over them. In YAML they are a ' +
    'list, `tests:`.\n'
  return `${NOTE}# [TEST]\n\n${text}\n${optionTable(TEST_OPTIONS)}`
}

function errorsPage(): string {
  const rows = Object.entries(ERROR_CODES).map(
    ([code, { exit, summary, remedy }]) => `| \`${code}\` | ${exit} | ${cell(summary)} | ${cell(remedy)} |\n`,
  )
  const text =
    'A log line has the code in `code` and what to do in this case in `hint`. Errors in a configuration are reported with ' +
    'their location instead of a code. Status is the exit status if the error ends the program; most errors at run time ' +
    'do not.\n'
  return `${NOTE}# Errors\n\n${text}\n| code | status | cause | what to do |\n|---|---|---|---|\n${rows.join('')}`
}

/** Returns the table of options; `repeated` is how several values of one are given. */
function optionTable(table: OptionTable, repeated = 'may be repeated'): string {
  const options = Object.entries(table)
  if (options.length === 0) return 'No options of its own.\n'
  const effective = options.filter(([, option]) => option.ignored === undefined)
  const rows = effective.map(
    ([name, option]) =>
      `| \`${name}\` | ${cell(typeText(option, repeated))} | ${defaultText(option)} | ${cell(option.help)} |\n`,
  )
  const ignored = options
    .filter(([, option]) => option.ignored !== undefined)
    .map(([name, option]) => `- \`${name}\`: ${option.ignored}\n`)
  const head = rows.length === 0 ? '' : `| option | type | default | |\n|---|---|---|---|\n${rows.join('')}`
  const tail =
    ignored.length === 0 ? '' : `Accepted for compatibility, without effect:\n\n${ignored.join('')}`
  return [head, tail].filter((part) => part !== '').join('\n')
}

function typeText(option: Option, repeated: string): string {
  const aliases =
    option.aliases === undefined ? '' : `${option.named ? 'or' : 'also called'} ${option.aliases.join(', ')}`
  const repeat = option.repeat === true ? repeated : ''
  return [optionType(option), optionRange(option), repeat, aliases].filter((text) => text !== '').join(', ')
}

function defaultText(option: Option): string {
  if (option.required === true) return '(required)'
  return option.default === undefined || option.default === '' ? '' : `\`${cell(option.default)}\``
}

function cell(text: string): string {
  return text.replace(PIPE, '\\|').replaceAll('\n', ' ')
}

/** Returns the files that differ from the pages, and the files that have no page. */
export function differences(root: string, pages: Map<string, string>): string[] {
  const wrong = [...pages].filter(([path, text]) => readOr(join(root, path)) !== text).map(([path]) => path)
  return [...wrong, ...orphans(root, pages)].sort()
}

export function writePages(root: string, pages: Map<string, string>): void {
  for (const path of orphans(root, pages)) rmSync(join(root, path))
  for (const [path, text] of pages) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
}

function orphans(root: string, pages: Map<string, string>): string[] {
  const directory = join(root, PLUGINS)
  if (!existsSync(directory)) return []
  return readdirSync(directory)
    .map((name) => `${PLUGINS}/${name}`)
    .filter((path) => path.endsWith('.md') && !pages.has(path))
}

function readOr(file: string): string | undefined {
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined
}

async function main(args: string[]): Promise<void> {
  const pages = await makePages(registry)
  const changed = differences(ROOT, pages)
  if (!args.includes('--check')) {
    writePages(ROOT, pages)
    process.stdout.write(`${pages.size} pages, ${changed.length} changed\n`)
  } else if (changed.length > 0) {
    process.stderr.write(`differ from the sources (fix with npm run docs):\n  ${changed.join('\n  ')}\n`)
    process.exitCode = 1
  } else process.stdout.write(`${pages.size} pages match the sources\n`)
}

if (import.meta.main) await main(process.argv.slice(2))

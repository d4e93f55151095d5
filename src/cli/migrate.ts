import { basename } from 'node:path'
import type { MissingInFile, Tree } from '../config/config-tree.ts'
import { readConfig } from '../config/files.ts'
import { withoutLiterals } from '../config/literal-values.ts'
import { fixedValues } from '../config/local-values.ts'
import { withMatches } from '../config/ordered-to-match.ts'
import { lostAt, type WrittenTree } from '../config/written-tree.ts'
import { ShipperError } from '../core/error.ts'
import { escapeControls } from '../core/escape-controls.ts'
import type { Request } from './arguments.ts'
import { problemsText, warningLine } from './problems.ts'
import { print } from './stdout.ts'

const FORMATS = ['yaml', 'classic']

/**
 * Prints a configuration in another format. Files that it includes become a part of it; parsers files stay files. What cannot
 * be carried over is listed on stderr, and the exit status is then 1.
 */
export async function migrate({ config = '', configFormat, to }: Request): Promise<number> {
  const format = to?.toLowerCase()
  if (format === undefined || !FORMATS.includes(format))
    throw new ShipperError(
      'E_CLI_USAGE',
      `--to must be ${FORMATS.join(' or ')}${to === undefined ? '' : `, not "${to}"`}`,
    )
  const tree = await readConfig(config, process.env, 'main', configFormat)
  if (tree.problems.length > 0) {
    process.stderr.write(problemsText(tree.problems, [], 'nothing is written'))
    return 1
  }
  const matched = withMatches(tree)
  const { text, lost } = await writtenAs(format, withoutLiterals(matched.tree))
  const all = [...(tree.missing ?? []).map(missingText), ...matched.lost, ...lost]
  for (const warning of tree.warnings) process.stderr.write(`${warningLine(warning)}\n`)
  for (const line of fixedValues(tree)) process.stderr.write(`${warningLine(line)}\n`)
  for (const file of includedFiles(tree, config))
    process.stderr.write(`shipper: the content of ${escapeControls(file)} is a part of the output\n`)
  for (const line of all) process.stderr.write(`${escapeControls(line)}\n`)
  if (all.length > 0)
    process.stderr.write(
      `shipper: ${all.length} ${all.length === 1 ? 'part is' : 'parts are'} not in the output\n`,
    )
  await print(`# From ${escapeControls(basename(config))}, by shipper migrate\n${text}`)
  return all.length === 0 ? 0 : 1
}

function missingText({ kind, name, location, standIn }: MissingInFile): string {
  return lostAt({ location }, `${kind} ${name}: there is none; ${standIn}`)
}

async function writtenAs(format: string, tree: Tree): Promise<WrittenTree> {
  if (format === 'yaml') return (await import('../config/yaml/yaml-writer.ts')).writeYaml(tree)
  return (await import('../config/classic-writer.ts')).writeClassic(tree)
}

function includedFiles({ sections }: Tree, main: string): string[] {
  return [...new Set(sections.map(({ location }) => location.file))].filter((file) => file !== main)
}

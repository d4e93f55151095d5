import { defaultDeadLetterFiles } from '../agent/dead-letters/default-files.ts'
import type { Tree } from '../config/config-tree.ts'
import { type EffectiveOption, type EffectiveSection, effectiveSections } from '../config/effective.ts'
import { DOLLAR, PROTECTED_DOLLAR, protect } from '../config/literal-values.ts'
import { tagsOf } from '../config/route-check.ts'
import type { Environment } from '../config/variables.ts'
import { formatLocation, type SourceLocation } from '../core/error.ts'
import { escapeControls } from '../core/escape-controls.ts'
import type { Plan } from '../core/plan.ts'
import { registry } from '../registry.ts'

const INDENT = '    '
const MAX_KEY_COLUMN = 38
const STAGES = ['INPUT', 'FILTER', 'OUTPUT', 'PARSER', 'PROCESSOR']
const LINE_FEED = /[\r\n]/
/** Part of a value in the classic format, and so not escaped. */
const TAB = '\t'

/**
 * Returns the effective configuration in the classic format: each section with all values, each value below a comment that
 * says where it comes from. Secrets are masked. What the format cannot hold is a comment. A first comment says when it is only a
 * description: the classic format has no processors, routes, conditions or labels, so that as a configuration it would do
 * something else.
 */
export async function explainText(tree: Tree, plan: Plan, env: Environment): Promise<string> {
  const { inputs, buffer } = plan
  const sections = await effectiveSections(tree, registry, env)
  const names = new Map<SourceLocation, OwnDefaults>(
    inputs
      .filter((input) => input.common.tag !== undefined || tagsOf(input).includes(input.tag))
      .map(({ location, common, tag }) => [location, { tag: common.tag ?? tag }]),
  )
  for (const { name, location, common } of inputs)
    if (common.storageType === undefined && buffer?.inputs.includes(name) === true)
      names.set(location, { ...names.get(location), 'storage.type': 'filesystem' })
  const service = sections.find(({ name }) => name === 'SERVICE')
  if (service !== undefined && buffer !== undefined && plan.service.storagePath === undefined)
    names.set(service.section.location, { 'storage.path': buffer.folder })
  for (const [location, file] of defaultDeadLetterFiles(plan)) names.set(location, { dead_letter_file: file })
  const shown = sections.filter(({ name }) => name !== 'TEST')
  const texts = shown.map((section) => sectionText(section, names.get(section.section.location)))
  const beyond = beyondClassic(tree, shown)
  if (texts.some((text) => text.includes(PROTECTED_DOLLAR))) texts.unshift(`@SET ${DOLLAR}=$\n`)
  return beyond === undefined ? texts.join('\n') : `${NOT_A_CONFIGURATION}${beyond}\n\n${texts.join('\n')}`
}

const NOT_A_CONFIGURATION =
  '# This is a description and cannot be run as a configuration: the classic format has no '

/** Returns what a configuration has and the classic format cannot express. */
function beyondClassic({ routing }: Tree, sections: readonly EffectiveSection[]): string | undefined {
  if (routing !== undefined) return 'matches or labels of fluentd'
  const found = new Set<string>()
  const add = ({ name, groups }: EffectiveSection): void => {
    const word = BEYOND_CLASSIC[name]
    if (word !== undefined) found.add(word)
    for (const group of groups) add(group)
  }
  for (const section of sections) add(section)
  const words = Object.values(BEYOND_CLASSIC).filter((word) => found.has(word))
  if (words.length === 0) return undefined
  return words.length === 1 ? words[0] : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`
}

const BEYOND_CLASSIC: { readonly [section: string]: string } = {
  PROCESSOR: 'processors',
  ROUTE: 'routes',
  CONDITION: 'conditions',
}

/** Defaults that depend on other sections, by the name of the option. */
type OwnDefaults = Readonly<Record<string, string>>

function sectionText(section: EffectiveSection, own: OwnDefaults | undefined): string {
  return `${sectionLines(section, '', own).join('\n')}\n`
}

function sectionLines(
  { section, name, options, spec, isUnknown, groups }: EffectiveSection,
  indent: string,
  own: OwnDefaults = {},
): string[] {
  const inner = `${indent}${INDENT}`
  const lines = [`${indent}# ${escapeControls(formatLocation(section.location))}`]
  if (isUnknown && STAGES.includes(name))
    lines.push(`${indent}# there is no such plugin: its options are as written`)
  lines.push(`${indent}[${escapeControls(name)}]`)
  const given = options.filter(({ isDefault }) => !isDefault)
  const defaults = options.filter(({ isDefault, value }) => isDefault && value !== '')
  if (spec !== undefined || name === 'SERVICE')
    for (const [key, value] of Object.entries(own))
      if (!given.some((one) => one.key.toLowerCase() === key && one.value !== ''))
        defaults.unshift({ key, value, origin: 'default', isDefault: true })
  const all = [...given, ...defaults]
  const width = Math.min(MAX_KEY_COLUMN, Math.max(0, ...all.map(({ key }) => key.length)))
  let origin = ''
  for (const option of all) {
    if (option.origin !== origin) lines.push(`${inner}# ${escapeControls(option.origin)}`)
    origin = option.origin
    lines.push(`${inner}${optionLine(option, width)}`)
  }
  return [...lines, ...groups.flatMap((group) => sectionLines(group, inner))]
}

function optionLine({ key, value, noEffect, isIncluded }: EffectiveOption, width: number): string {
  const line = `${key.padEnd(width)}  ${protect(value)}`.split(TAB).map(escapeControls).join(TAB)
  if (noEffect !== undefined) return `# ${line}  (no effect: ${noEffect})`
  if (isIncluded) return `# ${line}  (its sections are in this output)`
  if (LINE_FEED.test(value))
    return `# ${line}  (a value of several lines, which the classic format does not have)`
  return value === '' ? `# ${line}` : line
}

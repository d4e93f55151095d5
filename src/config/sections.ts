import { didYouMean } from '../lib/text/did-you-mean.ts'
import { type Diagnostics, problem, type Section, type Tree, warn } from './config-tree.ts'
import type { StageKind } from './flags.ts'

type Sections = Record<StageKind | 'service' | 'parser' | 'multiline_parser', Section[]>

const SECTIONS = ['SERVICE', 'INPUT', 'FILTER', 'OUTPUT', 'PARSER', 'MULTILINE_PARSER']
/** Sections that are no part of the plan: [UPSTREAM] is read before it, and [TEST] by `shipper test` only. */
const READ_ELSEWHERE = ['upstream', 'test']
/** Sections of fluent-bit without effect here, with the reason; their contents are not checked. */
const IGNORED: Record<string, string> = {
  plugins: 'all plugins are built in',
  custom: 'plugins of this kind report to other services',
  stream_task: 'there is no stream processor, so the records that it would make are missing',
  stream_processor: 'there is no stream processor, so the records that it would make are missing',
}
/** Sections of fluent-bit that a shortened name may mean. It compares only as many characters as are written: [IN] is [INPUT]. */
const SHORTENED = [...SECTIONS, 'PLUGINS', 'CUSTOM', 'STREAM_PROCESSOR', 'UPSTREAM_SERVERS']
/** Groups that are planned by processors.ts, by the section that they may be in. */
const GROUPS: Readonly<Record<string, readonly string[]>> = {
  input: ['processor', 'route'],
  output: ['processor'],
}

/** Returns the sections of a tree by kind, in order; reports those that are unknown or without effect. */
export function sectionsByKind(tree: Tree, diagnostics: Diagnostics): Sections {
  const found: Record<string, Section[]> = Object.fromEntries(SECTIONS.map((s) => [s.toLowerCase(), []]))
  for (const section of tree.sections) {
    const kind = section.name.toLowerCase()
    if (READ_ELSEWHERE.includes(kind)) continue
    if (IGNORED[kind] !== undefined)
      warn(diagnostics, `section [${section.name}] has no effect: ${IGNORED[kind]}`, section.location)
    else if (section.origin === 'parsers' && !kind.endsWith('parser'))
      warn(diagnostics, `section [${section.name}] has no effect in a parsers file`, section.location)
    else if (found[kind] === undefined) reportUnknown(section, diagnostics)
    else found[kind].push(section)
    checkGroups(section, diagnostics)
  }
  return found as unknown as Sections
}

/**
 * Reports an unknown section. fluent-bit ignores it silently; here a name that looks like a typo is a problem, and so is a
 * shortened one, which fluent-bit accepts: it is hardly meant.
 */
function reportUnknown({ name, location }: Section, diagnostics: Diagnostics): void {
  const whole = SHORTENED.find((section) => section.startsWith(name.toUpperCase()))
  const near = whole === undefined ? didYouMean(name, SECTIONS) : ` (did you mean ${whole}?)`
  if (near === '') warn(diagnostics, `unknown section [${name}]: it has no effect`, location)
  else
    diagnostics.problems.push(
      problem('E_CONFIG_UNKNOWN_SECTION', `unknown section [${name}]${near}`, location, ''),
    )
}

function checkGroups(section: Section, diagnostics: Diagnostics): void {
  for (const group of section.groups) {
    const { name, location } = group
    if (GROUPS[section.name.toLowerCase()]?.includes(name.toLowerCase()) === true) continue
    if (SECTIONS.includes(name.toUpperCase())) {
      const message = `section [${name}] must begin in column 1`
      diagnostics.problems.push(problem('E_CONFIG_UNKNOWN_SECTION', message, location, ''))
    } else warn(diagnostics, `section [${name}] within [${section.name}] has no effect`, location)
  }
}

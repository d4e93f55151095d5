import type { Section, Tree } from './config-tree.ts'
import { propertiesWithGroups } from './test-groups.ts'
import { lostAt, type WrittenTree, writtenValue } from './written-tree.ts'

const INDENT = '    '
const MAX_KEY_COLUMN = 28
const LINE_END = /[\r\n]/
const NAME = /^[^\s=[\]]+$/
const KEY = /^[^\s#@[][^\s]*$/

/** Writes a tree in the classic format, variables as they were written. Groups are lost, except those of [TEST]. */
export function writeClassic(tree: Tree): WrittenTree {
  const lost: string[] = []
  const parts: string[] = []
  const variables = [...tree.variables].flatMap(([name, value]) => {
    if (NAME.test(name) && isLine(value)) return [`@SET ${name}=${value}\n`]
    lost.push(`the variable ${name}: its value has more than one line, or blanks around it`)
    return []
  })
  if (variables.length > 0) parts.push(variables.join(''))
  for (const section of tree.sections) parts.push(sectionText(section, lost))
  return { text: parts.join('\n'), lost }
}

function sectionText(section: Section, lost: string[]): string {
  const isTest = section.name.toUpperCase() === 'TEST'
  const properties = isTest
    ? propertiesWithGroups(section).map(({ property }) => property)
    : section.properties
  const width = Math.min(MAX_KEY_COLUMN, Math.max(0, ...properties.map(({ key }) => key.length)))
  const lines = properties.flatMap((property) => {
    const value = writtenValue(property)
    if (KEY.test(property.key) && isLine(value)) return [`${INDENT}${property.key.padEnd(width)}  ${value}\n`]
    lost.push(lostAt(property, `"${property.key}": ${reasonOf(value)}`))
    return []
  })
  if (!isTest)
    for (const group of section.groups)
      lost.push(lostAt(group, `[${group.name}] of [${section.name}]: the classic format has no such part`))
  return `[${section.name.toUpperCase()}]\n${lines.join('')}`
}

function reasonOf(value: string): string {
  return LINE_END.test(value)
    ? 'its value has more than one line'
    : 'its value has blanks around it, or its name has some'
}

/** True for a value that is read again as it is. */
function isLine(value: string): boolean {
  return !LINE_END.test(value) && value.trim() === value
}

import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'

const FILE = resolve(import.meta.dirname, '../../../conf/parsers.conf')
const ENTRY = /^ {4}(\w+) +(.*)$/

/** Reads the sections of conf/parsers.conf. Option names are in lower case; a repeated option is a list. */
export function parserSections(): Record<string, string | string[]>[] {
  const [, ...texts] = readFileSync(FILE, 'utf8').split('[PARSER]\n')
  return texts.map((text) => {
    const section: Record<string, string | string[]> = {}
    for (const line of text.split('\n')) {
      const [, name, value] = ENTRY.exec(line) ?? []
      if (name === undefined || value === undefined) continue
      const key = name.toLowerCase()
      const known = section[key]
      section[key] = known === undefined ? value : [known, value].flat()
    }
    return section
  })
}

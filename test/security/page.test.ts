import { describe, expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseSize, parseTime } from '../../src/core/options/units.ts'
import { sourcesUnder } from '../support/sources.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const PAGE = readFileSync(join(ROOT, 'SECURITY.md'), 'utf8')
/** `| what | limit | beyond it | `file`: `name` |` */
const BOUND = /^\| [^|]+ \| ([^|]+) \| [^|]+ \| `(src\/[^`]+)`: `(\w+)` \|$/gm
const TESTED = /`(test\/[^`]+)`: (“[^”]+”(?:, “[^”]+”)*)/g
const NAME = /“([^”]+)”/g
const OPTION = /^[a-z_]+$/
const ARITHMETIC = /^[\d_ *.<()-]+$/
const LIMIT = /^([\d,.]+)(?: (s|ms|day|bytes|characters|levels|times|for)\b)?/
const FACTOR: Record<string, number> = { s: 1000, day: 86_400_000 }
/** Constants of src/protocol that bound nothing from outside: sizes of what is written, and ranges of values. */
const NO_BOUNDS = [
  'MAX_RUN_BYTES',
  'MAX_TIME_AT',
  'MAX_RECORD_OVERHEAD_BYTES',
  'MAX_NSEC',
  'MAX_SEVERITY',
  'MAX_FEW_PAIRS',
  'MAX_SHORT_BYTES',
  'MAX_FREE',
  'MAX_FREE_BYTES',
]

const bounds = [...PAGE.matchAll(BOUND)].map(([, limit = '', file = '', name = '']) => ({
  limit,
  file,
  name,
}))

/** Returns the value of a constant or a member in a source file, or the default of an option in its own unit. */
function limitIn(file: string, name: string): number | undefined {
  const code = readFileSync(join(ROOT, file), 'utf8')
  if (OPTION.test(name)) {
    const [, shared] = new RegExp(`^  '?${name}'?: ([A-Z]\\w+),$`, 'm').exec(code) ?? []
    const start = shared === undefined ? `^  '?${name}'?: ` : `^const ${shared} = `
    const option = new RegExp(`${start}\\{[^}]*?type: '(\\w+)'[^}]*?default: '([^']+)'`, 'm').exec(code)
    const [, type, text = ''] = option ?? []
    if (option !== null)
      return type === 'size' ? parseSize(text) : type === 'time' ? parseTime(text) : Number(text)
  }
  const [, text = ''] = new RegExp(`\\b${name}(?:: \\w+)?(?: =|:) ([\\d][^,\\n]*),?$`, 'm').exec(code) ?? []
  return ARITHMETIC.test(text) ? (new Function(`return ${text}`)() as number) : undefined
}

describe('SECURITY.md', () => {
  test('names tests that exist', () => {
    const named = [...PAGE.matchAll(TESTED)].flatMap(([, file = '', names = '']) =>
      [...names.matchAll(NAME)].map(([, name = '']) => ({ file, name })),
    )
    expect(named.length).toBeGreaterThan(40)
    const missing = named.filter(({ file, name }) => {
      const path = join(ROOT, file)
      return !existsSync(path) || !readFileSync(path, 'utf8').includes(name)
    })
    expect(missing).toEqual([])
  })

  test('has the limits of the code', () => {
    expect(bounds.length).toBeGreaterThan(60)
    const wrong = bounds.flatMap(({ limit, file, name }) => {
      if (name === 'hasBody') return []
      const [, number = '', unit = ''] = LIMIT.exec(limit) ?? []
      const value = Number(number.replaceAll(',', '')) * (FACTOR[unit] ?? 1)
      const actual = limitIn(file, name)
      return actual === value ? [] : [`${file} ${name}: ${actual}, and not ${limit}`]
    })
    expect(wrong).toEqual([])
  })

  test('has every limit of the formats that peers send', () => {
    const listed = new Set(bounds.map(({ file, name }) => `${file} ${name}`))
    const constants = sourcesUnder('src/protocol').flatMap(({ path, code }) =>
      [...code.matchAll(/^(?:export )?const (MAX_\w+) =/gm)].map(([, name = '']) => ({ path, name })),
    )
    expect(constants.length).toBeGreaterThan(10)
    const left = constants.filter(
      ({ path, name }) => !NO_BOUNDS.includes(name) && !listed.has(`${path} ${name}`),
    )
    expect(left.map(({ path, name }) => `${path} ${name}`)).toEqual([])
  })

  test('names every public fault after which a test is named', () => {
    const titles = sourcesUnder('test').flatMap(({ code }) => code.match(/CVE-\d{4}-\d{4,}/g) ?? [])
    expect(titles.length).toBeGreaterThan(10)
    expect([...new Set(titles)].filter((cve) => !PAGE.includes(cve))).toEqual([])
  })
})

import { describe, expect, test } from 'bun:test'
import { posix } from 'node:path'
import { packageOf, sourcesUnder } from './support/sources.ts'

/** What an agent with a classic configuration of `tail` and `null` loads at its start. */
const LOADED = [
  'src/main.ts',
  'src/agent/agent.ts',
  'src/store/open.ts',
  'src/plugins/inputs/tail/index.ts',
  'src/plugins/outputs/null.ts',
]
/** Files and folders that only some configurations and commands need. */
const ON_DEMAND = [
  'src/agent/dead-letters/print.ts',
  'src/agent/followed-labels.ts',
  'src/agent/trial/',
  'src/cli/config-commands.ts',
  'src/cli/explain.ts',
  'src/cli/migrate.ts',
  'src/cli/program.ts',
  'src/cli/test-run.ts',
  'src/config/buffer.ts',
  'src/config/builtin-parsers.ts',
  'src/config/classic-writer.ts',
  'src/config/fluent-bit-plugins.ts',
  'src/config/fluentd/',
  'src/config/ordered-routing.ts',
  'src/config/ordered-to-match.ts',
  'src/config/processors.ts',
  'src/config/repeated-messages.ts',
  'src/config/upstreams.ts',
  'src/config/yaml/',
  'src/engine/buffer/',
  'src/engine/conditional-filter.ts',
  'src/engine/dead-letters/filter-letters.ts',
  'src/engine/ordered-router.ts',
  'src/engine/ordered-routing.ts',
  'src/lib/http/',
  'src/lib/json/msgpack-to-json.ts',
  'src/lib/records/accessor.ts',
  'src/lib/records/condition.ts',
  'src/lib/ruby/',
  'src/lib/segments/',
  'src/lib/tags/',
  'src/observe/http/',
  'src/plugins/filters/',
  'src/plugins/inputs/tail/preview.ts',
  'src/plugins/inputs/tail/tracking/pos-file.ts',
]

const STATIC = /^(?:import|export)\b(?!\s+type\b)([^;'"]*?)\bfrom\s*['"]([^'"]+)['"]/gm
const NAMES = /\{([^}]*)\}/

const codeOf = new Map(sourcesUnder('src').map(({ path, code }) => [path, code]))
const loaded = new Set<string>()
for (const path of LOADED) load(path)

/** Adds a file and what it imports; not what it imports by a call, nor what it imports as a type. */
function load(path: string): void {
  if (loaded.has(path)) return
  loaded.add(path)
  for (const [, names = '', from = ''] of codeOf.get(path)?.matchAll(STATIC) ?? [])
    if (!isOfTypes(names)) load(from.startsWith('.') ? posix.join(posix.dirname(path), from) : from)
}

function isOfTypes(names: string): boolean {
  const listed =
    NAMES.exec(names)?.[1]
      ?.split(',')
      .filter((name) => name.trim() !== '') ?? []
  return listed.length > 0 && listed.every((name) => name.trim().startsWith('type '))
}

describe('a start with a plain configuration', () => {
  test('loads nothing that its configuration does not name', () => {
    const needless = [...loaded].filter((path) => ON_DEMAND.some((room) => path.startsWith(room)))
    expect(needless).toEqual([])
  })

  test('loads no package', () => {
    expect([...loaded].filter((path) => packageOf(path) !== undefined)).toEqual([])
  })

  test('loads files that are there', () => {
    const files = [...loaded].filter((path) => path.startsWith('src/'))
    expect(files.filter((path) => !codeOf.has(path))).toEqual([])
    expect(files).toContain('src/config/plan.ts')
    expect(ON_DEMAND.filter((room) => ![...codeOf.keys()].some((path) => path.startsWith(room)))).toEqual([])
  })
})

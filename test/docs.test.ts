import { expect, test } from 'bun:test'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { differences, makePages, writePages } from '../scripts/docs.ts'
import { loadPlan } from '../src/config/load.ts'
import type { PlanResult } from '../src/config/plan.ts'
import { ERROR_CODES, formatLocation } from '../src/core/error.ts'
import { defaultValue } from '../src/core/options/parse.ts'
import { registry } from '../src/registry.ts'
import { SPECS } from './config/specs.ts'
import { sourcesUnder } from './support/sources.ts'
import { tmp } from './support/tmp.ts'

const ROOT = resolve(import.meta.dirname, '..')
/** `docs/DELIVERY.md, "When ..."` */
const PAGE = /\b(docs\/[\w/-]+\.md)(?:, "([^"]+)")?/g
const EXAMPLE = /## Example\n\n```\n([\s\S]*?)```/
const YAML_EXAMPLE = /```yaml\n([\s\S]*?)```/g
/** A Markdown link to a file of the project: path, and the heading after #. */
const LINK = /\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]*))?\)/g
const CODE = /^```[\s\S]*?^```$/gm
const HEADING = /^#+ (.*)$/gm
const NOT_IN_ANCHORS = /[^\p{L}\p{N} _-]/gu
const HEADER = /^\[(\w+)\]/gm

const plugins = (['input', 'parser', 'filter', 'output'] as const).flatMap((kind) =>
  registry.names(kind).map((name) => ({ kind, name })),
)

async function load(file: string): Promise<PlanResult & { reported: string[] }> {
  const result = await loadPlan({ file, flags: undefined, registry, env: {}, checkUnused: true })
  return { ...result, reported: result.problems.map((p) => `${formatLocation(p.location)}: ${p.message}`) }
}

test('the generated docs match the sources', async () => {
  expect(differences(ROOT, await makePages(registry))).toEqual([])
})

test('every error code has its line, with summary and remedy', async () => {
  const page = (await makePages(registry)).get('docs/errors.md') ?? ''
  for (const [code, { exit, summary, remedy }] of Object.entries(ERROR_CODES)) {
    expect(page).toContain(`\n| \`${code}\` | ${exit} | ${summary} | ${remedy} |\n`)
  }
})

test('the YAML of every page is a configuration without problems', async () => {
  const pages = [
    'docs/plugins/processors.md',
    'docs/plugins/filter-content_modifier.md',
    'docs/configuration.md',
    'docs/guides/before-the-start.md',
  ]
  const texts = pages.flatMap((page) =>
    [...readFileSync(join(ROOT, page), 'utf8').matchAll(YAML_EXAMPLE)].map(([, text = '']) => ({
      page,
      text,
    })),
  )
  expect(texts.length).toBeGreaterThanOrEqual(pages.length)
  for (const { page, text } of texts) {
    const file = join(tmp(), 'example.yaml')
    // An example of one section is completed.
    writeFileSync(
      file,
      text.includes('pipeline:')
        ? text
        : `${text}pipeline: {inputs: [{name: dummy, tag: shop}], outputs: [{name: 'null', alias: hub, match: '*'}]}\n`,
    )
    expect({ page, reported: (await load(file)).reported }).toEqual({ page, reported: [] })
  }
})

test('README links to the page of every plugin', () => {
  const text = readFileSync(join(ROOT, 'README.md'), 'utf8')
  const links = plugins.map(({ kind, name }) => `[${name}](docs/plugins/${kind}-${name}.md)`)
  expect(links.filter((link) => !text.includes(link))).toEqual([])
})

test('every page and heading named by a message exists', () => {
  const named = sourcesUnder('src').flatMap(({ path, code }) =>
    [...code.matchAll(PAGE)].map(([, page = '', heading]) => ({ path, page, heading })),
  )
  expect(named.length).toBeGreaterThan(3)
  const missing = named.filter(({ page, heading }) => {
    const file = join(ROOT, page)
    if (!existsSync(file)) return true
    return heading !== undefined && !readFileSync(file, 'utf8').includes(`# ${heading}\n`)
  })
  expect(missing).toEqual([])
})

/** Returns the headings of a page as GitHub's anchors. */
function anchorsOf(text: string): string[] {
  return [...text.matchAll(HEADING)].map(([, heading = '']) =>
    heading.toLowerCase().replace(NOT_IN_ANCHORS, '').replaceAll(' ', '-'),
  )
}

test('every link of a page points to an existing file and heading', () => {
  const names = readdirSync(join(ROOT, 'docs'), { recursive: true }) as string[]
  const pages = ['README.md', 'CONTRIBUTING.md', ...names.map((name) => join('docs', name))]
  const broken = pages
    .filter((path) => path.endsWith('.md'))
    .flatMap((path) => {
      const text = readFileSync(join(ROOT, path), 'utf8').replace(CODE, '')
      return [...text.matchAll(LINK)].flatMap(([link, to = '', anchor]) => {
        const file = to === '' ? join(ROOT, path) : join(ROOT, dirname(path), to)
        if (!existsSync(file)) return [`${path}: ${link}`]
        const found = anchor === undefined || anchorsOf(readFileSync(file, 'utf8')).includes(anchor)
        return found ? [] : [`${path}: ${link}`]
      })
    })
  expect(broken).toEqual([])
})

test('every guide has a test that runs its commands', () => {
  const tests = readdirSync(join(ROOT, 'test/e2e'), { recursive: true }) as string[]
  const texts = tests
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => readFileSync(join(ROOT, 'test/e2e', name), 'utf8'))
  const guides = readdirSync(join(ROOT, 'docs/guides')).map((name) => `docs/guides/${name}`)
  expect(guides.filter((path) => !texts.some((text) => text.includes(`'${path}'`)))).toEqual([])
})

test('a changed, missing or obsolete page is found and fixed', async () => {
  const root = tmp()
  const pages = await makePages(SPECS)
  expect(differences(root, pages)).toEqual([...pages.keys()].sort())
  writePages(root, pages)
  expect(differences(root, pages)).toEqual([])
  writeFileSync(join(root, 'docs/errors.md'), 'x')
  writeFileSync(join(root, 'docs/plugins/input-gone.md'), 'x')
  mkdirSync(join(root, 'docs/plugins/images'))
  expect(differences(root, pages)).toEqual(['docs/errors.md', 'docs/plugins/input-gone.md'])
  writePages(root, pages)
  expect(differences(root, pages)).toEqual([])
})

test('a page lists options and ineffective options in valid tables', async () => {
  const page = (await makePages(SPECS)).get('docs/plugins/input-follow.md')
  expect(page).toContain('| `refresh_interval` | time, at least 1ms | `60` | How often. |\n')
  expect(page).toContain('| `path` | comma-separated list, may be repeated | (required) | Files. |\n')
  expect(page).toContain('| `db.sync` | full\\|normal\\|off | `normal` | Sync. |\n')
  expect(page).toContain('- `buffer_chunk_size`: one buffer for all\n')
  expect(page).toContain('(README.md#options-of-every-input)')
})

test.each(plugins)(
  'the table of $kind $name is valid, and its name is that in the registry',
  async ({ kind, name }) => {
    const spec = await registry.find(kind, name)
    expect([spec?.kind, spec?.name]).toEqual([kind, name])
    expect(spec?.summary).toEndWith('.')
    for (const [key, option] of Object.entries(spec?.options ?? {})) {
      expect(key).toBe(key.toLowerCase())
      expect([key, option.help === '']).toEqual([key, false])
      expect(() => defaultValue(key, option)).not.toThrow()
    }
  },
)

test.each(plugins)('the example of $kind $name is a valid configuration', async ({ kind, name }) => {
  const example = (await registry.find(kind, name))?.example ?? ''
  const sections = [...example.matchAll(HEADER)].map(([, section]) => section?.toUpperCase())
  expect(sections).toContain(kind.toUpperCase())
  const input = sections.includes('INPUT') ? '' : '[INPUT]\n    Name tail\n    Path a.log\n'
  const output = sections.includes('OUTPUT') ? '' : '[OUTPUT]\n    Name null\n    Match *\n'
  const file = join(tmp(), 'example.conf')
  writeFileSync(file, `${example}\n${input}${output}`)
  const { reported, warnings } = await load(file)
  expect(reported).toEqual([])
  expect(warnings.filter((warning) => warning.includes('no effect'))).toEqual([])
})

test('the example of the multiline parsers is a valid configuration', async () => {
  const page = (await makePages(registry)).get('docs/plugins/multiline.md') ?? ''
  const [, example = ''] = EXAMPLE.exec(page) ?? []
  const file = join(tmp(), 'example.conf')
  writeFileSync(file, `${example}[INPUT]\n    Name mem\n[OUTPUT]\n    Name null\n    Match *\n`)
  const { plan, reported } = await load(file)
  expect(reported).toEqual([])
  expect(plan?.multilines.map(({ name }) => name)).toEqual(['traces'])
})

test('the default configuration is valid and has no warnings', async () => {
  const { reported, warnings, plan } = await load(join(ROOT, 'conf/shipper.conf'))
  expect(reported).toEqual([])
  expect(warnings).toEqual([])
  expect(plan?.inputs[0]?.spec.name).toBe('tail')
})

import { execFileSync } from 'node:child_process'
import { ROOT } from './bootstrap.mjs'

/**
 * `npm run commit-lint [-- RANGE]`: every commit is `area: imperative subject`, and touches that area only. Without a
 * range: what the upstream branch does not have, or all where there is none.
 */
const LIMIT = 72
const SUBJECT = /^([a-z0-9][a-z0-9-]*): (\S.*)$/
const ISSUE = /#\d+/
const EXTENSION = /\.ts$/
const PAST = /^(?:added|fixed|changed|removed|updated|moved|renamed)\b/i

/** Paths that may go with any area: the tests, documents, packages, error codes and the registry's line of a change. */
const TRAVELLERS = [
  /^test\//,
  /^docs\//,
  /^(?:CHANGELOG|README)\.md$/,
  /^package(?:-lock)?\.json$/,
  /^src\/registry\.ts$/,
  /^src\/core\/error\.ts$/,
]

/** Areas that are not named after a folder of src/ or a plugin. */
const AREAS: Record<string, RegExp[]> = {
  build: [
    /^(?:Dockerfile|\.dockerignore)$/,
    /^pkg\.config\.json$/,
    /^scripts\//,
    /^\.npmrc$/,
    /^(?:tsconfig|biome)\.json$/,
    /^\.gitignore$/,
  ],
  ci: [/^\.ci\//],
  deps: [/^src\//],
  docs: [/^[A-Z]+(?:\.md)?$/],
  install: [/^scripts\/install\.sh$/, /^conf\//, /^pkg\.config\.json$/],
  cli: [/^src\/(?:cli|main)\.ts$/, /^src\/cli\//],
  test: [],
}

export interface Commit {
  id: string
  subject: string
  paths: string[]
}

/** What is wrong with it; nothing for merges, which have no paths of their own. */
export function complaints({ subject, paths }: Commit): string[] {
  const [, area, text = ''] = SUBJECT.exec(subject) ?? []
  if (area === undefined) return ['the subject is not `area: what it does`']
  const found: string[] = []
  if (subject.length > LIMIT)
    found.push(`the subject has ${subject.length} characters, the limit is ${LIMIT}`)
  if (text.endsWith('.')) found.push('the subject ends with a full stop')
  if (PAST.test(text)) found.push('the subject is not imperative')
  if (ISSUE.test(subject)) found.push('an issue number belongs in the body')
  const strangers = paths.filter(
    (path) => !TRAVELLERS.some((form) => form.test(path)) && !belongs(area, path),
  )
  if (strangers.length > 0) found.push(`not of the area ${area}: ${strangers.join(' ')}`)
  return found
}

/** `tail`, `in-tail` and `inputs` all name src/plugins/inputs/tail; a folder of the root names itself. */
function belongs(area: string, path: string): boolean {
  if (AREAS[area]?.some((form) => form.test(path))) return true
  const parts = path.split('/').map((part) => part.replace(EXTENSION, ''))
  if (parts[0] !== 'src') return parts[0] === area || parts[0] === `.${area}`
  if (parts[1] !== 'plugins') return parts[1] === area
  const [, , kinds = '', name = ''] = parts
  const short = { inputs: 'in', outputs: 'out', filters: 'filter', parsers: 'parser' }[kinds]
  return [kinds, name, `${short}-${name}`, 'plugins'].includes(area)
}

function main(): void {
  const range = process.argv[2] ?? defaultRange()
  const commits = parseLog(git('log', '--no-merges', '--name-only', '--format=%x00%h%x09%s', range))
  const bad = commits.flatMap((commit) =>
    complaints(commit).map((text) => `${commit.id} ${commit.subject}\n  ${text}\n`),
  )
  process.stdout.write(`${bad.join('')}${commits.length} commits, ${bad.length} complaints\n`)
  process.exit(bad.length > 0 ? 1 : 0)
}

export function parseLog(log: string): Commit[] {
  return log
    .split('\0')
    .slice(1)
    .map((entry) => {
      const [head = '', ...paths] = entry.split('\n').filter((line) => line !== '')
      const [id = '', ...subject] = head.split('\t')
      return { id, subject: subject.join('\t'), paths }
    })
}

function defaultRange(): string {
  try {
    return `${git('rev-parse', '--abbrev-ref', '@{upstream}').trim()}..HEAD`
  } catch {
    return 'HEAD'
  }
}

function git(...args: string[]): string {
  return execFileSync('git', args, {
    cwd: ROOT,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    maxBuffer: 1 << 28,
  })
}

if (import.meta.main) main()

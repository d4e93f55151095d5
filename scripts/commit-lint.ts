import { execFileSync } from 'node:child_process'
import { ROOT } from './bootstrap.mjs'

/**
 * `npm run commit-lint [-- RANGE]`: every commit is `area: imperative subject`, and touches that area only. Without a
 * range it checks the commits that the upstream branch does not have, or those after FIRST_CHECKED if there is no
 * upstream branch.
 */
const MAX_SUBJECT_LENGTH = 72
/** Subjects up to this commit were written before they had to begin with a verb. */
const FIRST_CHECKED = '93c8bba'
const SUBJECT = /^([a-z0-9][a-z0-9-]*): (\S.*)$/
const ISSUE = /#\d+/
const EXTENSION = /\.ts$/
const FIRST_WORD = /^[A-Za-z]+(?:-[a-z]+)?/

/**
 * Verbs that a subject may begin with. A list and not a grammar: English has no form that tells a verb from a noun.
 * Add the verb that is missing.
 */
const VERBS = new Set(
  `abort accept acknowledge add adjust align allow answer append apply assert assign assume avoid await back begin bind
  bound break bring build bump bundle cache call cancel cap carry catch change check choose claim clamp clarify classify clean
  clear close collapse collect combine commit compare compile complete compress compute configure confirm connect consume
  continue convert copy correct count cover create cut deal decide declare decode decompress default defer define delay
  delete deliver demote deny deprecate derive describe detach detect disable discard discover distinguish divide do document
  double drain draw drop dump emit empty enable encode end enforce ensure enter escape evict exclude exempt exit expand
  expect expire explain expose extend extract fail fall fetch fill filter find finish fix flatten flush fold follow force
  forget format forward free freeze fuzz generate get give go group grow guard halve handle hash hide hold honor ignore implement
  import improve include increase index infer inflate inherit init initialize inject inline insert install interrupt
  introduce invalidate isolate join keep kill know label leave lend let lift limit link lint list listen load lock log look
  lower make map mark match measure merge mention migrate mirror mock move name narrow normalize note notice number observe
  offer omit open order override own pace pack pad parse pass pause permit pick pin place poll populate postpone prefer
  prepare prepend preserve prevent print probe process prohibit promise promote propagate protect prove provide prune
  publish pull purge push put quote raise randomize reach read rebuild recognize recompute reconcile reconnect record
  recover recreate recycle redirect reduce refactor refresh refuse regenerate register reject relax release reload remember
  remove rename render reopen reorder repair repeat replace reply report request require rescan reserve reset resolve
  respect restart restore restrict restructure resume retain rethrow retry return reuse revert review revise rewrite rotate
  round route run salvage sample save say scan schedule search seed select send separate serialize serve set settle shard share
  shift shorten show shrink sign silence simplify skip sleep solve sort span specify speed spell split stamp start state stay
  stop store stream strip subscribe substitute suggest support suppress survive swallow swap switch sync synchronize tail
  take teach tear tell terminate test throttle throw tidy tighten time tolerate touch trace track translate trim truncate try
  tune turn type undo unify unlink unlock unpack unset update upgrade use validate verify wait wake walk warn watch weaken weigh
  widen wire wrap write yield`.split(/\s+/),
)

/** Paths that may go with any area: the tests, documents, packages, error codes and the registry's line of a change. */
const ANY_AREA = [
  /^test\//,
  /^docs\//,
  /^(?:CHANGELOG|CONTRIBUTING|README|SECURITY)\.md$/,
  /^package(?:-lock)?\.json$/,
  /^src\/registry\.ts$/,
  /^src\/core\/error\.ts$/,
]

/** Areas that are not named after a folder of src/ or a plugin, and what such areas may touch in addition. */
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
  // Renames and moves that cross the folders of src/, with those who import from there.
  src: [/^(?:src|bench|scripts)\//, /^(?:tsconfig|biome|pkg\.config)\.json$/],
  // The runner belongs to the tests.
  test: [/^scripts\/test(?:-report|-times)?\.mjs$/],
}

export interface Commit {
  id: string
  subject: string
  paths: string[]
}

/** Returns what is wrong with a commit; nothing for a merge, which has no paths of its own. */
export function complaints({ subject, paths }: Commit): string[] {
  const [, area, text = ''] = SUBJECT.exec(subject) ?? []
  if (area === undefined) return ['the subject is not `area: what it does`']
  const found: string[] = []
  if (subject.length > MAX_SUBJECT_LENGTH)
    found.push(`the subject has ${subject.length} characters, the limit is ${MAX_SUBJECT_LENGTH}`)
  if (text.endsWith('.')) found.push('the subject ends with a full stop')
  if (!startsWithVerb(text)) found.push('the subject does not begin with an imperative verb')
  if (ISSUE.test(subject)) found.push('an issue number belongs in the body')
  const strangers = paths.filter((path) => !ANY_AREA.some((form) => form.test(path)) && !belongs(area, path))
  if (strangers.length > 0) found.push(`not of the area ${area}: ${strangers.join(' ')}`)
  return found
}

/** `re-open` and `double-check` count as `open` and `check`. */
function startsWithVerb(text: string): boolean {
  const [word = ''] = FIRST_WORD.exec(text) ?? []
  return VERBS.has(word) || VERBS.has(word.split('-').at(-1) as string)
}

/**
 * `tail`, `in-tail` and `inputs` all name src/plugins/inputs/tail, `forward` also src/protocol/forward; a folder of the root
 * names itself.
 */
function belongs(area: string, path: string): boolean {
  if (AREAS[area]?.some((form) => form.test(path))) return true
  const parts = path.split('/').map((part) => part.replace(EXTENSION, ''))
  if (parts[0] !== 'src') return parts[0] === area || parts[0] === `.${area}`
  if (parts[1] === 'protocol' && parts[2] === area) return true
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

/** Parses what `git log --name-only --format=%x00%h%x09%s` prints. */
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
  const upstream = tryGit('rev-parse', '--abbrev-ref', '@{upstream}')
  if (upstream !== undefined) return `${upstream}..HEAD`
  // A shallow clone does not have the commit.
  return tryGit('cat-file', '-t', FIRST_CHECKED) === 'commit' ? `${FIRST_CHECKED}..HEAD` : 'HEAD'
}

function tryGit(...args: string[]): string | undefined {
  try {
    return git(...args).trim()
  } catch {
    return undefined
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

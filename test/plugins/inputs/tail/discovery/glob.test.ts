import { describe, expect, test } from 'bun:test'
import { execFileSync } from 'node:child_process'
import { mkdirSync, realpathSync, renameSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { NamePattern } from '../../../../../src/plugins/inputs/tail/discovery/fnmatch.ts'
import { overlap } from '../../../../../src/plugins/inputs/tail/discovery/pattern-overlap.ts'
import { SEARCH_LIMITS } from '../../../../../src/plugins/inputs/tail/discovery/search.ts'
import { fc } from '../../../../support/property.ts'
import { glob as libcGlob, withLibc } from '../../../../support/tail/fnmatch.ts'
import { globOf } from '../../../../support/tail/glob.ts'
import { atEnd, tmp } from '../../../../support/tmp.ts'

/** Creates empty files in a new directory and returns its real path. */
function treeOf(...paths: string[]): string {
  const root = realpathSync(tmp())
  for (const path of paths) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), '')
  }
  return root
}

/** Returns the files below the root that a Path and an Exclude_Path find. */
function found(root: string, path: string, ...excludes: string[]): string[] {
  const { glob } = globOf([path], excludes)
  const { paths } = glob.find()
  // Events must find what a search finds.
  expect(paths.filter((p) => !glob.matches(p))).toEqual([])
  return paths.map((p) => p.slice(root.length + 1)).sort()
}

function chdir(directory: string): void {
  const before = process.cwd()
  process.chdir(directory)
  atEnd(() => process.chdir(before))
}

describe('Path', () => {
  test('is relative to the working directory, also when its name looks like a pattern', () => {
    const root = treeOf('a[1]/x.log', 'a1/y.log')
    chdir(join(root, 'a[1]'))
    expect(found(root, '*.log')).toEqual(['a[1]/x.log'])
    expect(found(root, './x.log')).toEqual(['a[1]/x.log'])
    expect(found(root, '../a1/*')).toEqual(['a1/y.log'])
  })

  test('has `~` for the home directory and `~user` for that of another user', () => {
    const patternOf = (text: string) => globOf([text]).glob
    expect(patternOf('~/x/*.log').matches(join(homedir(), 'x/a.log'))).toBe(true)
    expect(patternOf('~root/*.log').matches('/root/a.log')).toBe(true)
    expect(globOf(['~nobody-of-this-name/*.log']).warnings).toEqual([
      'Path ~nobody-of-this-name/*.log: there is no user `nobody-of-this-name`: `~` is taken literally',
    ])
  })

  test('matches wildcards in directories, but not hidden ones, and never crosses a slash', () => {
    const root = treeOf('a/x.log', 'b/y.log', '.c/z.log', 'a/deep/w.log', 'v.log')
    expect(found(root, `${root}/*/*.log`)).toEqual(['a/x.log', 'b/y.log'])
    expect(found(root, `${root}/.*/*.log`)).toEqual(['.c/z.log'])
    expect(found(root, `${root}/[!b]*/*.log`)).toEqual(['a/x.log'])
  })

  test('reads escaped characters in directories and names', () => {
    const root = treeOf('d[1]/x[1].log', 'd1/x1.log', 'd*/a?.log')
    expect(found(root, `${root}/d\\[1\\]/x\\[1\\].log`)).toEqual(['d[1]/x[1].log'])
    expect(found(root, `${root}/d\\[1]/*`)).toEqual(['d[1]/x[1].log'])
    expect(found(root, `${root}/d\\*/a\\?.log`)).toEqual(['d*/a?.log'])
  })

  test('ignores doubled slashes and dots, and resolves `..` after a wildcard', () => {
    const root = treeOf('a/x.log', 'y.log')
    expect(found(root, `${root}//a/.//*.log`)).toEqual(['a/x.log'])
    expect(found(root, `${root}/*/../*.log`)).toEqual(['y.log'])
  })

  test('finds names with a newline and with characters of any length', () => {
    const root = treeOf('a\nb.log', '😀.log', 'é.log', 'X.LOG')
    expect(found(root, `${root}/*.log`)).toEqual(['a\nb.log', 'é.log', '😀.log'])
    expect(found(root, `${root}/?.log`)).toEqual(['é.log', '😀.log'])
  })

  test('logs what a pattern seems to do but does not', () => {
    expect(globOf(['/var/log/**/*.log']).warnings.join()).toContain('`**` means the same as `*`')
    expect(globOf(['/var/log/{a', '/b}.log']).warnings.join()).toContain('braces are taken literally')
    expect(globOf(['/var/log/']).warnings.join()).toContain('matches only directories')
    expect(globOf(['/var/log/[z-a].log']).warnings.join()).toContain('`z-a` is an empty range')
    expect(globOf(['/var/log/*.log', '~/[[:digit:]]*/x\\[1\\].log']).warnings).toEqual([])
  })

  test('logs that it is a directory or a FIFO', () => {
    const root = treeOf('a/x.log')
    execFileSync('mkfifo', [join(root, 'fifo')])
    symlinkSync('a', join(root, 'link'))
    const { glob, warnings } = globOf([
      `${root}/a`,
      `${root}/link`,
      `${root}/fifo`,
      '/dev/null',
      `${root}/a/x.log`,
    ])
    glob.find()
    glob.find()
    expect(warnings.map((line) => line.replace(root, ''))).toEqual([
      'Path /a is a directory: nothing is read',
      'Path /link is a directory: nothing is read',
      'Path /fifo is a FIFO: nothing is read',
      'Path /dev/null is a device or socket: nothing is read',
    ])
    renameSync(join(root, 'fifo'), join(root, 'a/x.log'))
    glob.find()
    expect(warnings.slice(4).map((line) => line.replace(root, ''))).toEqual([
      'Path /a/x.log is a FIFO: nothing is read',
    ])
  })

  withLibc('finds what glob(3) finds', () => {
    const root = treeOf('a/x.log', 'a/[y].log', 'b[1]/x.log', 'b[1]/.z.log', 'c/a-b', 'c/]', 'c/\\', '→/!')
    const part = fc.constantFrom(
      ...[
        '*',
        '?',
        'a',
        'b\\[1\\]',
        '[ab]*',
        '[!a]*',
        '*[]]',
        'x.log',
        '*.log',
        '.*',
        '\\a',
        'b[1]',
        '[[:alpha:]]*',
        '[a',
        'b[[]1]',
      ],
      ...['c', '\\]', '*\\\\', '[\\\\]', '?-b', '[!a-b]', '*[!g]', '[[.!.]]', '\\[y]*'],
    )
    fc.assert(
      fc.property(fc.array(fc.tuple(part, part), { minLength: 100, maxLength: 200 }), (pairs) => {
        const patterns = pairs.map((pair) => `${root}/${pair.join('/')}`)
        const ours = patterns.map((pattern) => filesOf(globOf([pattern]).glob.find().paths))
        expect(ours).toEqual(libcGlob(patterns).map(filesOf))
      }),
      { numRuns: 5 },
    )
  })
})

/** Returns those paths that are files: `.*` also finds the directory itself and its parent. */
function filesOf(paths: string[]): string[] {
  return paths
    .filter((path) => !DOTS.test(path) && statSync(path, { throwIfNoEntry: false })?.isFile())
    .sort()
}

const DOTS = /\/\.{1,2}\//

describe('Exclude_Path', () => {
  test('is made absolute like Path', () => {
    const root = treeOf('logs/a.log', 'logs/debug.log')
    chdir(root)
    expect(found(root, 'logs/*.log', 'logs/debug.log')).toEqual(['logs/a.log'])
    expect(found(root, 'logs/*.log', './logs/debug*')).toEqual(['logs/a.log'])
    expect(found(root, `${root}/logs/*.log`, 'logs/debug.log')).toEqual(['logs/a.log'])
    expect(globOf(['~/l/*.log'], ['~/l/debug.log']).glob.matches(join(homedir(), 'l/debug.log'))).toBe(false)
  })

  test('matches the whole path: a star crosses slashes and leading dots', () => {
    const root = treeOf('a/x.log', 'a/x.log.gz', 'b/.old/y.log', 'b/y.log')
    expect(found(root, `${root}/*/*`, '*.gz')).toEqual(['a/x.log', 'b/y.log'])
    expect(found(root, `${root}/*/.*/*`, '*/y.log')).toEqual([])
    expect(found(root, `${root}/*/*.log`, `${root}*y.log`)).toEqual(['a/x.log'])
  })

  test('that cannot match any path of Path is logged', () => {
    const warnings = (path: string, exclude: string) => globOf([path], [exclude]).warnings
    const reason = 'it cannot match any path of Path, so it excludes nothing'
    expect(warnings('/var/log/*.log', 'debug.log')).toEqual([`Exclude_Path debug.log: ${reason}`])
    expect(warnings('/var/log/*.log', '/var/log/nginx/*')).toEqual([
      `Exclude_Path /var/log/nginx/*: ${reason}`,
    ])
    // Rotated files are next to their log.
    for (const exclude of ['*.gz', '/var/log/debug*', '*/[0-9]*', '/var/log/.hidden', '*'])
      expect(warnings('/var/log/app.log', exclude)).toEqual([])
  })

  test('that can match only an empty name, `.` or `..` is logged', () => {
    const root = treeOf('l/e/a.log', 'l/d/a.log', 'elsewhere/x')
    chdir(root)
    const warnings = (exclude: string) => globOf([`${root}/l/*/*.log`], [exclude]).warnings
    const slash =
      'a pattern that ends with a slash matches no file: add `*` to exclude those in the directory'
    for (const exclude of [`${root}/l/e/`, 'l/e/', 'e/', '*/e/', '*/', 'l/*/', '~/', '/'])
      expect(warnings(exclude)).toEqual([`Exclude_Path ${exclude}: ${slash}`])
    for (const exclude of ['l//e/*', './l/e/*', 'l/d/../e/*', '*/e/*', 'l/?/*', '*/./e/*'])
      expect(warnings(exclude)).toEqual([])
    expect(found(root, `${root}/l/*/*.log`, 'l//d/../e/./*')).toEqual(['l/d/a.log'])
    chdir(join(root, 'elsewhere'))
    const nothing = 'it cannot match any path of Path, so it excludes nothing'
    for (const exclude of ['*//a.log', '*/../a.log', '*/./a.log', '*/e/.', '/..', '.'])
      expect(warnings(exclude)).toEqual([`Exclude_Path ${exclude}: ${nothing}`])
  })

  test('that matches a directory but not the files in it is logged once', () => {
    const root = treeOf('l/e/a.log', 'l/e/deep/a.log', 'l/d/a.log', 'm/e/a.log')
    const warnings = (...excludes: string[]) => {
      const { glob, warnings } = globOf([`${root}/*/*/*.log`, `${root}/l/e/deep/*`], excludes)
      glob.find()
      glob.find()
      return warnings.map((line) => line.replaceAll(root, ''))
    }
    expect(warnings('*/l/e')).toEqual([
      'Exclude_Path */l/e matches the directory /l/e, but not the files in it: they are read',
    ])
    expect(warnings('*/l/e', '*/l/e/*.log')).toEqual([])
    expect(warnings('*/l/e', `${root}/l/e/a*`)).toHaveLength(1)
    expect(warnings('*/none', '*/e/*', '*/d*')).toEqual([])
    expect(warnings(root)).toEqual([
      'Exclude_Path : it cannot match any path of Path, so it excludes nothing',
    ])
  })

  test('is reported to exclude nothing only if that is true', () => {
    const piece = fc.constantFrom('a', 'b', '/', '*', '?', '[ab]', '[!a]', '.', '[/-a]')
    const text = fc.array(piece, { maxLength: 6 }).map((pieces) => pieces.join(''))
    const char = fc.constantFrom('a', 'b', '/', '.', 'c')
    const name = fc.array(char, { maxLength: 6 }).map((chars) => chars.join(''))
    const matchesPath = (pattern: string, path: string): boolean => {
      const [patterns, parts] = [pattern.split('/'), path.split('/')]
      return (
        patterns.length === parts.length &&
        patterns.every((p, i) => new NamePattern(p, false).test(parts[i] ?? ''))
      )
    }
    fc.assert(
      fc.property(text, text, fc.array(name, { maxLength: 20 }), (path, exclude, names) => {
        const tokens = path
          .split('/')
          .flatMap((p, i) => [...(i > 0 ? [0x2f] : []), ...new NamePattern(p, false).tokens])
        const excluded = new NamePattern(exclude, false)
        if (overlap(tokens, excluded.tokens)) return
        expect(names.filter((n) => matchesPath(path, n) && excluded.test(n))).toEqual([])
      }),
      { numRuns: 2000 },
    )
    const tokensOf = (pattern: string) => new NamePattern(pattern, false).tokens
    expect(overlap(tokensOf('*'), tokensOf('*a*b'))).toBe(true)
    expect(overlap(tokensOf('a?'), tokensOf('a/'))).toBe(false)
    expect(overlap(tokensOf('[a-c]x'), tokensOf('[!b-z]x'))).toBe(true)
    expect(overlap(tokensOf('[b-c]x'), tokensOf('[!a-z]x'))).toBe(false)
  })
})

describe('a search', () => {
  test('names a directory behind a loop of links as unreadable and finds the others', () => {
    const root = treeOf('u1/logs/a.log')
    mkdirSync(join(root, 'u2'))
    symlinkSync('logs', join(root, 'u2/logs'))
    const { glob, unreadable } = globOf([`${root}/*/logs/*.log`])
    expect(glob.find().paths).toEqual([join(root, 'u1/logs/a.log')])
    expect(unreadable).toHaveLength(1)
    expect(unreadable[0]).toStartWith(`${root}/u2/logs: ELOOP`)
  })

  test('finds a directory through a few of the links to it, and by its own name first', () => {
    const root = treeOf('b/a.log')
    for (let i = 0; i < 300; i++) symlinkSync('.', join(root, `a${i}`))
    for (let i = 0; i < 300; i++) symlinkSync('b', join(root, `c${i}`))
    const { glob, counters } = globOf([`${root}/*/*.log`, `${root}/*/*/*/*/*.log`])
    const { paths, folders } = glob.find()
    expect(paths[0]).toBe(join(root, 'b/a.log'))
    expect(folders.length).toBeLessThan(50)
    expect(counters.size).toBe(0)
  })

  test('finds a file through a link when its own name is excluded', () => {
    const root = treeOf('v2/a.log')
    symlinkSync('v2', join(root, 'current'))
    expect(found(root, `${root}/*/*.log`, '*/v2/*')).toEqual(['current/a.log'])
  })

  test('stops at its limits, which is counted and logged once, and gives each directory a share', () => {
    const root = treeOf('z/x/a.log')
    for (let i = 0; i < 200; i++) mkdirSync(join(root, `a/d${i}`), { recursive: true })
    const { glob, counters, warnings } = globOf([`${root}/*/*/*.log`], [], {
      ...SEARCH_LIMITS,
      directories: 20,
    })
    expect(glob.find().paths).toEqual([join(root, 'z/x/a.log')])
    glob.find()
    expect(counters.get('searches_cut')).toBe(2)
    expect(warnings).toEqual([
      'the search for files stopped at 20 directories or 1000000 entries: new files in other directories are not found',
    ])
  })

  test('stops at its limit of entries, and skips a directory that is too large', () => {
    const root = treeOf(...Array.from({ length: 30 }, (_, i) => `a/${i}.txt`), 'b/x.log')
    const few = globOf([`${root}/*/*.log`], [], { ...SEARCH_LIMITS, entries: 20 })
    few.glob.find()
    expect(few.counters.get('searches_cut')).toBe(1)
    const small = globOf([`${root}/*/*.log`], [], { ...SEARCH_LIMITS, directoryBytes: 0 })
    expect(small.glob.find().paths).toEqual([])
    expect(small.unreadable[0]).toStartWith(`${root}: the directory has too many entries`)
  })

  test('watches the nearest existing ancestor of a directory that is missing or is a file', () => {
    const root = treeOf('a/file')
    const foldersOf = (path: string) => globOf([path]).glob.find().folders
    expect(foldersOf(`${root}/no/such/*.log`)).toEqual([root])
    expect(foldersOf(`${root}/a/file/*.log`)).toEqual([`${root}/a`])
    expect(foldersOf(`${root}/a/file/x.log`)).toEqual([`${root}/a`])
    expect(foldersOf(`/no-such-directory/*.log`)).toEqual(['/'])
  })

  test('is not repeated before nine times its duration has passed', () => {
    const root = treeOf('a/x.log')
    const { glob } = globOf([`${root}/*/*.log`])
    expect(glob.restMs).toBe(0)
    glob.find()
    expect(glob.restMs).toBeGreaterThan(0)
  })
})

import { describe, expect, test } from 'bun:test'
import {
  appendFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join, relative } from 'node:path'
import { seedFromPosFile } from '../../../../../src/plugins/inputs/tail/tracking/pos-file.ts'
import { Bench } from '../../../../contract/offset-store/bench.ts'
import { follow, type TailRun } from '../../../../support/tail/run.ts'
import { atEnd, tmp } from '../../../../support/tmp.ts'
import { until } from '../../../../support/until.ts'

const UNWATCHED = 'f'.repeat(16)

/** Returns an entry of a pos_file as fluentd writes it. */
function entry(path: string, offset: number | string, inode = statSync(path).ino): string {
  const hex = typeof offset === 'string' ? offset : offset.toString(16).padStart(16, '0')
  return `${path}\t${hex}\t${inode.toString(16).padStart(16, '0')}\n`
}

/** A directory with logs that fluentd has read, its pos_file, and a database of the agent. */
class Folder {
  readonly dir = tmp()
  readonly posFile = join(this.dir, 'td.pos')
  readonly #bench: Bench

  constructor() {
    mkdirSync(join(this.dir, 'db'))
    this.#bench = new Bench(join(this.dir, 'db'), 'bun:sqlite')
    atEnd(() => this.#bench.end())
  }

  path(name: string): string {
    return join(this.dir, name)
  }

  open() {
    return this.#bench.open()
  }

  /** Starts a run as in fluentd, where files without a position are read from their end. */
  async run(tail: Record<string, string> = {}): Promise<TailRun> {
    const store = await this.open()
    const path = this.path('*.log')
    const options = { path, db: 'given', pos_file_seed: this.posFile, read_from_head: 'off', ...tail }
    const run = follow(options, { store })
    await until(() => run.logs.length >= 0 && run.files.length > 0)
    return run
  }
}

async function stop(run: TailRun): Promise<string[]> {
  await run.stop()
  return run.lines()
}

describe('positions of fluentd', () => {
  test('are continued, without a line lost or repeated, and the pos_file is not written', async () => {
    const folder = new Folder()
    const [a, b] = [folder.path('a.log'), folder.path('b.log')]
    writeFileSync(a, 'old 1\nold 2\nnew 1\n')
    writeFileSync(b, 'read\n')
    writeFileSync(folder.posFile, entry(a, 12) + entry(b, 5))
    const before = readFileSync(folder.posFile, 'utf8')
    const run = await folder.run()
    await run.waitForLines(1)
    appendFileSync(b, 'new 2\n')
    await run.waitForLines(2)
    expect(await stop(run)).toEqual(['new 1', 'new 2'])
    const taken = run.logs.map(({ message }) => message).filter((message) => message.startsWith('took'))
    expect(taken).toEqual([`took over 2 positions from ${folder.posFile}, which is not written`])
    appendFileSync(a, 'new 3\n')
    const again = await folder.run()
    await again.waitForLines(1)
    expect(await stop(again)).toEqual(['new 3'])
    expect(readFileSync(folder.posFile, 'utf8')).toBe(before)
  })

  test('of a file that was rotated while neither ran are continued in the rotated file, then the new one is read', async () => {
    const folder = new Folder()
    const log = folder.path('a.log')
    writeFileSync(log, 'read\nrest\n')
    writeFileSync(folder.posFile, entry(log, 5))
    renameSync(log, folder.path('a.log.1'))
    writeFileSync(log, 'first\n')
    // In the same moment, by the coarse clock of the file system.
    const born = statSync(log).birthtimeMs / 1000
    utimesSync(folder.posFile, born, born)
    const run = await folder.run()
    await run.waitForLines(2)
    expect(await stop(run)).toEqual(['rest', 'first'])
    expect(run.logs.map(({ message }) => message)).toContain(
      `took over 1 position from ${folder.posFile}, which is not written`,
    )
  })

  test('beyond the end of a file that was truncated meanwhile are not used: it is read from its start', async () => {
    const folder = new Folder()
    const log = folder.path('a.log')
    writeFileSync(log, 'one\n')
    writeFileSync(folder.posFile, entry(log, 4000))
    const run = await folder.run()
    await run.waitForLines(1)
    expect(await stop(run)).toEqual(['one'])
  })

  test('are not those of files that fluentd has left, never opened, or given several times but the last', async () => {
    const folder = new Folder()
    const names = ['left.log', 'unopened.log', 'twice.log', 'other.txt']
    const [left, unopened, twice, other] = names.map((name) => folder.path(name)) as [
      string,
      string,
      string,
      string,
    ]
    for (const path of [left, unopened, twice, other]) writeFileSync(path, 'one\ntwo\n')
    const text = [
      entry(left, 0),
      entry(left, UNWATCHED),
      entry(unopened, 0, 0),
      entry(twice, 0),
      'damaged line\n',
      entry(twice, 4).replace(twice, relative('.', twice)),
      entry(other, 0),
    ]
    writeFileSync(folder.posFile, text.join(''))
    const store = await folder.open()
    const patterns = [folder.path('*.log')]
    seedFromPosFile({
      file: folder.posFile,
      store,
      patterns,
      isFollowed: (path) => path.endsWith('.log'),
      log: { error() {}, warn() {}, info() {}, debug() {} },
    })
    expect(store.rows().map(({ name, offset }) => [name, offset])).toEqual([[twice, 4]])
  })

  test('are taken over once: what the database has counts at the next start', async () => {
    const folder = new Folder()
    const log = folder.path('a.log')
    writeFileSync(log, 'one\ntwo\n')
    writeFileSync(folder.posFile, entry(log, 4))
    const run = await folder.run()
    await run.waitForLines(1)
    await run.stop()
    writeFileSync(folder.posFile, entry(log, 0))
    appendFileSync(log, 'three\n')
    const again = await folder.run()
    await again.waitForLines(1)
    expect(await stop(again)).toEqual(['three'])
  })

  test('are not taken over again after a crash before the first scan, which then begins as it would have', async () => {
    const folder = new Folder()
    const [known, unknown] = [folder.path('a.log'), folder.path('b.log')]
    writeFileSync(known, 'one\ntwo\n')
    writeFileSync(unknown, 'never read\n')
    writeFileSync(folder.posFile, entry(known, 4))
    // Both files were there for a while when fluentd wrote it last.
    const later = statSync(folder.posFile).mtimeMs / 1000 + 1
    utimesSync(folder.posFile, later, later)
    const options = {
      file: folder.posFile,
      patterns: [folder.path('*.log')],
      isFollowed: () => true,
      log: { error() {}, warn() {}, info() {}, debug() {} },
    }
    const store = await folder.open()
    seedFromPosFile({ ...options, store })
    store.close()
    writeFileSync(folder.posFile, entry(known, 0))
    const run = await folder.run()
    await run.waitForLines(1)
    appendFileSync(unknown, 'new\n')
    await run.waitForLines(2)
    expect(await stop(run)).toEqual(['two', 'new'])
  })

  test('are not used for another file that has got the inode since', async () => {
    const folder = new Folder()
    const log = folder.path('a.log')
    writeFileSync(folder.posFile, '')
    const written = statSync(folder.posFile).mtimeMs
    await until(() => {
      rmSync(log, { force: true })
      writeFileSync(log, 'one\ntwo\n')
      return statSync(log).birthtimeMs > written
    })
    const { ino, mtimeMs } = statSync(folder.posFile)
    writeFileSync(folder.posFile, entry(log, 4))
    // The entry was written before the file was made.
    utimesSync(folder.posFile, mtimeMs / 1000, mtimeMs / 1000)
    expect(statSync(folder.posFile).ino).toBe(ino)
    const run = await folder.run()
    await run.waitForLines(2)
    expect(await stop(run)).toEqual(['one', 'two'])
  })

  /** Takes the positions over from a pos_file with this content; returns the rows and the warnings. */
  async function seedFrom(folder: Folder, content: string | Buffer) {
    writeFileSync(folder.posFile, content)
    const store = await folder.open()
    const warnings: string[] = []
    const log = { error() {}, warn: (text: string) => void warnings.push(text), info() {}, debug() {} }
    try {
      seedFromPosFile({ file: folder.posFile, store, patterns: ['x'], isFollowed: () => true, log })
    } finally {
      store.close()
    }
    return { rows: await rowsIn(folder), warnings }
  }

  async function rowsIn(folder: Folder) {
    const store = await folder.open()
    const rows = store.rows().map(({ name, offset }) => [name, offset])
    store.close()
    return rows
  }

  test('with CRLF, blanks at the end, empty lines or a byte order mark are used', async () => {
    const folder = new Folder()
    const [a, b] = [folder.path('a.log'), folder.path('b.log')]
    for (const path of [a, b]) writeFileSync(path, 'one\ntwo\n')
    const text = `\ufeff${entry(a, 4)}\n${entry(b, 8).replace('\n', ' \n')}`.replaceAll('\n', '\r\n')
    expect(await seedFrom(folder, text)).toEqual({
      rows: [
        [a, 4],
        [b, 8],
      ],
      warnings: [],
    })
  })

  test.each<[string, (entry: string) => string | Buffer]>([
    ['blanks instead of tabs', (text) => text.replaceAll('\t', '    ')],
    ['UTF-16', (text) => Buffer.from(text, 'utf16le')],
    ['UTF-16 with a byte order mark', (text) => Buffer.from(`\ufeff${text}`, 'utf16le')],
    ['text', () => 'this is a note\n'],
    ['NUL', () => Buffer.alloc(4096)],
    ['NUL before an entry', (text) => `\0\0${text}`],
    ['an offset in decimal with a sign', (text) => text.replace('\t', '\t-')],
  ])('of which none can be read end the start: %s', async (_name, change) => {
    const folder = new Folder()
    const log = folder.path('a.log')
    writeFileSync(log, 'one\ntwo\n')
    const failed = await seedFrom(folder, change(entry(log, 4))).catch((error) => error)
    expect(failed).toMatchObject({
      code: 'E_STORE_UNREADABLE',
      message: `no line of ${folder.posFile} is a position of fluentd`,
      hint: expect.stringMatching(/^correct it.*or remove it/),
    })
    expect(await rowsIn(folder)).toEqual([])
  })

  test('of an empty file are none, without a warning', async () => {
    for (const content of ['', '\n\r\n']) {
      const seeded = await seedFrom(new Folder(), content)
      expect(seeded).toEqual({ rows: [], warnings: [] })
    }
  })

  test('that cannot be read among others are named by their lines, with what it means', async () => {
    const folder = new Folder()
    const log = folder.path('a.log')
    writeFileSync(log, 'one\ntwo\n')
    const { rows, warnings } = await seedFrom(folder, `# note\n${entry(log, 4)}\n/b.log 0 0\n`)
    expect(rows).toEqual([[log, 4]])
    expect(warnings).toEqual([
      expect.stringContaining(`2 lines of the positions of fluentd in ${folder.posFile}: 1, 4; `),
    ])
    expect(warnings[0]).toContain('a file without a position is read as at a first start: from its end')
    const many = await seedFrom(new Folder(), `${'x\n'.repeat(50_000)}${entry(log, 4)}`)
    expect(many.rows).toEqual([[log, 4]])
    expect(many.warnings[0]).toContain('50000 lines')
    expect(many.warnings[0]?.length).toBeLessThan(600)
    const one = await seedFrom(new Folder(), `${entry(log, 4)}x`)
    expect(one.warnings[0]).toStartWith('cannot read line 2 of the positions')
  })

  test('in a file that cannot be read end the start, as lines would be lost', async () => {
    const folder = new Folder()
    mkdirSync(folder.posFile)
    const store = await folder.open()
    const options = { file: folder.posFile, store, patterns: ['x'], isFollowed: () => true }
    const log = { error() {}, warn() {}, info() {}, debug() {} }
    expect(() => seedFromPosFile({ ...options, log })).toThrow('cannot read the positions of fluentd')
    expect(store.rows()).toEqual([])
  })
})

import { describe, expect, test } from 'bun:test'
import { appendFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { parseOptions } from '../../../../src/core/options/parse.ts'
import type { Plan } from '../../../../src/core/plan.ts'
import { spec as cri } from '../../../../src/plugins/parsers/cri.ts'
import { spec as docker } from '../../../../src/plugins/parsers/docker.ts'
import { spec as json } from '../../../../src/plugins/parsers/json.ts'
import {
  follow as followTail,
  MemoryStore,
  readAll,
  resume,
  type TailRun,
  type TailRunOptions,
} from '../../../support/tail/run.ts'
import { tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

const BOM = '\ufeff'
/** Parsers without options that the tests name. */
const PARSERS = [json, docker, cri].map((spec) => ({
  name: spec.name,
  spec,
  options: parseOptions(spec.options, {}),
})) as unknown as Plan['parsers']

function follow(tail: Record<string, string>, more: Partial<TailRunOptions> = {}): TailRun {
  return followTail(tail, { parsers: PARSERS, ...more })
}

function utf16be(text: string): Buffer {
  return Buffer.from(text, 'utf16le').swap16()
}

function utf16le(text: string): Buffer {
  return Buffer.from(text, 'utf16le')
}

const BOTH = [
  ['UTF-16LE', utf16le],
  ['UTF-16BE', utf16be],
] as const

describe('a UTF-8 byte order mark', () => {
  test('is dropped at the start of a plain file and of a .gz, and kept further inside', async () => {
    const dir = tmp()
    writeFileSync(join(dir, 'a.log'), `${BOM}one\n${BOM}two\n`)
    writeFileSync(join(dir, 'b.log.gz'), gzipSync(`${BOM}one\n${BOM}two\n`))
    for (const name of ['a.log', 'b.log.gz']) {
      const run = follow({ path: join(dir, name), offset_key: 'at' })
      await run.waitForLines(2)
      expect(run.received.map(({ record }) => record)).toEqual([
        { log: 'one', at: 3 },
        { log: `${BOM}two`, at: 7 },
      ])
      await until(() => run.files[0]?.acked === 14)
    }
  })

  test('is dropped again when the file is truncated and rewritten', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, `${BOM}{"a":1}\n{"a":2}\n`)
    const run = follow({ path, parser: 'json' })
    await run.waitForLines(2)
    truncateSync(path)
    appendFileSync(path, `${BOM}{"a":3}\n`)
    await run.waitForLines(3)
    expect(run.received.map(({ record }) => record)).toEqual([{ a: 1 }, { a: 2 }, { a: 3 }])
  })

  test('does not keep parsers, container formats and multiline rules from reading the first line', async () => {
    const dir = tmp()
    const dockerLine = '{"log":"x\\n","stream":"stdout","time":"2026-01-02T03:04:05.5Z"}\n'
    const criLine = '2026-01-02T03:04:05.5Z stdout F x\n'
    const trace = 'java.lang.Exception: x\n\tat a.B.c(B.java:1)\nend\n'
    writeFileSync(join(dir, 'docker.log'), `${BOM}${dockerLine}`)
    writeFileSync(join(dir, 'cri.log'), `${BOM}${criLine}`)
    writeFileSync(join(dir, 'java.log'), `${BOM}${trace}`)
    const first = async (tail: Record<string, string>) => {
      const run = follow(tail)
      await run.waitForLines(1)
      return run.received[0]?.record
    }
    const dockerLog = join(dir, 'docker.log')
    const criLog = join(dir, 'cri.log')
    expect(await first({ path: dockerLog, parser: 'docker' })).toMatchObject({ log: 'x\n', stream: 'stdout' })
    expect(await first({ path: dockerLog, 'multiline.parser': 'docker, cri' })).toMatchObject({ log: 'x\n' })
    expect(await first({ path: criLog, parser: 'cri' })).toMatchObject({ message: 'x', stream: 'stdout' })
    expect(await first({ path: criLog, 'multiline.parser': 'docker, cri' })).toMatchObject({ log: 'x' })
    expect(await first({ path: join(dir, 'java.log'), 'multiline.parser': 'java' })).toEqual({
      log: 'java.lang.Exception: x\n\tat a.B.c(B.java:1)',
    })
  })

  test('is kept later in the file, even where a read begins with it', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, `${BOM}one\n`)
    const run = follow({ path })
    await until(() => run.files[0]?.acked === 7)
    appendFileSync(path, `${BOM}two\n`)
    expect(await run.waitForLines(2)).toEqual(['one', `${BOM}two`])
  })

  test('alone is not a record, even when it arrives in parts', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, Buffer.from([0xef]))
    const run = follow({ path })
    await until(() => run.files[0]?.state === 'idle')
    appendFileSync(path, Buffer.from([0xbb, 0xbf]))
    await until(() => run.files[0]?.acked === 3)
    appendFileSync(path, 'one\n')
    expect(await run.waitForLines(1)).toEqual(['one'])
  })
})

describe('unicode.encoding', () => {
  test.each(BOTH)(
    '%s is decoded with and without a mark, with offsets of the bytes',
    async (name, encode) => {
      const dir = tmp()
      // U+4E0A and U+0A05 contain the byte of a newline.
      const text = 'one\r\n上ਅ😀\n\nlast\n'
      writeFileSync(join(dir, 'a.log'), encode(text))
      writeFileSync(join(dir, 'b.log'), encode(BOM + text))
      for (const [file, mark] of [
        ['a.log', 0],
        ['b.log', 2],
      ] as const) {
        const run = follow({ path: join(dir, file), 'unicode.encoding': name, offset_key: 'at' })
        await run.waitForLines(4)
        expect(run.received.map(({ record }) => record)).toEqual([
          { log: 'one', at: mark },
          { log: '上ਅ😀', at: mark + 10 },
          { log: '', at: mark + 20 },
          { log: 'last', at: mark + 22 },
        ])
        await until(() => run.files[0]?.acked === mark + 32)
      }
    },
  )

  test.each(BOTH)('auto reads %s, with a mark or by its newline, and UTF-8', async (_, encode) => {
    const dir = tmp()
    const text = '上 {"a":1}\nä\n'
    const files = {
      marked: encode(BOM + text),
      unmarked: encode(text),
      cjk: encode('上海\nä\n'),
      utf8: text,
      'utf8-marked': BOM + text,
      latin1: Buffer.from('für\nzwei\n', 'latin1'),
    }
    for (const [name, content] of Object.entries(files)) {
      const path = join(dir, name)
      writeFileSync(path, content)
      const run = follow({ path, 'unicode.encoding': 'auto' })
      const lines = await run.waitForLines(2)
      expect([name, ...lines]).toEqual(
        name === 'cjk'
          ? [name, '上海', 'ä']
          : name === 'latin1'
            ? [name, 'für', 'zwei']
            : [name, '上 {"a":1}', 'ä'],
      )
    }
  })

  test.each(BOTH)('auto recognizes a file of %s after a restart', async (_, encode) => {
    const dir = tmp()
    for (const name of ['a.log', 'b.log.gz']) {
      const path = join(dir, name)
      const store = new MemoryStore()
      const write = (text: string) =>
        writeFileSync(path, name.endsWith('gz') ? gzipSync(encode(text)) : encode(text))
      write('ä\n')
      expect(await readAll(store, { path, 'unicode.encoding': 'auto' }, 1)).toEqual(['ä'])
      if (name.endsWith('gz')) continue
      appendFileSync(path, encode('ö\n'))
      const second = resume(store, { path, 'unicode.encoding': 'auto' })
      expect(await second.waitForLines(1)).toEqual(['ö'])
    }
  })

  test.each(BOTH)('auto resumes within a .gz of %s', async (_, encode) => {
    const path = join(tmp(), 'a.gz')
    const store = new MemoryStore()
    const lines = Array.from({ length: 20_000 }, (_, i) => `${i} ${'ä'.repeat(90)}`)
    writeFileSync(path, gzipSync(encode(`${lines.join('\n')}\n`)))
    const tail = { path, 'unicode.encoding': 'auto' }
    const first = resume(store, tail, { memBufLimit: 100_000 })
    first.holdAfter = 1
    // It may also be paused while the first lines are not acknowledged yet.
    await until(() => (first.files[0]?.acked ?? 0) > 0 && first.assembly.snapshot().inputs[0]?.paused)
    await first.abort()
    expect(store.table[0]?.streamOffset ?? 0).toBeGreaterThan(0)
    const second = resume(store, tail)
    await until(() => second.lines().at(-1) === lines.at(-1))
    const both = new Set([...first.lines(), ...second.lines()])
    expect([both.size, lines.every((line) => both.has(line))]).toEqual([20_000, true])
  })

  test.each(BOTH)(
    '%s: waits for the second byte of a newline and for the rest of a character',
    async (name, encode) => {
      const path = join(tmp(), 'a.log')
      const bytes = encode('a😀\nb\n')
      writeFileSync(path, '')
      const run = follow({ path, 'unicode.encoding': name })
      for (let i = 0; i < bytes.length; i++) {
        appendFileSync(path, bytes.subarray(i, i + 1))
        await until(() => run.files[0]?.size === i + 1 && run.files[0].state === 'idle')
      }
      expect(await run.waitForLines(2)).toEqual(['a😀', 'b'])
    },
  )

  test.each(BOTH)(
    '%s: a line that ends within a character at the end of the file is sent',
    async (name, encode) => {
      const path = join(tmp(), 'a.log')
      const bytes = encode('one\ntw😀')
      for (const missing of [1, 2, 3]) {
        writeFileSync(path, bytes.subarray(0, bytes.length - missing))
        const run = follow({ path, 'unicode.encoding': name, exit_on_eof: 'on' })
        await until(() => run.finished)
        await run.waitForLines(2)
        expect(run.lines()[0]).toBe('one')
        expect(run.lines()[1]).toMatch(/^tw\ufffd+$/)
        expect(run.files[0]?.read).toBe(bytes.length - missing)
      }
    },
  )

  test.each(BOTH)('%s: long lines are measured and cut in bytes of the file', async (name, encode) => {
    const path = join(tmp(), 'a.log')
    const fits = 'x'.repeat(512)
    writeFileSync(path, encode(`${fits}\r\n${'y'.repeat(600)}\n${'😀'.repeat(200_000)}\nend\n`))
    const options = { path, 'unicode.encoding': name, buffer_max_size: '1025' }
    const run = follow(options)
    await run.waitForLines(4)
    expect(run.received.map(({ record }) => record)).toEqual([
      { log: fits },
      { log: 'y'.repeat(512), truncated: true },
      { log: '😀'.repeat(256), truncated: true },
      { log: 'end' },
    ])
    expect(run.count('long_line_truncated')).toBe(2)
    const skipping = follow({ ...options, skip_long_lines: 'on' })
    expect(await skipping.waitForLines(2)).toEqual([fits, 'end'])
  })

  test.each(BOTH)('%s: a hole left by copytruncate and a new start are read', async (name, encode) => {
    const path = join(tmp(), 'a.log')
    for (const encoding of [name, 'auto']) {
      writeFileSync(path, Buffer.concat([Buffer.alloc(100_000), encode('one\ntwo\n')]))
      const run = follow({ path, 'unicode.encoding': encoding })
      expect(await run.waitForLines(2)).toEqual(['one', 'two'])
      expect(run.count('null_bytes_skipped')).toBe(100_000)
      truncateSync(path)
      appendFileSync(path, encode(`${BOM}three\n`))
      expect(await run.waitForLines(3)).toEqual(['one', 'two', 'three'])
    }
  })

  test.each(BOTH)('%s works with parsers and multiline rules', async (name, encode) => {
    const dir = tmp()
    writeFileSync(join(dir, 'json.log'), encode(`${BOM}{"a":"ä"}\nnot\n`))
    const parsed = follow({ path: join(dir, 'json.log'), 'unicode.encoding': name, parser: 'json' })
    await parsed.waitForLines(2)
    expect(parsed.received.map(({ record }) => record)).toEqual([{ a: 'ä' }, { log: 'not' }])
    const trace = 'java.lang.Exception: ä\n\tat a.B.c(B.java:1)\n'
    writeFileSync(join(dir, 'java.log'), encode(`${BOM}${trace.repeat(2)}end\n`))
    const joined = follow({
      path: join(dir, 'java.log'),
      'unicode.encoding': name,
      'multiline.parser': 'java',
    })
    expect(await joined.waitForLines(3)).toEqual([trace.trimEnd(), trace.trimEnd(), 'end'])
  })

  test.each(BOTH)(
    '%s: the newline of a skipped line is found when it comes in halves',
    async (name, encode) => {
      const path = join(tmp(), 'a.log')
      const bytes = encode(`${'x'.repeat(2000)}\nend\n\n`)
      const halves = [3999, 4001, bytes.length]
      writeFileSync(path, '')
      const run = follow({ path, 'unicode.encoding': name, buffer_max_size: '1024', skip_empty_lines: 'on' })
      let from = 0
      for (const to of halves) {
        appendFileSync(path, bytes.subarray(from, to))
        await until(() => (run.files[0]?.read ?? 0) >= to - 1)
        from = to
      }
      expect(await run.waitForLines(2)).toEqual(['x'.repeat(512), 'end'])
      await until(() => run.files[0]?.acked === bytes.length)
      expect(run.count('long_line_truncated')).toBe(1)
    },
  )

  test.each(BOTH)(
    'auto recognizes %s by its NUL bytes while the first line is incomplete',
    async (_, encode) => {
      const path = join(tmp(), 'a.log')
      const first = 'x'.repeat(3000)
      writeFileSync(path, encode(first))
      const run = follow({ path, 'unicode.encoding': 'auto', buffer_max_size: '8000' })
      await until(() => run.files[0]?.state === 'idle')
      appendFileSync(path, encode('\nä\n'))
      expect(await run.waitForLines(2)).toEqual([first, 'ä'])
    },
  )

  test('auto does not decide by half of a newline', async () => {
    const path = join(tmp(), 'a.log')
    const bytes = utf16le('日本\nä\n')
    writeFileSync(path, bytes.subarray(0, 5))
    const run = follow({ path, 'unicode.encoding': 'auto' })
    await until(() => run.files[0]?.state === 'idle')
    appendFileSync(path, bytes.subarray(5))
    expect(await run.waitForLines(2)).toEqual(['日本', 'ä'])
    const text = join(tmp(), 'b.log')
    writeFileSync(text, 'ab\n')
    expect(await follow({ path: text, 'unicode.encoding': 'auto' }).waitForLines(1)).toEqual(['ab'])
  })

  test('auto determines the encoding again after a truncation', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, utf16le(`${BOM}one\n`))
    const run = follow({ path, 'unicode.encoding': 'auto' })
    await run.waitForLines(1)
    for (const [i, encode] of [utf16be, (text: string) => Buffer.from(text), utf16le].entries()) {
      truncateSync(path)
      await until(() => run.files[0]?.size === 0)
      appendFileSync(path, encode(`${BOM}ä${i}\n`))
      await run.waitForLines(i + 2)
    }
    expect(run.lines()).toEqual(['one', 'ä0', 'ä1', 'ä2'])
  })

  test('a mark overrides the option', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, utf16be(`${BOM}ä\n`))
    expect(await follow({ path, 'unicode.encoding': 'utf-16le' }).waitForLines(1)).toEqual(['ä'])
    writeFileSync(path, `${BOM}ä\n`)
    expect(await follow({ path, 'unicode.encoding': 'UTF16-LE' }).waitForLines(1)).toEqual(['ä'])
  })

  test('reads 30,000 lines of UTF-16 in order, while memory is short', async () => {
    const path = join(tmp(), 'a.log')
    const lines = Array.from({ length: 30_000 }, (_, i) => `${i} 上${'ж'.repeat(i % 90)}`)
    writeFileSync(path, utf16le(`${BOM}${lines.join('\n')}\n`))
    const run = follow({ path, 'unicode.encoding': 'auto' }, { memBufLimit: 100_000 })
    await run.waitForLines(lines.length)
    expect(run.lines()).toEqual(lines)
    await until(() => run.assembly.budget.used === 0)
  })

  test('without it, a file that begins with the UTF-16 mark causes a warning', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, utf16le(BOM))
    const run = follow({ path })
    await until(() => run.files[0]?.size === 2 && run.files[0].state === 'idle')
    appendFileSync(path, utf16le('a\nb\n'))
    await run.waitForLines(2)
    const warnings = () => run.logs.filter(({ message }) => message.includes('byte order mark'))
    expect(warnings()).toHaveLength(1)
  })
})

describe('generic.encoding', () => {
  test('decodes lines, with offsets in bytes of the file, and replaces invalid characters', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, Buffer.from('b4edcef30d0a81ff810a616263810a', 'hex'))
    const run = follow({ path, 'generic.encoding': 'gbk', offset_key: 'at' })
    await run.waitForLines(3)
    expect(run.received.map(({ record }) => record)).toEqual([
      { log: '错误', at: 0 },
      { log: '\ufffd\ufffd', at: 6 },
      { log: 'abc\ufffd', at: 10 },
    ])
  })

  test('reads a file with the UTF-8 mark as UTF-8, and drops the mark of GB18030', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, `${BOM}错误\n`)
    expect(await follow({ path, 'generic.encoding': 'GBK' }).waitForLines(1)).toEqual(['错误'])
    // The UTF-16 mark is a word in some code pages.
    writeFileSync(path, Buffer.from('fffe0a', 'hex'))
    expect(await follow({ path, 'generic.encoding': 'Win1251' }).waitForLines(1)).toEqual(['яю'])
    writeFileSync(path, Buffer.from('84319533b4edcef30a', 'hex'))
    expect(await follow({ path, 'generic.encoding': 'GB18030' }).waitForLines(1)).toEqual(['错误'])
  })

  test('excludes unicode.encoding', () => {
    const path = join(tmp(), 'a.log')
    expect(() => follow({ path, 'generic.encoding': 'GBK', 'unicode.encoding': 'auto' })).toThrow(/exclude/)
    expect(() => follow({ path, 'generic.encoding': 'latin9' })).toThrow()
  })
})

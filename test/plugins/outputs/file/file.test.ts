import { describe, expect, test } from 'bun:test'
import { execFileSync } from 'node:child_process'
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { constants as osConstants } from 'node:os'
import { join } from 'node:path'
import { decodeMulti } from '@msgpack/msgpack'
import { parseOptions } from '../../../../src/core/options/parse.ts'
import { systemCalls } from '../../../../src/lib/fs/system-calls.ts'
import { spec } from '../../../../src/plugins/outputs/file/index.ts'
import { chunkOf } from '../../../support/engine/chunk-of.ts'
import { shipperCommand, start } from '../../../support/process.ts'
import { tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

const original = { ...systemCalls }

async function written(
  texts: Record<string, string>,
  records: object[],
  times = 1,
  dir = tmp(),
): Promise<string> {
  const output = spec.create(parseOptions(spec.options, { path: dir, ...texts }), {} as never)
  for (let i = 0; i < times; i++) await output.flush(chunkOf(records, 'my.tag'))
  return readFileSync(join(dir, texts.file ?? 'my.tag'), 'utf8')
}

const RECORD = { k: 'v', n: 1, text: 'a b' }

test('writes the lines of each format, and appends the next chunk', async () => {
  expect(await written({}, [RECORD], 2)).toBe(
    'my.tag: [1000.500000000, {"k":"v","n":1,"text":"a b"}]\n'.repeat(2),
  )
  expect(await written({ format: 'plain' }, [RECORD])).toBe('{"k":"v","n":1,"text":"a b"}\n')
  expect(await written({ format: 'csv', csv_column_names: 'on' }, [RECORD], 2)).toBe(
    'timestamp,"k","n","text"\n1000.500000000,"v",1,"a b"\n1000.500000000,"v",1,"a b"\n',
  )
  expect(await written({ format: 'ltsv' }, [RECORD])).toBe(
    '"time":1000.500000\t"k":"v"\t"n":1\t"text":"a b"\n',
  )
  expect(await written({ format: 'template', template: '{time} {text}/{n} {gone}.' }, [RECORD])).toBe(
    '1000.500000 a b/1 {gone}.\n',
  )
})

test('csv has texts, maps and lists in quotation marks, as RFC 4180 says, and nothing for null', async () => {
  const record = {
    q: 'say "hi",\nyou',
    map: { k: ['"', 1] },
    list: [],
    none: null,
    empty: '',
    'a"b': true,
    n: -1.5,
  }
  expect(await written({ format: 'csv', csv_column_names: 'on' }, [record])).toBe(
    'timestamp,"q","map","list","none","empty","a""b","n"\n' +
      '1000.500000000,"say ""hi"",\nyou","{""k"":[""\\"""",1]}","[]",,"",true,-1.5\n',
  )
})

test('msgpack has the records one after the other, also in the next chunk', async () => {
  const dir = tmp()
  await written({ format: 'msgpack' }, [RECORD, { a: 1 }], 2, dir)
  const values = [...decodeMulti(readFileSync(join(dir, 'my.tag')))] as [[unknown, unknown], unknown][]
  expect(values.map(([, record]) => record)).toEqual([RECORD, { a: 1 }, RECORD, { a: 1 }])
  expect(values.map(([[, metadata]]) => metadata)).toEqual([{}, {}, {}, {}])
})

test('a delimiter is one character, or a word for one', async () => {
  expect(await written({ format: 'csv', delimiter: ';' }, [RECORD])).toBe('1000.500000000;"v";1;"a b"\n')
  expect(await written({ format: 'csv', delimiter: 'Space' }, [RECORD])).toBe('1000.500000000 "v" 1 "a b"\n')
  for (const delimiter of ['semicolon', '"', 'x', '1', '||', 'constructor'])
    expect(() => parseOptions(spec.options, { format: 'csv', delimiter })).toThrow('delimiter')
})

test('a file that cannot be written is a retryable error', async () => {
  const dir = tmp()
  mkdirSync(join(dir, 'my.tag'))
  const output = spec.create(parseOptions(spec.options, { path: dir }), {} as never)
  const failed = output.flush(chunkOf([RECORD], 'my.tag'))
  expect(await failed.catch((error: unknown) => error)).toMatchObject({
    code: 'E_OUTPUT_WRITE',
    retryable: true,
  })
})

test('creates a missing directory with Mkdir, and keeps every tag inside it', async () => {
  const dir = tmp()
  const output = spec.create(parseOptions(spec.options, { path: join(dir, 'a/b'), mkdir: 'on' }), {} as never)
  await output.flush(chunkOf([RECORD], '../../x'))
  expect(readFileSync(join(dir, 'a/b/_/_/x'), 'utf8')).toContain('"k":"v"')
})

test('turns a tag that is not a valid file name into one, so that it blocks nothing', async () => {
  const dir = tmp()
  const output = spec.create(parseOptions(spec.options, { path: dir, mkdir: 'on' }), {} as never)
  const tags = ['', '.', '/', '/x/', 'a\0b', 'é'.repeat(200)]
  for (const tag of tags) await output.flush(chunkOf([RECORD], tag))
  const files = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  expect(files.map(({ name }) => name).sort()).toEqual(['_', 'a_b', 'x', 'é'.repeat(127)])
  expect(readFileSync(join(dir, '_'), 'utf8').split('\n')).toHaveLength(4)
})

test('CVE-2025-12972: without Mkdir the slashes of a tag become _, and no tag leaves the directory', async () => {
  const dir = tmp()
  const output = spec.create(parseOptions(spec.options, { path: dir }), {} as never)
  for (const tag of ['var/log/a', '../../etc/x', '/abs', 'a//b', '..'])
    await output.flush(chunkOf([RECORD], tag))
  expect(readdirSync(dir).sort()).toEqual(['.._.._etc_x', '_', 'a_b', 'abs', 'var_log_a'])
})

test('without File, a Path that is no directory is the file, for every tag', async () => {
  const dir = tmp()
  const path = join(dir, 'output.txt')
  const output = spec.create(parseOptions(spec.options, { path }), {} as never)
  for (const tag of ['my.tag', 'other/tag']) await output.flush(chunkOf([RECORD], tag))
  expect(readFileSync(path, 'utf8').split('\n')).toHaveLength(3)
  expect(readdirSync(dir)).toEqual(['output.txt'])
})

test('without File, a Path that ends with a slash, or that Mkdir creates, is a directory', async () => {
  const dir = tmp()
  const flush = (texts: Record<string, string>): Promise<unknown> =>
    spec
      .create(parseOptions(spec.options, texts), {} as never)
      .flush(chunkOf([RECORD], 'my.tag'))
      .catch((error: unknown) => error)
  expect(await flush({ path: `${dir}/new/` })).toMatchObject({ code: 'E_OUTPUT_WRITE', scope: 'peer' })
  await flush({ path: join(dir, 'new'), mkdir: 'on' })
  expect(readdirSync(join(dir, 'new'))).toEqual(['my.tag'])
})

test('an absolute File without Path is the path itself; with Path it is a name in it', async () => {
  const dir = tmp()
  const file = join(dir, 'absolute.log')
  const output = spec.create(parseOptions(spec.options, { file }), {} as never)
  await output.flush(chunkOf([RECORD], 'my.tag'))
  expect(readFileSync(file, 'utf8')).toContain('"k":"v"')
  expect(await written({ file: '/name.log' }, [RECORD], 1, dir)).toContain('"k":"v"')
  expect(readdirSync(dir).sort()).toEqual(['absolute.log', 'name.log'])
})

test('a link of this user is followed, also to an open descriptor, and one of another user is not', async () => {
  const dir = tmp()
  const flush = (name: string): Promise<unknown> => {
    const output = spec.create(parseOptions(spec.options, { path: dir }), {} as never)
    return output.flush(chunkOf([RECORD], name)).catch((error: unknown) => error)
  }
  const target = join(dir, 'target')
  symlinkSync('target', join(dir, 'second'))
  symlinkSync(join(dir, 'second'), join(dir, 'first'))
  expect(await flush('first')).toBeUndefined()
  const fd = openSync(target, 'a')
  symlinkSync(`/proc/self/fd/${fd}`, join(dir, 'open'))
  expect(await flush('open')).toBeUndefined()
  closeSync(fd)
  expect(readFileSync(target, 'utf8').split('\n')).toHaveLength(3)
  symlinkSync('loop', join(dir, 'loop'))
  expect(await flush('loop')).toMatchObject({ scope: 'destination', retryable: true })
  const lstat = systemCalls.lstatSync
  Object.assign(systemCalls, {
    lstatSync: (path: string, options: object) => Object.assign(lstat(path, options), { uid: 4242n }),
  })
  const refused = await flush('first')
  Object.assign(systemCalls, { lstatSync: lstat })
  expect(refused).toMatchObject({
    scope: 'destination',
    message: `cannot write ${dir}/first: it is a link that belongs to another user`,
  })
})

describe('with Mkdir, where a tag chooses directories, too', () => {
  const flushTo = (dir: string, tag: string): Promise<unknown> => {
    const output = spec.create(parseOptions(spec.options, { path: dir, mkdir: 'on' }), {} as never)
    return output.flush(chunkOf([RECORD], tag)).catch((error: unknown) => error)
  }

  const withFaults = async <T>(faults: Partial<typeof systemCalls>, run: () => Promise<T>): Promise<T> => {
    Object.assign(systemCalls, faults)
    try {
      return await run()
    } finally {
      Object.assign(systemCalls, original)
    }
  }

  test('a directory that is a link of another user is refused, and one of this user is followed', async () => {
    const dir = tmp()
    mkdirSync(join(dir, 'away'))
    mkdirSync(join(dir, 'in'))
    symlinkSync('../away', join(dir, 'in/app'))
    expect(await flushTo(join(dir, 'in'), 'app/one')).toBeUndefined()
    const lstatSync = ((path: string, options: object) =>
      Object.assign(original.lstatSync(path, options) as object, { uid: 4242n })) as never
    expect(await withFaults({ lstatSync }, () => flushTo(join(dir, 'in'), 'app/x/two'))).toMatchObject({
      scope: 'destination',
      message: `cannot write ${dir}/in/app/x/two: ${dir}/in/app is a link that belongs to another user`,
    })
    expect(readdirSync(join(dir, 'away'))).toEqual(['one'])
  })

  test('nothing is written through a link that takes the place of a directory while the file is opened', async () => {
    const dir = tmp()
    mkdirSync(join(dir, 'away'))
    mkdirSync(join(dir, 'in/app'), { recursive: true })
    const openSync = ((path: string, ...rest: [never, never]) => {
      if (path !== `${dir}/in/app/one`) return original.openSync(path, ...rest)
      renameSync(join(dir, 'in/app'), join(dir, 'in/old'))
      symlinkSync('../away', join(dir, 'in/app'))
      const fd = original.openSync(path, ...rest)
      unlinkSync(join(dir, 'in/app'))
      renameSync(join(dir, 'in/old'), join(dir, 'in/app'))
      return fd
    }) as never
    expect(await withFaults({ openSync }, () => flushTo(join(dir, 'in'), 'app/one'))).toMatchObject({
      scope: 'destination',
      message: `cannot write ${dir}/in/app/one: its directories change while it is opened`,
    })
    expect(readFileSync(join(dir, 'away/one'), 'utf8')).toBe('')
  })

  test('a directory that exists as a file is named as the reason', async () => {
    const dir = tmp()
    writeFileSync(join(dir, 'rec'), '')
    expect(await flushTo(dir, 'rec/0')).toMatchObject({
      scope: 'destination',
      message: `cannot write ${dir}/rec/0: ${dir}/rec is not a directory`,
    })
  })
})

test('CVE-2025-12977: control characters of tags and values are escaped in every format', async () => {
  const evil = '\u001b[2J\u007f\u0085\u202e\u2028'
  const flush = async (texts: Record<string, string>): Promise<string> => {
    const dir = tmp()
    const output = spec.create(parseOptions(spec.options, { path: dir, file: 'o', ...texts }), {} as never)
    await output.flush(chunkOf([{ message: evil, [evil]: 1 }], `t\n${evil}`))
    return readFileSync(join(dir, 'o'), 'utf8')
  }
  for (const format of ['out_file', 'plain', 'csv', 'ltsv', 'template']) {
    const text = await flush({ format })
    expect([format, text]).toEqual([format, expect.not.stringMatching(/[^\P{Cc}\n\t]|[\u2028\u202e]/u)])
    expect(text.split('\n')).toHaveLength(2)
  }
  expect(await flush({ format: 'plain' })).toBe(
    `${JSON.stringify({ message: evil, [evil]: 1 })
      .replaceAll('\u007f', '\\u007f')
      .replaceAll('\u0085', '\\u0085')
      .replaceAll('\u202e', '\\u202e')
      .replaceAll('\u2028', '\\u2028')}\n`,
  )
  expect(await flush({ format: 'template', template: '{message}' })).toBe(
    '\\x1b[2J\\x7f\\x85\\u202e\\u2028\n',
  )
})

test('distinguishes errors of one file from errors of the directory, with a hint', async () => {
  const dir = tmp()
  mkdirSync(join(dir, 'my.tag'))
  const failure = (path: string, texts = {}): Promise<unknown> => {
    const output = spec.create(parseOptions(spec.options, { path, ...texts }), {} as never)
    return output.flush(chunkOf([RECORD], 'my.tag')).catch((error: unknown) => error)
  }
  expect(await failure(dir)).toMatchObject({ scope: 'destination', retryable: true })
  expect(await failure(join(dir, 'none/none'))).toMatchObject({
    scope: 'peer',
    message: `cannot write ${dir}/none/none/my.tag: ENOENT: no such file or directory`,
    hint: 'create the directory, or set Mkdir to on',
  })
})

test('a file that its tag has chosen and that may not be written is refused, a whole directory is not', async () => {
  const dir = tmp()
  const flush = (texts: object, tag: string): Promise<{ scope?: string } | undefined> => {
    const output = spec.create(parseOptions(spec.options, { path: dir, ...texts }), {} as never)
    return output.flush(chunkOf([RECORD], tag)).then(
      () => undefined,
      (error) => error,
    )
  }
  const scopes = async (code: string): Promise<(string | undefined)[]> => {
    Object.assign(systemCalls, {
      openSync: () => {
        throw Object.assign(new Error(code), { code })
      },
    })
    const failed = [
      await flush({}, 'known'),
      await flush({}, 'new'),
      await flush({ mkdir: 'on' }, 'a/b'),
      await flush({ file: 'known' }, 't'),
    ]
    Object.assign(systemCalls, original)
    return failed.map((error) => error?.scope)
  }
  writeFileSync(join(dir, 'known'), '')
  expect(await scopes('EACCES')).toEqual(['destination', 'peer', 'destination', 'peer'])
  expect(await scopes('ENOSPC')).toEqual(['peer', 'peer', 'peer', 'peer'])
  expect(await scopes('ELOOP')).toEqual(['destination', 'destination', 'destination', 'chunk'])
})

test('CVE-2025-12972: a tag cannot name a file of the agent, such as its database; File can', async () => {
  const dir = tmp()
  const ctx = { isOwnFile: (path: string) => path === join(dir, 'my.tag') } as never
  for (const mkdir of ['on', 'off']) {
    const output = spec.create(parseOptions(spec.options, { path: dir, mkdir }), ctx)
    const error = await output.flush(chunkOf([RECORD], 'my.tag')).catch((caught) => caught)
    expect(error).toMatchObject({ code: 'E_OUTPUT_WRITE', retryable: true, scope: 'destination' })
    expect(readdirSync(dir)).toEqual([])
  }
  await spec
    .create(parseOptions(spec.options, { path: dir, file: 'my.tag' }), ctx)
    .flush(chunkOf([RECORD], 'my.tag'))
  expect(readdirSync(dir)).toEqual(['my.tag'])
})

test('a tag that names a FIFO or a device is an error of this destination, and nothing blocks', async () => {
  const dir = tmp()
  execFileSync('mkfifo', [join(dir, 'my.tag')])
  const flush = (path: string, tag: string, texts = {}): Promise<unknown> => {
    const output = spec.create(parseOptions(spec.options, { path, ...texts }), {} as never)
    return output.flush(chunkOf([RECORD], tag)).catch((error: unknown) => error)
  }
  const refused = { code: 'E_OUTPUT_WRITE', scope: 'destination', retryable: true }
  expect(await flush(dir, 'my.tag')).toMatchObject(refused)
  // Also with a reader: a reader that stops reading would block the output.
  const reader = openSync(join(dir, 'my.tag'), constants.O_RDONLY | constants.O_NONBLOCK)
  expect(await flush(dir, 'my.tag')).toMatchObject(refused)
  closeSync(reader)
  expect(await flush('/dev', 'null')).toMatchObject(refused)
  expect(await flush('/dev', 'my.tag', { file: 'null' })).toBeUndefined()
})

test('an agent whose file is a FIFO without a reader ends on SIGTERM', async () => {
  const dir = tmp()
  execFileSync('mkfifo', [join(dir, 'fifo')])
  const args = ['-i', 'dummy', '-o', 'file', '-p', `path=${dir}`, '-p', 'file=fifo', '-f', '0.05', '-p']
  const agent = start([...args, 'retry_limit=no_limits'])
  await agent.waitForStderr('it is a FIFO that nobody reads')
  agent.child.kill('SIGTERM')
  await agent.ended()
})

test('any error of any call is a retryable error of the output', async () => {
  const dir = tmp()
  writeFileSync(join(dir, 'my.tag'), 'no end')
  const calls = ['openSync', 'fstatSync', 'writeSync', 'mkdirSync', 'closeSync'] as const
  for (const call of calls) {
    for (const code of Object.keys(osConstants.errno)) {
      const original = systemCalls[call]
      Object.assign(systemCalls, {
        [call]: (fd: number) => {
          if (call === 'closeSync') closeSync(fd)
          throw Object.assign(new Error(`${code}: injected`), { code })
        },
      })
      const output = spec.create(parseOptions(spec.options, { path: dir, mkdir: 'on' }), {} as never)
      const failed = await output.flush(chunkOf([RECORD], 'my.tag')).catch((error: unknown) => error)
      Object.assign(systemCalls, { [call]: original })
      expect([call, code, failed]).toMatchObject([call, code, { code: 'E_OUTPUT_WRITE', retryable: true }])
    }
  }
})

test('uses the option File as it is written, dots included', async () => {
  const dir = tmp()
  mkdirSync(join(dir, 'in'))
  expect(await written({ file: '../a..b' }, [RECORD], 1, join(dir, 'in'))).toContain('"k":"v"')
  expect(readFileSync(join(dir, 'a..b'), 'utf8')).toContain('"k":"v"')
})

test('an incomplete line left by a crash is not joined with the next one', async () => {
  const dir = tmp()
  writeFileSync(join(dir, 'my.tag'), '{"whole":1}\n{"to')
  const text = await written({ format: 'plain' }, [RECORD], 2, dir)
  expect(text).toBe(`{"whole":1}\n{"to\n${'{"k":"v","n":1,"text":"a b"}\n'.repeat(2)}`)
})

test('truncates a chunk that was written in part, so that the retry duplicates nothing', async () => {
  const dir = tmp()
  const out = join(dir, 'out')
  const options = ['path', 'file', 'format', 'template'].map(
    (name, i) => `${name}=${[dir, 'out', 'template', '{log}'][i]}`,
  )
  const args = ['-i', 'stdin', '-o', 'file', ...options.flatMap((text) => ['-p', text]), '-f', '0.05']
  // The limit is 40 blocks of 512 bytes; the kernel sends the ignored signal at the limit.
  const script = `trap '' XFSZ; ulimit -Sf 40; exec "$@"`
  const agent = start(args, { command: ['sh', '-c', script, 'sh', ...shipperCommand()], stdin: 'open' })
  agent.child.stdin?.write('first\n')
  await until(() => existsSync(out) && readFileSync(out, 'utf8') === 'first\n', { what: () => agent.stderr })
  const lines = Array.from({ length: 500 }, (_, i) => `${i} ${'x'.repeat(90)}\n`).join('')
  agent.child.stdin?.write(lines)
  await agent.waitForStderr('cannot write')
  expect(readFileSync(out, 'utf8')).toBe('first\n')
})

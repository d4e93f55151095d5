import { describe, expect, test } from 'bun:test'
import { appendFileSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { MULTILINE_OPTIONS } from '../../../../src/core/multiline.ts'
import { parseOptions } from '../../../../src/core/options/parse.ts'
import type { InputContext } from '../../../../src/core/plugin.ts'
import { joinRulesOf } from '../../../../src/plugins/inputs/tail/multiline/join-rules.ts'
import { TAIL_OPTIONS } from '../../../../src/plugins/inputs/tail/options.ts'
import { spec as criSpec } from '../../../../src/plugins/parsers/cri.ts'
import { WRITTEN } from '../../../lib/multiline/written-traces.ts'
import { fc } from '../../../support/property.ts'
import { isAtEnd, MemoryStore, TailRun, type TailRunOptions } from '../../../support/tail/run.ts'
import { atEnd, tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

const TIME = '2026-11-21T06:00:00.123456789Z'
const cri = (tag: string, text: string, stream = 'stdout') => `${TIME} ${stream} ${tag} ${text}\n`
const docker = (log: string, stream = 'stdout') => `${JSON.stringify({ log, stream, time: TIME })}\n`

function run(path: string, parsers: string, more: Partial<TailRunOptions> = {}): TailRun {
  const tail = { path, read_from_head: 'on', 'multiline.parser': parsers, ...more.tail }
  const made = new TailRun({ ...more, tail }).start()
  atEnd(() => made.abort())
  return made
}

/** Reads the file to its end. */
async function drained(path: string, parsers: string, more: Partial<TailRunOptions> = {}): Promise<TailRun> {
  const made = run(path, parsers, { ...more, tail: { ...more.tail, exit_on_eof: 'on' } })
  await until(() => made.finished)
  await made.stop()
  return made
}

describe('container lines', () => {
  test('joins parts of a CRI line for each stream, with the time of the first', async () => {
    const path = join(tmp(), 'a.log')
    const late = cri('F', 'c').replace('06:00:00', '06:00:09')
    writeFileSync(
      path,
      cri('P', 'a') + cri('P', 'x', 'stderr') + cri('P', 'b') + late + cri('F', 'y', 'stderr'),
    )
    const { received } = await drained(path, 'docker, cri')
    expect(received.map(({ record }) => record)).toEqual([
      { time: TIME, stream: 'stdout', _p: 'P', log: 'abc' },
      { time: TIME, stream: 'stderr', _p: 'P', log: 'xy' },
    ])
    expect(received.map(({ seconds }) => seconds)).toEqual([1_795_240_800, 1_795_240_800])
  })

  test('joins a line of more than half of the memory of the input before anything was delivered', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, cri('P', 'x'.repeat(16_000)).repeat(118) + cri('F', 'end'))
    const { received } = await drained(path, 'cri', { memBufLimit: 2e6 })
    expect(received.map(({ record }) => (record.log as string).length)).toEqual([1_888_003])
  })

  test('joins parts of a Docker line up to the newline', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, docker('a') + docker('x\n', 'stderr') + docker('b\n') + docker('whole\n'))
    const { received } = await drained(path, 'docker, cri')
    expect(received.map(({ record }) => record)).toEqual([
      { log: 'x\n', stream: 'stderr', time: TIME },
      { log: 'ab\n', stream: 'stdout', time: TIME },
      { log: 'whole\n', stream: 'stdout', time: TIME },
    ])
  })

  test('reads interleaved logs of several containers, each by its own format', async () => {
    const folder = tmp()
    const texts = Array.from({ length: 2000 }, (_, i) => `line ${i}`)
    for (const [name, write] of Object.entries({
      cri: (t: string) => cri('F', t),
      docker: (t: string) => docker(`${t}\n`),
    }))
      for (const i of [1, 2])
        writeFileSync(join(folder, `${name}-${i}.log`), texts.map((t) => write(`${t} of ${i}`)).join(''))
    const { received } = await drained(join(folder, '*.log'), 'docker, cri')
    for (const end of ['', '\n'])
      for (const i of [1, 2]) {
        const logs = received
          .map(({ record }) => String(record.log))
          .filter((log) => log.endsWith(` of ${i}${end}`))
        expect(logs).toEqual(texts.map((t) => `${t} of ${i}${end}`))
      }
  })

  test('detects the format of each line, and keeps a line of neither format unchanged', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, `${cri('F', 'one')}${docker('two\n')}three\n{"a":1}\n${cri('F', 'four')}`)
    const { received } = await drained(path, 'docker, cri')
    expect(received.map(({ record }) => record.log ?? record)).toEqual([
      'one',
      'two\n',
      'three',
      { a: 1 },
      'four',
    ])
  })

  test('are parsed by default in the directories of the kubelet, unless the options say otherwise', () => {
    const names = (texts: Record<string, string>): string[] => {
      const ctx = {
        parser: () => ({}),
        multiline: () => undefined,
        log: { warn() {} },
      } as unknown as InputContext
      return joinRulesOf(parseOptions(TAIL_OPTIONS, texts as never), ctx).map(({ name }) => name)
    }
    for (const path of ['/var/log/containers/*.log', '/var/log/containers/a*.log,/var/log/pods/*/*/*.log'])
      expect(names({ path })).toEqual(['docker', 'cri'])
    expect(names({ path: '/var/log/containers/*.log', parser: 'cri' })).toEqual([])
    expect(names({ path: '/var/log/containers/*.log', 'multiline.parser': 'go' })).toEqual(['go'])
    expect(names({ path: '/var/log/containers/*.log,/var/log/syslog' })).toEqual([])
    expect(names({ path: '/var/log/*.log' })).toEqual([])
  })

  test('joins any mixture of complete and split lines, in the order of their ends', async () => {
    const part = fc.record({
      stream: fc.constantFrom('stdout', 'stderr'),
      text: fc.stringMatching(/^[a-z ]{0,60}$/),
      last: fc.boolean(),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(part, { minLength: 1, maxLength: 400 }), async (parts) => {
        const path = join(tmp(), 'a.log')
        const expected: string[] = []
        const open = new Map<string, string>()
        for (const { stream, text, last } of parts) {
          const joined = (open.get(stream) ?? '') + text
          if (last) expected.push(`${stream}:${joined}`)
          open.set(stream, last ? '' : joined)
          if (!last) continue
          open.delete(stream)
        }
        for (const stream of open.keys()) expected.push(`${stream}:${open.get(stream)}`)
        writeFileSync(
          path,
          parts.map(({ stream, text, last }) => cri(last ? 'F' : 'P', text, stream)).join(''),
        )
        const { received } = await drained(path, 'cri')
        expect(received.map(({ record }) => `${record.stream}:${record.log}`)).toEqual(expected)
      }),
      { numRuns: 20 },
    )
  }, 180_000)

  test('sends a part that is not continued after a while', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, cri('P', 'half'))
    const made = run(path, 'cri')
    await until(() => made.received.length === 1, { limitMs: 120_000 })
    expect(made.received[0]?.record.log).toBe('half')
    await until(() => isAtEnd(made.files[0], 'acked'))
  }, 180_000)

  test('continues a record larger than Multiline_Buffer_Limit in another one, and counts it', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, cri('P', 'a'.repeat(3000)) + cri('P', 'b'.repeat(3000)) + cri('F', 'c'))
    const made = await drained(path, 'cri', { service: { multilineBufferLimit: 4096 } })
    expect(made.received.map(({ record }) => String(record.log).length)).toEqual([3000, 3001])
    expect(made.count('multiline_truncated')).toBe(1)
  })
})

/** Returns the streams with a line that starts before `offset` and has not ended. */
function openAt(text: string, offset: number): string[] {
  const open = new Set<string>()
  for (const line of text.slice(0, offset).split('\n')) {
    const [, stream = '', tag] = line.split(' ')
    if (tag === 'P') open.add(stream)
    else open.delete(stream)
  }
  return [...open]
}

describe('an open record', () => {
  test('blocks the position while lines of the other stream are acknowledged, and the next run sends it completely', async () => {
    const path = join(tmp(), 'a.log')
    const store = new MemoryStore()
    writeFileSync(path, cri('F', 'before') + cri('P', 'a') + cri('F', 'other', 'stderr'))
    const first = run(path, 'cri', { store })
    await until(() => first.received.length === 2)
    await until(() => first.files[0]?.acked === cri('F', 'before').length)
    await first.stop()
    expect(store.table[0]?.offset).toBe(cri('F', 'before').length)
    appendFileSync(path, cri('F', 'b'))
    const second = run(path, 'cri', { store })
    await until(() => second.received.length === 2)
    expect(second.received.map(({ record }) => record.log)).toEqual(['other', 'ab'])
    await until(() => isAtEnd(second.files[0], 'acked'))
  })

  test('is never cut by a stored position, however streams overlap and chunks end', async () => {
    const path = join(tmp(), 'a.log')
    const store = new MemoryStore()
    const torn: string[] = []
    const write = store.write.bind(store)
    store.write = (changes) => {
      write(changes)
      const text = readFileSync(path, 'latin1')
      for (const { offset } of store.table) torn.push(...openAt(text, offset).map((s) => `${s} at ${offset}`))
    }
    writeFileSync(path, '')
    const made = run(path, 'cri', { store, service: { chunkSize: 8192 } })
    const rest = new Map<string, number>()
    let completeCount = 0
    for (let batch = 0; batch < 60; batch++) {
      let block = ''
      for (let n = Math.random() * 60; n > 0; n--) {
        const stream = Math.random() < 0.5 ? 'stdout' : 'stderr'
        const left = rest.get(stream) ?? Math.floor(Math.random() * 3)
        rest.set(stream, left - 1)
        if (left === 0) rest.delete(stream)
        completeCount += left === 0 ? 1 : 0
        block += cri(left === 0 ? 'F' : 'P', 'x'.repeat(Math.random() * 150), stream)
      }
      appendFileSync(path, block)
      await until(() => isAtEnd(made.files[0], 'read'))
    }
    await until(() => made.received.length >= completeCount)
    await made.stop()
    expect(torn).toEqual([])
    expect(store.writes).toBeGreaterThan(2)
  })

  test('continues in the next file when its file is rotated', async () => {
    const path = join(tmp(), 'a.log')
    const store = new MemoryStore()
    writeFileSync(path, cri('F', 'one') + cri('P', 'half '))
    const made = run(path, 'cri', { store })
    await until(() => made.received.length === 1)
    await until(() => isAtEnd(made.files[0], 'read'))
    renameSync(path, `${path}.1`)
    writeFileSync(path, cri('F', 'and half') + cri('F', 'two'))
    await until(() => made.received.length === 3)
    expect(made.received.map(({ record }) => record.log)).toEqual(['one', 'half and half', 'two'])
    await until(() => made.files.every((file) => file.acked === file.size))
  })

  test('blocks the positions of later chunks: a chunk that failed after it is read again', async () => {
    const path = join(tmp(), 'a.log')
    const store = new MemoryStore()
    writeFileSync(path, cri('P', 'a'))
    const made = run(path, 'cri', { store })
    made.hold = true
    await until(() => isAtEnd(made.files[0], 'read'))
    appendFileSync(path, cri('F', 'lost?', 'stderr'))
    await until(() => made.chunks.length === 1)
    appendFileSync(path, cri('F', 'b'))
    await until(() => made.chunks.length === 2)
    expect(new Set(made.chunks.map(({ id }) => id)).size).toBe(2)
    await made.abort()
    expect(store.table[0]?.offset).toBe(0)
  })
})

describe('lines that may belong to the message of an exception', () => {
  const head = 'java.lang.RuntimeException: x'
  const frame = '\tat a.B.c(B.java:3)'
  const lines = (...texts: string[]) => texts.map((text) => `${text}\n`).join('')

  test('block the position, and the next run joins them with the frames', async () => {
    const path = join(tmp(), 'a.log')
    const store = new MemoryStore()
    writeFileSync(path, lines('before', head, 'of two', 'and three lines'))
    const first = run(path, 'java', { store })
    await until(() => isAtEnd(first.files[0], 'read'))
    await until(() => first.files[0]?.acked === lines('before').length)
    await first.abort()
    expect(first.lines()).toEqual(['before'])
    expect(store.table[0]?.offset).toBe(lines('before').length)
    appendFileSync(path, lines(frame, 'after'))
    const second = await drained(path, 'java', { store })
    expect(second.lines()).toEqual([`${head}\nof two\nand three lines\n${frame}`, 'after'])
    expect(store.table[0]?.offset).toBe(readFileSync(path).length)
  })

  test('are joined with frames in the next file when theirs is rotated', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, lines('before', head, 'of two lines'))
    const made = run(path, 'java')
    await until(() => isAtEnd(made.files[0], 'read'))
    renameSync(path, `${path}.1`)
    writeFileSync(path, lines(frame, 'after'))
    await until(() => made.received.length === 3)
    expect(made.lines()).toEqual(['before', `${head}\nof two lines\n${frame}`, 'after'])
    await until(() => made.files.every((file) => file.acked === file.size))
  })

  test('are records of their own after a while, and the position moves beyond them', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, lines(head, 'next', '', 'last'))
    const made = run(path, 'java')
    expect(await made.waitForLines(4)).toEqual([head, 'next', '', 'last'])
    await until(() => isAtEnd(made.files[0], 'acked'))
  }, 180_000)

  test('are records of their own when they are too many or too long', async () => {
    const path = join(tmp(), 'a.log')
    const many = Array.from({ length: 60 }, (_, n) => `line ${n}`)
    const long = ['a'.repeat(20_000), 'b'.repeat(20_000), 'c']
    writeFileSync(path, lines(head, ...many, frame, head, ...long, frame, head, ...many.slice(0, 50), frame))
    const { received } = await drained(path, 'java')
    expect(received.map(({ record }) => record.log)).toEqual([
      ...[head, ...many, frame],
      ...[head, ...long, frame],
      [head, ...many.slice(0, 50), frame].join('\n'),
    ])
  })

  test('keep their fields and times when they are records of their own', async () => {
    const path = join(tmp(), 'a.log')
    const later = cri('F', 'two').replace('06:00:00', '06:00:09')
    writeFileSync(
      path,
      cri('F', head) + later + cri('F', 'three', 'stderr') + cri('P', 'fo') + cri('F', 'ur'),
    )
    const { received } = await drained(path, 'cri, java')
    const got = received.map(({ record, seconds }) => [record.log, record.stream, seconds - 1_795_240_800])
    expect(got).toEqual([
      ['three', 'stderr', 0],
      [head, 'stdout', 0],
      ['two', 'stdout', 9],
      ['four', 'stdout', 0],
    ])
  })

  test('count toward Multiline_Buffer_Limit', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, lines(head, 'a'.repeat(600), 'b'.repeat(600), frame))
    const made = await drained(path, 'java', { service: { multilineBufferLimit: 1024 } })
    expect(made.lines()).toEqual([head, 'a'.repeat(600), 'b'.repeat(600), frame])
    writeFileSync(path, lines(head, 'a'.repeat(980), frame))
    const cut = await drained(path, 'java', { service: { multilineBufferLimit: 1024 } })
    expect(cut.lines()).toEqual([`${head}\n${'a'.repeat(980)}`, frame])
    expect(cut.count('multiline_truncated')).toBe(1)
  })

  test('are neither lost nor duplicated, whatever the lines are and however they are split', async () => {
    const parts = Object.values(WRITTEN).flatMap((traces) => traces.flatMap((trace) => trace.split('\n')))
    const line = fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom(...parts) },
      { weight: 1, arbitrary: fc.stringMatching(/^[a-z :#|]{0,30}$/) },
      { weight: 1, arbitrary: fc.constantFrom('2026-11-21T06:00:00Z INFO x', 'WARN y', '', '  z') },
    )
    const names = Object.keys(WRITTEN).join(', ')
    await fc.assert(
      fc.asyncProperty(
        fc.array(line, { minLength: 1, maxLength: 200 }),
        fc.array(fc.integer({ min: 1, max: 2000 }), { maxLength: 5 }),
        fc.constantFrom(4096, 262_144),
        async (texts, sizes, chunkSize) => {
          const folder = tmp()
          const all = lines(...texts)
          writeFileSync(join(folder, 'whole.log'), all)
          const whole = await drained(join(folder, 'whole.log'), names, { service: { chunkSize } })
          expect(whole.lines().join('\n')).toBe(texts.join('\n'))
          const path = join(folder, 'pieces.log')
          writeFileSync(path, '')
          const made = run(path, names)
          let at = 0
          for (const size of [...sizes, all.length]) {
            appendFileSync(path, all.slice(at, at + size))
            at += size
            const written = all.slice(0, at)
            // A line is read once it has ended.
            const ended = Buffer.byteLength(written.slice(0, written.lastIndexOf('\n') + 1))
            await until(() => {
              const [file] = made.files
              return file?.size === Buffer.byteLength(written) && file.read === ended
            })
          }
          await made.stop()
          const rest = await drained(path, names, { store: made.store })
          expect([...made.lines(), ...rest.lines()].join('\n')).toBe(texts.join('\n'))
        },
      ),
      // Beyond HANG_MS: a wait in vain fails, instead of ending the property early.
      { numRuns: 30, interruptAfterTimeLimit: 170_000 },
    )
  }, 180_000)
})

describe('lines that belong together', () => {
  const trace = ['java.lang.RuntimeException: x', '\tat a.B.c(B.java:3)', '\tat a.B.d(B.java:9)']

  test('joins a trace in plain lines into one record', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, `before\n${trace.join('\n')}\nafter\n`)
    const made = await drained(path, 'java')
    expect(made.lines()).toEqual(['before', trace.join('\n'), 'after'])
  })

  test('joins a trace in container lines into one record, also with other streams in between', async () => {
    for (const form of [(text: string) => cri('F', text), (text: string) => docker(`${text}\n`)]) {
      const path = join(tmp(), 'a.log')
      const lines = trace.flatMap((text) => [form(text), cri('F', 'between', 'stderr')])
      writeFileSync(path, form('before') + lines.join('') + form('after'))
      const made = await drained(path, 'docker, cri, java')
      const logs = made.received.map(({ record }) => String(record.log).trimEnd())
      expect(logs.filter((log) => log !== 'between')).toEqual(['before', trace.join('\n'), 'after'])
    }
  })

  test('are joined by the rules of a [MULTILINE_PARSER] with a parser of its own', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, 'start a\n more\n and more\nstart b\n')
    const options = parseOptions(MULTILINE_OPTIONS, {
      type: 'regex',
      rule: ['"start_state" "/^start/" "more"', '"more" "/^ /" "more"'],
    } as never)
    const made = await drained(path, 'mine', { multilines: [{ name: 'mine', options }] })
    expect(made.lines()).toEqual(['start a\n more\n and more', 'start b'])
  })

  test('are joined up to the line that matches type endswith', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, 'a \\\nb \\\nc\nd\n')
    const options = parseOptions(MULTILINE_OPTIONS, {
      type: 'endswith',
      match_string: '\\',
      negate: 'on',
    } as never)
    const made = await drained(path, 'mine', { multilines: [{ name: 'mine', options }] })
    expect(made.lines()).toEqual(['a \\\nb \\\nc', 'd'])
  })

  test('follow each other without a line feed up to Match_String, when Key_Content names their text', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, cri('P', 'a ') + cri('P', 'x ', 'stderr') + cri('F', 'b') + cri('F', 'y', 'stderr'))
    const options = parseOptions(MULTILINE_OPTIONS, {
      type: 'EQ',
      match_string: 'F',
      parser: 'cri',
      key_content: 'message',
      key_group: 'stream',
      key_pattern: 'logtag',
      flush_timeout: '0',
    } as never)
    const parser = { name: 'cri', spec: criSpec, options: { timeKeep: true } }
    const made = await drained(path, 'Own', {
      multilines: [{ name: 'own', options }],
      parsers: [parser] as never,
    })
    expect(made.received.map(({ record }) => record.message)).toEqual(['a b', 'x y'])
  })
})

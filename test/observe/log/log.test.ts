import { describe, expect, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { ShipperError } from '../../../src/core/error.ts'
import type { Logger } from '../../../src/core/services.ts'
import { systemCalls } from '../../../src/lib/fs/system-calls.ts'
import { createLog, type LogLevel, type LogOptions } from '../../../src/observe/log/log.ts'
import { FileSink, fdSink, type LogSink } from '../../../src/observe/log/sink.ts'
import { ManualClock } from '../../support/engine/manual-clock.ts'
import { start } from '../../support/process.ts'
import { runOnTerminal, testOnTerminal } from '../../support/pty.ts'
import { tmp } from '../../support/tmp.ts'

const TIME = /^\[\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d\.\d{3}\]/
const APPENDED = /^before\n\{"time":.*"message":"x"\}\n$/

class MemorySink implements LogSink {
  text = ''
  write(line: string): void {
    this.text += line
  }
  reopen(): void {}
  close(): void {}
  get messages(): string[] {
    return this.text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line).message)
  }
}

function memoryLog(options: Partial<LogOptions> = {}) {
  const sink = new MemorySink()
  const clock = new ManualClock()
  const log = createLog({ level: 'info', clock, sink, format: 'json', ...options })
  return { sink, clock, log }
}

function logAll(log: Logger): void {
  log.error('e')
  log.warn('w')
  log.info('i')
  log.debug('d')
}

describe('levels', () => {
  test.each([
    ['off', []],
    ['error', ['e']],
    ['warn', ['e', 'w']],
    ['warning', ['e', 'w']],
    ['info', ['e', 'w', 'i']],
    ['debug', ['e', 'w', 'i', 'd']],
    ['trace', ['e', 'w', 'i', 'd']],
  ] as [LogLevel, string[]][])('%s prints lines of at least that severity', (level, expected) => {
    const { sink, log } = memoryLog({ level })
    logAll(log.child('a'))
    expect(sink.messages).toEqual(expected)
  })

  test('an instance’s own level takes precedence, and the root level may change for the others', () => {
    const { sink, log } = memoryLog({ level: 'error' })
    const own = log.child('own', 'debug')
    const other = log.child('other')
    own.debug('seen')
    other.info('not seen')
    log.level = 'info'
    other.info('seen too')
    expect(sink.messages).toEqual(['seen', 'seen too'])
  })
})

describe('deduplication', () => {
  test('an equal warning is printed once in ten seconds, then with a count', () => {
    const { sink, clock, log } = memoryLog()
    const a = log.child('a')
    for (let i = 0; i < 4; i++) a.warn('peer is down', { attempt: i })
    expect(sink.messages).toEqual(['peer is down'])
    clock.advance(10_000)
    expect(sink.messages).toEqual(['peer is down', 'peer is down (repeated 3 times in 10 s)'])
    expect(sink.text).toContain('"attempt":3')
  })

  test('is printed with a count after 10 s, 1 min, 10 min and then hourly while it goes on', () => {
    const { sink, clock, log } = memoryLog()
    const a = log.child('a')
    const times: number[] = []
    const started = clock.nowMs()
    for (let second = 0; second < 12_000; second++) {
      const before = sink.messages.length
      a.warn('x')
      clock.advance(1000)
      if (sink.messages.length > before) times.push((clock.nowMs() - started) / 1000)
    }
    expect(times).toEqual([1, 10, 70, 670, 4270, 7870, 11_470])
    expect(sink.messages.at(2)).toBe('x (repeated 60 times in 1 min)')
  })

  test('is printed at once after a minute without it, with what was held back before', () => {
    const { sink, clock, log } = memoryLog()
    const a = log.child('a')
    for (let i = 0; i < 3; i++) {
      a.warn('x')
      clock.advance(9000)
    }
    expect(sink.messages).toEqual(['x', 'x (repeated 1 time in 10 s)'])
    clock.advance(52_000)
    a.warn('x')
    expect(sink.messages.slice(2)).toEqual(['x (repeated 1 time in 1 min)', 'x'])
  })

  test('an info line of the instance is the last word: counts are printed before it, not after', () => {
    const { sink, clock, log } = memoryLog()
    const a = log.child('a')
    for (let i = 0; i < 4; i++) {
      a.warn('down')
      log.child('b').warn('other')
    }
    clock.advance(2000)
    a.info('up again')
    expect(sink.messages).toEqual(['down', 'other', 'down (repeated 3 times in 2 s)', 'up again'])
    clock.advance(5000)
    expect(sink.messages).toHaveLength(4)
  })

  test('counts before an info line are printed at most once in 10 s, whatever comes and goes', () => {
    const { sink, clock, log } = memoryLog()
    const a = log.child('a')
    for (let i = 0; i < 90; i++) {
      a.warn('cannot read x')
      a.info('x was deleted')
      clock.advance(100)
    }
    expect(sink.messages.filter((message) => message.startsWith('cannot read'))).toEqual([
      'cannot read x',
      'cannot read x (repeated 1 time in 1 s)',
    ])
    clock.advance(1000)
    expect(sink.messages.at(-1)).toBe('cannot read x (repeated 88 times in 10 s)')
  })

  test('what happens to many files at once is told of five of them, and counted', () => {
    const { sink, clock, log } = memoryLog()
    for (let i = 0; i < 1000; i++) log.child('a').info(`${i} was deleted`, { event: 'file deleted' })
    expect(sink.messages).toEqual([0, 1, 2, 3, 4].map((i) => `${i} was deleted`))
    clock.advance(10_000)
    expect(sink.messages.at(-1)).toBe('999 was deleted (file deleted 995 more times in 10 s)')
  })

  test('no timer runs while nothing is suppressed', () => {
    const { clock, log } = memoryLog()
    log.child('a').warn('x')
    log.child('a').warn('y')
    expect(clock.waiting).toBe(0)
  })

  test('lines of another instance, level, message or path are different', () => {
    const { sink, log } = memoryLog()
    log.child('a').warn('x')
    log.child('b').warn('x')
    log.child('a').error('x')
    log.child('a').warn('y')
    log.child('a').warn('x', { path: '/1' })
    log.child('a').warn('x', { path: '/2' })
    expect(sink.messages).toHaveLength(6)
  })

  test('at most five different lines with one error code are printed in a window', () => {
    const { sink, clock, log } = memoryLog()
    const a = log.child('a')
    for (let i = 0; i < 1000; i++) {
      a.warn(`cannot read ${i}`, { error: new ShipperError('E_TAIL_UNREADABLE', 'no') })
    }
    expect(sink.messages).toHaveLength(5)
    clock.advance(10_000)
    expect(sink.messages.at(-1)).toBe('cannot read 999 (E_TAIL_UNREADABLE 995 more times in 10 s)')
  })
})

describe('lines of one kind', () => {
  test('are repetitions of each other, and the count is printed with the latest of them', () => {
    const { sink, clock, log } = memoryLog()
    const out = log.child('file.0')
    for (let tag = 1; tag <= 1000; tag++) out.warn(`refused: ${tag}`, { code: 'E_OUTPUT_WRITE' }, 'refused')
    clock.advance(10_000)
    expect(sink.messages).toEqual(['refused: 1', 'refused: 1000 (repeated 999 times in 10 s)'])
  })

  test('are printed with growing pauses, and a line of another kind or of none at once', () => {
    const { sink, clock, log } = memoryLog()
    const out = log.child('file.0')
    for (let second = 0; second <= 600; second++) {
      out.warn(`refused: ${second}`, { code: 'E_OUTPUT_WRITE' }, 'refused')
      clock.advance(1000)
    }
    expect(sink.messages).toHaveLength(3)
    out.warn('refused: 600', { code: 'E_OUTPUT_WRITE' })
    out.warn('refused: 600', { code: 'E_OUTPUT_WRITE' }, 'other')
    expect(sink.messages).toHaveLength(5)
  })
})

test('who can create files or connections cannot fill the log: an instance has 100 different lines of a level in 10 s', () => {
  const { sink, clock, log } = memoryLog()
  for (let i = 0; i < 1000; i++) {
    log.child('tail.0').info(`${i}.log was deleted`)
    log.child('tail.0').warn(`${i}.log was truncated`)
  }
  log.child('tail.1').info('another input')
  expect(sink.messages).toHaveLength(201)
  clock.advance(10_000)
  expect(sink.messages.slice(201).sort()).toEqual([
    '999.log was deleted (900 lines, of which this is the last, are not shown in 10 s)',
    '999.log was truncated (900 lines, of which this is the last, are not shown in 10 s)',
  ])
  log.child('tail.0').info('the next one')
  expect(sink.messages.at(-1)).toBe('the next one')
})

describe('a deduplication window', () => {
  test('info lines are not suppressed unless Log_Suppress_Interval is set', () => {
    const { sink, clock, log } = memoryLog()
    const free = log.child('free')
    const held = log.child('held', undefined, 60_000)
    for (let i = 0; i < 3; i++) {
      free.info('f')
      held.info('h')
    }
    expect(sink.messages).toEqual(['f', 'h', 'f', 'f'])
    clock.advance(59_000)
    expect(sink.messages).toHaveLength(4)
    clock.advance(1000)
    expect(sink.messages.at(-1)).toBe('h (repeated 2 times in 1 min)')
  })

  test('a short window is not delayed by an earlier long one', () => {
    const { sink, clock, log } = memoryLog()
    const long = log.child('long', undefined, 3_600_000)
    for (let i = 0; i < 2; i++) long.warn('l')
    for (let i = 0; i < 2; i++) log.child('short').warn('s')
    clock.advance(10_000)
    expect(sink.messages.at(-1)).toBe('s (repeated 1 time in 10 s)')
  })

  test('a clock that is set back does not suppress a message', () => {
    const { sink, clock, log } = memoryLog()
    log.child('a').warn('x')
    clock.set(clock.nowMs() - 86_400_000)
    log.child('a').warn('x')
    expect(sink.messages).toEqual(['x', 'x'])
  })

  test('close prints the count of suppressed lines', () => {
    const { sink, clock, log } = memoryLog()
    for (let i = 0; i < 3; i++) log.child('a').error('x')
    clock.advance(2000)
    log.close()
    expect(sink.messages.at(-1)).toBe('x (repeated 2 times in 2 s)')
    expect(clock.waiting).toBe(0)
  })

  test('memory is bounded, and no count is lost with more messages than windows', () => {
    const { sink, log } = memoryLog()
    const a = log.child('a')
    for (let round = 0; round < 2; round++) for (let i = 0; i < 100; i++) a.warn(`m${i}`)
    for (let i = 0; i < 5000; i++) log.child(`b${i % 50}`).warn(`n${i}`)
    log.flush()
    const counts = sink.messages.filter((m) => m.includes('(repeated 1 time in 1 s)'))
    expect(counts).toHaveLength(100)
    expect(sink.messages.at(-1)).toBe(
      'n4999 (4800 lines of all plugins, of which this is the last, are not shown in 1 s)',
    )
  })

  test.each([
    ['plain', {}],
    ['with an error code', { code: 'E_TAIL_UNREADABLE' }],
  ])('a thousand instances that fail in turn do not fill the log: %s', (_, fields) => {
    const { sink, clock, log } = memoryLog()
    for (let round = 0; round < 1200; round++) {
      for (let i = 0; i < 1000; i++) log.child(`head.${i}`).warn(`cannot read ${i}`, fields)
      clock.advance(50)
    }
    // A minute: three hundred lines and 256 counts in 10 s, which are told of less often later.
    expect(sink.messages.length).toBeLessThan(6 * 560)
    expect(sink.messages.some((m) => m.includes('lines of all plugins'))).toBe(true)
    log.child('out.0').error('down')
    expect(sink.messages.at(-1)).toBe('down')
    const shown = sink.messages.length
    log.flush()
    expect(sink.messages.length).toBeLessThan(shown + 600)
  })
})

const PROGRAM = `
import { createLog } from ${JSON.stringify(join(import.meta.dirname, '../../../src/observe/log/log.ts'))}
const clock = { nowMs: () => Date.now(), after: (ms, fn) => setTimeout(fn, ms), cancel: (t) => clearTimeout(t) }
const log = createLog({ level: 'info', clock })
`

function program(text: string): string {
  const path = join(tmp(), 'program.ts')
  writeFileSync(path, PROGRAM + text)
  return path
}

describe('stderr', () => {
  test('gets JSON lines when it is not a terminal, also the last one before an exit', async () => {
    const path = program(
      `for (let i = 0; i < 5000; i++) log.child('a' + (i % 50)).info('line ' + i)\nprocess.exit(3)`,
    )
    const running = start([path], { command: [process.execPath] })
    expect((await running.ended()).code).toBe(3)
    const lines = running.stderr.trim().split('\n')
    expect(lines).toHaveLength(5000)
    expect(JSON.parse(lines[4999] as string).message).toBe('line 4999')
  })

  testOnTerminal('gets colored text when it is a terminal', async () => {
    const { screen } = await runOnTerminal(program(`log.child('tail.0').warn('watch out')`))
    expect(screen.slice(25)).toBe(' [\x1b[33m warn\x1b[0m] [tail.0] watch out\r\n')
    expect(screen).toMatch(TIME)
  })

  testOnTerminal('gets no color with NO_COLOR', async () => {
    const { screen } = await runOnTerminal(program(`log.child('a').warn('x')`), { NO_COLOR: '1' })
    expect(screen).toContain('[ warn] [a] x')
    expect(screen).not.toContain('\x1b')
  })

  testOnTerminal('clears a progress bar’s line before its own', async () => {
    const { screen } = await runOnTerminal(program(`log.overlaid = true; log.child('a').info('x')`))
    expect(screen).toStartWith('\r\x1b[2K[')
  })

  test('can be closed without ending the program', async () => {
    const path = program(
      `await new Promise((r) => process.stdin.once('data', r)); log.child('a').info('x'); console.log('on')\nprocess.exit()`,
    )
    const running = start([path], { command: [process.execPath], stdin: 'open' })
    running.child.stderr?.destroy()
    running.child.stdin?.write('go\n')
    expect((await running.ended()).code).toBe(0)
    expect(running.stdout).toBe('on\n')
  })
})

test('a full non-blocking pipe loses lines, which are counted, and does not block the agent', () => {
  // A FIFO opened explicitly is the only descriptor here that is non-blocking for the writer.
  const fifo = join(tmp(), 'fifo')
  expect(spawnSync('mkfifo', [fifo]).status).toBe(0)
  const reader = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK)
  const writer = openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK)
  const sink = fdSink(writer, (message) => `NOTE ${message}\n`, 10)
  const line = `${'x'.repeat(9999)}\n`
  for (let i = 0; i < 10; i++) sink.write(line)
  const all = Buffer.alloc(1 << 20)
  let text = all.toString('latin1', 0, readSync(reader, all))
  sink.write('last\n')
  text += all.toString('latin1', 0, readSync(reader, all))
  closeSync(reader)
  closeSync(writer)
  const lines = text.split('\n')
  const complete = lines.filter((l) => l.length === 9999).length
  expect(lines.at(-2)).toBe('last')
  expect(lines.at(-3)).toBe(`NOTE ${10 - complete} log lines were dropped: the reader of the log is too slow`)
})

function file(path: string) {
  const clock = new ManualClock()
  const fallback = new MemorySink()
  const note = (message: string): string => `${JSON.stringify({ message })}\n`
  return { clock, fallback, sink: new FileSink(path, () => clock.nowMs(), note, fallback) }
}

describe('Log_File', () => {
  test('is appended to, as JSON lines', () => {
    const path = join(tmp(), 'agent.log')
    writeFileSync(path, 'before\n')
    const log = createLog({ level: 'info', clock: new ManualClock(), file: path })
    log.child('a').info('x')
    log.close()
    expect(readFileSync(path, 'utf8')).toMatch(APPENDED)
  })

  test('that cannot be opened is E_LOG_FILE with the path', () => {
    const path = join(tmp(), 'absent', 'agent.log')
    const open = () => createLog({ level: 'info', clock: new ManualClock(), file: path })
    expect(open).toThrow(ShipperError)
    expect(open).toThrow(`cannot open log_file ${path}: ENOENT`)
  })

  test('continues in a new file after a rotation', () => {
    const path = join(tmp(), 'agent.log')
    const { sink, clock } = file(path)
    sink.write('1\n')
    renameSync(path, `${path}.1`)
    clock.advance(1000)
    sink.write('2\n')
    expect(readFileSync(`${path}.1`, 'utf8')).toBe('1\n')
    expect(readFileSync(path, 'utf8')).toBe('2\n')
  })

  test('is reopened at once on request', () => {
    const path = join(tmp(), 'agent.log')
    const { sink } = file(path)
    renameSync(path, `${path}.1`)
    sink.reopen()
    sink.write('1\n')
    expect(readFileSync(path, 'utf8')).toBe('1\n')
  })
})

describe('a Log_File that is not a file', () => {
  test('is E_LOG_FILE when it is a FIFO without a reader, and does not wait for one', () => {
    const path = join(tmp(), 'fifo')
    expect(spawnSync('mkfifo', [path]).status).toBe(0)
    expect(() => createLog({ level: 'info', clock: new ManualClock(), file: path })).toThrow(
      `cannot open log_file ${path}: it is a FIFO that nobody reads`,
    )
  })

  test('ClamAV 1363: is E_LOG_FILE when it is a link of another user, whose target stays as it was', () => {
    const dir = tmp()
    const [path, victim] = [join(dir, 'x.log'), join(dir, 'victim')]
    symlinkSync(victim, path)
    const lstat = systemCalls.lstatSync
    Object.assign(systemCalls, {
      lstatSync: (at: string, options: object) => Object.assign(lstat(at, options), { uid: 4242n }),
    })
    try {
      expect(() => createLog({ level: 'info', clock: new ManualClock(), file: path })).toThrow(
        `cannot open log_file ${path}: it is a link that belongs to another user`,
      )
    } finally {
      Object.assign(systemCalls, { lstatSync: lstat })
    }
    expect(existsSync(victim)).toBe(false)
    file(path).sink.write('{"message":"1"}\n')
    expect(readFileSync(victim, 'utf8')).toBe('{"message":"1"}\n')
  })

  test('may be a device', () => {
    const { sink, fallback } = file('/dev/null')
    sink.write('{"message":"1"}\n')
    expect(fallback.messages).toEqual([])
  })

  test('may be a pipe; lines that do not fit into a full one go to stderr without a long wait', () => {
    const path = join(tmp(), 'fifo')
    expect(spawnSync('mkfifo', [path]).status).toBe(0)
    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const { sink, clock, fallback } = file(path)
    const long = `${JSON.stringify({ message: 'x'.repeat(50_000) })}\n`
    for (let i = 0; i < 3; i++) sink.write(long)
    expect(fallback.messages[0]).toBe(
      `cannot write log_file ${path}: its reader is too slow; logging to stderr until it can be written`,
    )
    expect(fallback.messages).toHaveLength(3)
    readSync(reader, Buffer.alloc(1 << 20))
    clock.advance(1000)
    sink.write('{"message":"last"}\n')
    const end = Buffer.alloc(1000)
    expect(end.toString('utf8', 0, readSync(reader, end))).toEndWith('{"message":"last"}\n')
    closeSync(reader)
  })
})

describe('a Log_File that fails', () => {
  test('sends lines to stderr while it cannot be written, reports it once, and recovers', () => {
    const dir = tmp()
    const path = join(dir, 'logs', 'agent.log')
    mkdirSync(join(dir, 'logs'))
    const { sink, clock, fallback } = file(path)
    rmSync(join(dir, 'logs'), { recursive: true })
    clock.advance(1000)
    sink.write('{"message":"1"}\n')
    sink.write('{"message":"2"}\n')
    clock.advance(1000)
    sink.write('{"message":"3"}\n')
    expect(fallback.messages).toEqual([
      `cannot open log_file ${path}: ENOENT: no such file or directory; logging to stderr until it can be written`,
      '1',
      '2',
      '3',
    ])
    mkdirSync(join(dir, 'logs'))
    clock.advance(1000)
    sink.write('4\n')
    expect(readFileSync(path, 'utf8')).toBe('4\n')
    sink.close()
    sink.write('{"message":"5"}\n')
    expect(fallback.messages.at(-1)).toBe('5')
  })
})

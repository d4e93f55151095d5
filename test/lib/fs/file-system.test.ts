import { afterEach, describe, expect, test } from 'bun:test'
import { execFileSync } from 'node:child_process'
import {
  constants as fsConstants,
  mkdirSync,
  openSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import {
  close,
  closeWritten,
  createFile,
  entriesIn,
  FsFailure,
  fstat,
  isMissing,
  lstat,
  makeDirectories,
  NOT_A_FILE,
  namesIn,
  openDirectly,
  openFile,
  openToAppend,
  read,
  readAt,
  readLink,
  readRegular,
  readTextFile,
  readWhole,
  readWholeText,
  realPath,
  stat,
  syncDataLater,
  truncate,
  watchDirectory,
  write,
  writeParts,
} from '../../../src/lib/fs/file-system.ts'
import { systemCalls } from '../../../src/lib/fs/system-calls.ts'
import { tmp } from '../../support/tmp.ts'

const original = { ...systemCalls }
afterEach(() => void Object.assign(systemCalls, original))

/** Makes one call fail with an errno, in the form in which the runtime throws it. */
function failWith(call: keyof typeof systemCalls, code: string): void {
  Object.assign(systemCalls, {
    [call]: () => {
      throw Object.assign(new Error(`${code}: injected, ${call} '/x'`), { code })
    },
  })
}

const CALLS: [keyof typeof systemCalls, () => unknown][] = [
  ['statSync', () => stat('/x')],
  ['lstatSync', () => lstat('/x')],
  ['fstatSync', () => fstat(0)],
  ['readdirSync', () => namesIn('/x')],
  ['readdirSync', () => entriesIn('/x')],
  ['readlinkSync', () => readLink('/x')],
  ['realpathSync', () => realPath('/x')],
  ['openSync', () => openFile('/x')],
  ['openSync', () => readTextFile('/x', 1)],
  ['openSync', () => readWholeText('/x', 1)],
  ['openSync', () => readRegular('/x', 1)],
  ['readSync', () => read(0, Buffer.alloc(1), 0, 1, 0)],
  ['openSync', () => openToAppend('/x', { mode: 0o600, devices: true, pipes: true })],
  ['writeSync', () => write(0, Buffer.alloc(1))],
  ['ftruncateSync', () => truncate(0, 0)],
  ['mkdirSync', () => makeDirectories('/x')],
  ['closeSync', () => closeWritten(7)],
  ['watch', () => watchDirectory('/x', () => {})],
]

describe('any errno of any call is a value', () => {
  for (const [call, make] of CALLS) {
    test(`${call} returns it and does not throw`, () => {
      for (const code of Object.keys(constants.errno)) {
        failWith(call, code)
        const result = make()
        expect(result).toBeInstanceOf(FsFailure)
        // The only errno of an open call with a meaning of its own: a FIFO without a reader.
        const isFifo = call === 'openSync' && code === 'ENXIO'
        expect([code, (isFifo ? [code, NOT_A_FILE] : [code]).includes((result as FsFailure).code)]).toEqual([
          code,
          true,
        ])
      }
    })
  }

  test('close ignores it, as only writers are concerned', () => {
    for (const code of Object.keys(constants.errno)) {
      failWith('closeSync', code)
      expect(() => close(7)).not.toThrow()
    }
  })

  test('a file whose properties cannot be read is closed', () => {
    const path = join(tmp(), 'a')
    writeFileSync(path, 'x')
    failWith('fstatSync', 'EIO')
    const closed: number[] = []
    systemCalls.closeSync = (fd) => void closed.push(fd)
    expect((openFile(path) as FsFailure).code).toBe('EIO')
    expect(closed).toHaveLength(1)
    original.closeSync(closed[0] as number)
  })
})

test('a FIFO without a writer has no text, and is not waited for', () => {
  const path = join(tmp(), 'fifo')
  execFileSync('mkfifo', [path])
  expect(readWholeText(path, 100)).toBe('')
})

test('the whole of a file is read only up to the limit, at once, and never from the kernel', () => {
  const dir = tmp()
  const [sparse, fifo, text] = [join(dir, 'sparse'), join(dir, 'fifo'), join(dir, 'text')]
  writeFileSync(sparse, '')
  truncateSync(sparse, 10_000_000_000)
  execFileSync('mkfifo', [fifo])
  writeFileSync(text, 'abc')
  const codeOf = (read: Buffer | FsFailure): string =>
    read instanceof FsFailure ? read.code : read.toString()
  const codes = [sparse, '/dev/zero', dir, '/proc/self/status', fifo, text].map((path) => [
    codeOf(readWhole(path, 100)),
    codeOf(readRegular(path, 100)),
  ])
  expect(codes).toEqual([
    ['TOO_LARGE', 'TOO_LARGE'],
    ['TOO_LARGE', NOT_A_FILE],
    ['EISDIR', NOT_A_FILE],
    [NOT_A_FILE, NOT_A_FILE],
    ['', NOT_A_FILE],
    ['abc', 'abc'],
  ])
})

describe('anything but a regular file is rejected without blocking', () => {
  test('a FIFO, a directory, a device and files of the kernel', () => {
    const dir = tmp()
    execFileSync('mkfifo', [join(dir, 'fifo')])
    mkdirSync(join(dir, 'sub'))
    for (const path of [
      join(dir, 'fifo'),
      join(dir, 'sub'),
      '/dev/zero',
      '/proc/self/status',
      '/sys/kernel/uevent_seqnum',
    ]) {
      expect([path, (openFile(path) as FsFailure).code]).toEqual([path, NOT_A_FILE])
    }
  })

  test('a link to a file of the kernel', () => {
    const path = join(tmp(), 'x.log')
    symlinkSync('/proc/self/maps', path)
    expect((openFile(path) as FsFailure).code).toBe(NOT_A_FILE)
  })
})

test('a missing file, a missing directory and a loop of links are distinguished', () => {
  const dir = tmp()
  writeFileSync(join(dir, 'file'), 'x')
  symlinkSync('loop', join(dir, 'loop'))
  expect(isMissing(stat(join(dir, 'none')))).toBe(true)
  expect(isMissing(stat(join(dir, 'file', 'below')))).toBe(true)
  expect((stat(join(dir, 'loop')) as FsFailure).code).toBe('ELOOP')
  expect(isMissing(stat(join(dir, 'loop')))).toBe(false)
})

test('a regular file is opened with its properties', () => {
  const path = join(tmp(), 'a')
  writeFileSync(path, 'hello')
  const opened = openFile(path)
  if (opened instanceof FsFailure) throw new Error(opened.message)
  const buf = Buffer.alloc(5)
  expect(opened.stat.size).toBe(5n)
  expect(read(opened.fd, buf, 0, 5, 0)).toBe(5)
  expect(buf.toString()).toBe('hello')
  close(opened.fd)
})

test('a text file is read up to a limit', () => {
  const path = join(tmp(), 'a')
  writeFileSync(path, 'hello')
  expect(readRegular(path, 5).toString()).toBe('hello')
  expect((readRegular(path, 4) as FsFailure).code).toBe('TOO_LARGE')
  expect(readTextFile(path, 4)).toBe('hell')
  expect(readTextFile(path, 100)).toBe('hello')
  failWith('readSync', 'EIO')
  expect((readTextFile(path, 4) as FsFailure).code).toBe('EIO')
})

describe('opening to append never blocks', () => {
  const mode = 0o600

  test('a FIFO is rejected without a reader, and with one unless pipes are allowed', () => {
    const path = join(tmp(), 'fifo')
    execFileSync('mkfifo', [path])
    expect((openToAppend(path, { mode, pipes: true }) as FsFailure).code).toBe(NOT_A_FILE)
    const reader = openSync(path, fsConstants.O_RDONLY | fsConstants.O_NONBLOCK)
    expect((openToAppend(path, { mode }) as FsFailure).code).toBe(NOT_A_FILE)
    const opened = openToAppend(path, { mode, pipes: true })
    if (opened instanceof FsFailure) throw new Error(opened.message)
    // A pipe takes 64 KB; the rest is not waited for.
    expect(write(opened.fd, Buffer.alloc(1_000_000))).toBeLessThan(1_000_000)
    expect((write(opened.fd, Buffer.alloc(1_000_000)) as FsFailure).code).toBe('EAGAIN')
    close(opened.fd)
    close(reader)
  })

  test('a device is rejected unless devices are allowed; a directory and a file of the kernel always are', () => {
    expect((openToAppend('/dev/null', { mode }) as FsFailure).code).toBe(NOT_A_FILE)
    const device = openToAppend('/dev/null', { mode, devices: true })
    if (device instanceof FsFailure) throw new Error(device.message)
    close(device.fd)
    expect(openToAppend('/proc/self/comm', { mode, devices: true, pipes: true })).toBeInstanceOf(FsFailure)
    expect((openToAppend(tmp(), { mode, devices: true }) as FsFailure).code).toBe('EISDIR')
  })

  test('a file is created and appended to', () => {
    const directory = join(tmp(), 'a/b')
    expect(makeDirectories(directory)).toBeUndefined()
    expect(makeDirectories(directory)).toBeUndefined()
    const path = join(directory, 'x')
    for (const text of ['one', 'two']) {
      const opened = openToAppend(path, { mode })
      if (opened instanceof FsFailure) throw new Error(opened.message)
      expect(write(opened.fd, Buffer.from(`-${text}`), 1)).toBe(3)
      expect(closeWritten(opened.fd)).toBeUndefined()
    }
    expect(readFileSync(path, 'utf8')).toBe('onetwo')
  })
})

describe('a file of the agent', () => {
  test('is created once, has all parts that were written, and is not reached through a link', async () => {
    const path = join(tmp(), 'x')
    const fd = createFile(path, 0o600) as number
    expect((createFile(path, 0o600) as FsFailure).code).toBe('EEXIST')
    expect(writeParts(fd, [Buffer.from('one'), Buffer.from('two')], 2)).toBe(6)
    expect(await syncDataLater(fd)).toBeUndefined()
    close(fd)
    expect((await syncDataLater(fd))?.code).toBe('EBADF')
    const opened = openDirectly(path)
    if (opened instanceof FsFailure) throw new Error(opened.message)
    const buf = Buffer.alloc(10)
    expect(readAt(opened.fd, buf, 1)).toBe(7)
    expect(buf.toString('latin1', 0, 7)).toBe('\0onetwo')
    close(opened.fd)
    symlinkSync(path, `${path}.link`)
    expect((openDirectly(`${path}.link`) as FsFailure).code).toBe('ELOOP')
    expect((createFile(`${path}.link`, 0o600) as FsFailure).code).toBe('EEXIST')
    expect((openDirectly(tmp()) as FsFailure).code).toBe(NOT_A_FILE)
  })
})

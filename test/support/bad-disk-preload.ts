/**
 * A module that a test loads into the real binary (see `badDisk`): after SIGUSR2 every read, write and sync of a segment of the buffer
 * fails with EIO, until the next SIGUSR2. It must not import node:fs, whose names the binary would then have before they are replaced.
 */
const fs = process.getBuiltinModule('fs')
const { readlinkSync } = fs

let isBad = false
process.on('SIGUSR2', () => {
  isBad = !isBad
  process.stderr.write(`the disk is ${isBad ? 'bad' : 'good'}\n`)
})

function check(fd: number): void {
  if (isBad && readlinkSync(`/proc/self/fd/${fd}`).endsWith('.seg'))
    throw Object.assign(new Error('EIO: injected'), { code: 'EIO' })
}

/** Returns a function of a descriptor that checks it first. */
function failing<Result>(original: unknown): (fd: number, ...rest: unknown[]) => Result {
  return (fd, ...rest) => {
    check(fd)
    return (original as (fd: number, ...rest: unknown[]) => Result)(fd, ...rest)
  }
}

const fdatasync = fs.fdatasync
Object.assign(fs, {
  readSync: failing(fs.readSync),
  writeSync: failing(fs.writeSync),
  writevSync: failing(fs.writevSync),
  fdatasyncSync: failing(fs.fdatasyncSync),
  fdatasync: (fd: number, done: (error: Error | null) => void) => {
    try {
      check(fd)
    } catch (error) {
      setImmediate(done, error)
      return
    }
    fdatasync(fd, done)
  },
})

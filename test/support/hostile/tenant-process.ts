/** A hostile tenant, who may write into `DIR/tenant` and the logs of his pods: `bun tenant-process.ts '{"dir": DIR}'`. */
import { spawnSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { count, given, pause, repeat } from './attack.ts'

const root = join(given.dir, 'tenant')
const pods = join(given.dir, 'containers')
/** Bytes that this process may write, so that the disk survives it. */
let budget = 1_500_000_000

function append(path: string, data: string | Buffer): void {
  budget -= data.length
  if (budget > 0) appendFileSync(path, data)
  count('bytes', data.length)
}

/** Returns a folder whose `logs/*.log` the agent follows. */
function folder(name: string | Buffer): string {
  const path = join(root, String(name), 'logs')
  mkdirSync(path, { recursive: true })
  return path
}

function quietly(call: () => unknown): void {
  try {
    call()
  } catch {
    count('refused')
  }
}

/** Empties a file that has become large, as copytruncate does. */
function bounded(path: string): void {
  quietly(() => {
    if (statSync(path).size > 64 << 20) truncateSync(path, 0)
  })
}

const pod = (n: number): string => join(pods, `tenant-${n}_default_app-${'a'.repeat(64)}.log`)
const cri = (text: string, flag = 'F'): string => `${new Date().toISOString()} stdout ${flag} ${text}\n`
const BOMBS = [
  `${'x'.repeat(29)}!`,
  `${'x'.repeat(41)}!`,
  `${'x'.repeat(15_000)}!`,
  `1.2.3.4 - - [${' '.repeat(4000)}`,
  '"'.repeat(4000),
  `a=${'"\\'.repeat(4000)}`,
]

repeat({
  'odd names': async () => {
    const dir = folder('names')
    const names = [
      'a\nb',
      '\u001b[2J',
      '\u202egol',
      '%s%n',
      '*?[!a',
      "';--",
      '{}',
      '\\',
      ' ',
      'x'.repeat(251),
      'é',
      '\u0085',
      'a,b',
    ]
    for (const name of names) quietly(() => append(join(dir, `${name}.log`), 'x\n'))
    quietly(() =>
      appendFileSync(
        Buffer.concat([Buffer.from(`${dir}/`), Buffer.from([0xff, 0xfe]), Buffer.from('.log')]),
        'x\n',
      ),
    )
    await pause(100)
    for (const name of readdirSync(dir)) quietly(() => unlinkSync(join(dir, name)))
  },
  links: async () => {
    const dir = folder('links')
    const targets = [
      '/etc/shadow',
      '/dev/zero',
      '/dev/full',
      '/proc/kmsg',
      '/proc/self/mem',
      '/sys/kernel/profiling',
      'a.log',
      '.',
      '/',
      dir,
      '/proc/1/fd/0',
    ]
    for (const [n, target] of targets.entries()) quietly(() => symlinkSync(target, join(dir, `${n}.log`)))
    for (let n = 0; n < 300; n++) quietly(() => symlinkSync('.', join(root, 'links', `loop-${n}`)))
    quietly(() => symlinkSync('logs', join(root, 'links-loop', 'logs')))
    quietly(() => symlinkSync('.', join(root, 'self')))
    await pause(300)
    rmSync(join(root, 'links'), { recursive: true, force: true })
  },
  'FIFOs over logs': async () => {
    const dir = folder('fifo')
    const [fifo, log] = [join(dir, 'f'), join(dir, 'x.log')]
    for (let n = 0; n < 50; n++) {
      rmSync(fifo, { force: true })
      spawnSync('mkfifo', [fifo])
      writeFileSync(log, 'x\n')
      await pause(2)
      renameSync(fifo, log)
      await pause(2)
    }
    rmSync(log, { force: true })
    for (let n = 0; n < 20; n++) {
      mkdirSync(log)
      await pause(2)
      rmSync(log, { recursive: true })
      writeFileSync(log, 'x\n')
    }
  },
  rotations: async () => {
    const dir = folder('rotations')
    const log = join(dir, 'a.log')
    for (let n = 0; n < 100; n++) {
      append(log, `${'line '.repeat(10)}\n`.repeat(100))
      quietly(() => renameSync(log, join(dir, `a.log.${n % 10}`)))
      if (n % 10 === 0)
        quietly(() => writeFileSync(join(dir, `a.log.${n % 10}.gz`), gzipSync('x\n'.repeat(1e5))))
      await pause(5)
    }
  },
  copytruncate: async () => {
    const log = join(folder('copies'), 'c.log')
    for (let n = 0; n < 50; n++) {
      append(log, `${n} ${'line '.repeat(10)}\n`.repeat(2000))
      copyFileSync(log, `${log}.${n % 3}`)
      budget -= 120_000
      truncateSync(log, 0)
      await pause(10)
    }
  },
  'bombs in gzip': async () => {
    const dir = folder('gzip')
    writeFileSync(join(dir, 'b.log.gz'), gzipSync(Buffer.alloc(64 << 20)))
    writeFileSync(join(dir, 'b.log'), gzipSync(Buffer.alloc(64 << 20, 'x\n')))
    await pause(500)
    rmSync(dir, { recursive: true })
  },
  'lines without end': async () => {
    const log = join(folder('giant'), 'g.log')
    for (let n = 0; n < 20; n++) append(log, Buffer.alloc(1 << 20, n % 4 === 0 ? 0 : 0x78))
    append(log, '\n')
    await pause(200)
    bounded(log)
  },
  'a flood': async () => {
    const log = join(folder('flood'), 'f.log')
    const block = `${'flood '.repeat(30)}\n`.repeat(5000)
    for (let n = 0; n < 10; n++) {
      append(log, block)
      await pause(50)
    }
    bounded(log)
  },
  'bytes that are no text': async () => {
    const log = join(folder('bytes'), 'b.log')
    const random = Buffer.from(Array.from({ length: 200_000 }, () => Math.floor(Math.random() * 256)))
    append(log, random)
    append(log, '\n'.repeat(200_000))
    append(log, '\r\u001b[2J\u009b\u202e\n'.repeat(1000))
    bounded(log)
    await pause(200)
  },
  'lines for expressions': async () => {
    for (let n = 0; n < 4; n++) {
      append(
        pod(n),
        BOMBS.map((bomb) => cri(bomb))
          .join('')
          .repeat(20),
      )
      bounded(pod(n))
    }
    await pause(100)
  },
  'JSON in JSON': async () => {
    const deep = `${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`
    const wide = `{${Array.from({ length: 20_000 }, (_, i) => `"k${i}":${i}`).join(',')}}`
    const same = `{${'"k":1,'.repeat(50_000)}"k":2}`
    const escapes = `{"a":"${'\\u0000\\ud800'.repeat(20_000)}"}`
    for (const text of [deep, wide, same, escapes, '['.repeat(500_000), `{"a":${'9'.repeat(500_000)}}`])
      append(pod(0), cri(text))
    bounded(pod(0))
    await pause(500)
  },
  'parts without an end': async () => {
    append(pod(1), cri('part '.repeat(1000), 'P').repeat(500))
    append(pod(2), cri('x', 'P').repeat(20_000))
    append(pod(2), cri('  at java.lang.Thread.run(Thread.java:1)').repeat(5000))
    bounded(pod(1))
    bounded(pod(2))
    await pause(500)
  },
  'pods that nobody knows': async () => {
    const names = Array.from({ length: 100 }, (_, n) =>
      join(pods, `ghost-${n}_default_app-${String(n).padStart(64, 'b')}.log`),
    )
    for (const name of names) append(name, cri('boo'))
    await pause(3000)
    for (const name of names) quietly(() => unlinkSync(name))
  },
  'many files': async () => {
    const dirs = Array.from({ length: 20 }, (_, n) => folder(`many-${n}`))
    for (const [n, dir] of dirs.entries()) {
      for (let i = 0; i < 100; i++) append(join(dir, `${i}.log`), `${n} ${i}\n`)
      await pause(20)
    }
    await pause(1000)
    for (const dir of dirs) rmSync(join(dir, '..'), { recursive: true, force: true })
  },
  'folders that come and go': async () => {
    for (let n = 0; n < 200; n++) {
      const dir = folder(`come-${n % 20}`)
      append(join(dir, 'x.log'), 'x\n')
      if (n % 2 === 0) quietly(() => renameSync(join(root, `come-${n % 20}`), join(root, `go-${n % 20}`)))
      if (n % 5 === 0) rmSync(join(root, `go-${n % 20}`), { recursive: true, force: true })
      if (n % 7 === 0) quietly(() => chmodSync(dir, 0))
      if (n % 11 === 0) quietly(() => chmodSync(dir, 0o755))
      await pause(5)
    }
  },
})

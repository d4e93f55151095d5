import { expect } from 'bun:test'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { build } from '../../scripts/build.ts'
import { readManifest } from '../../scripts/manifest.ts'
import { Sink } from '../support/forward/sink.ts'
import { run } from '../support/process.ts'
import { debianProgram } from '../support/release/debian.ts'
import { allArrive, ship } from '../support/shipping.ts'
import { peerOrSkip } from '../support/skip.ts'
import { writeLines } from '../support/tail/lines.ts'
import { tmp } from '../support/tmp.ts'

const TARGET = 'linux-arm64'
const COUNT = 2000
const qemu = debianProgram('qemu-aarch64-static', 'qemu-user-static', 'usr/bin/qemu-aarch64-static')
// There is no program of this name, so the library always comes from the package.
const libc = debianProgram('libc.so.6', 'libc6-arm64-cross', 'usr/aarch64-linux-gnu/lib/libc.so.6')
const binary = qemu === undefined || libc === undefined ? undefined : built()

/** Builds the binary. Its runtime comes from npm, unless it is in .cache. */
function built(): string | undefined {
  try {
    return build(readManifest(), TARGET, tmp()).file
  } catch {
    return undefined
  }
}

const command = [qemu ?? '', '-L', dirname(dirname(libc ?? '')), binary ?? '']
const withArm64 = peerOrSkip(
  'an emulated arm64',
  binary !== undefined,
  'no qemu-user-static and libc6-arm64-cross from Debian, or no runtime for arm64 from npm',
)

withArm64('the binary for arm64 prints its target and runtime', async () => {
  const bytes = readFileSync(binary ?? '')
  expect(bytes.readUInt16LE(18)).toBe(183)
  const { code, stdout } = await run(['--version'], { command })
  expect(code).toBe(0)
  expect(stdout).toContain(`, ${TARGET}, bun ${process.versions.bun}\n`)
})

withArm64('the binary for arm64 ships every line once, even over a restart', async () => {
  const dir = tmp()
  const sink = await Sink.start()
  const path = join(dir, 'a.log')
  writeLines(path, 0, COUNT)
  const first = ship({ dir, ports: [sink.port], command })
  await allArrive(sink, first, COUNT)
  expect(await first.stop('SIGTERM')).toEqual({ code: 0, signal: null })
  writeLines(path, COUNT, 2 * COUNT)
  const second = ship({ dir, ports: [sink.port], command })
  await allArrive(sink, second, 2 * COUNT)
  await second.stop('SIGTERM')
  expect(await sink.summary()).toMatchObject({ distinct: 2 * COUNT, duplicates: 0, disorder: 0 })
})

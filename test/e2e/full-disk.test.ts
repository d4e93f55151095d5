import { expect } from 'bun:test'
import { existsSync, readFileSync, rmSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { Sink } from '../support/forward/sink.ts'
import { Mounts, withMounts } from '../support/mounts.ts'
import { shipperCommand, start } from '../support/process.ts'
import { allArrive, keepsDelivering, kill9, linesWith, ship } from '../support/shipping.ts'
import { numbered, writeLines } from '../support/tail/lines.ts'
import { tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

/** A small file system at `path` that only the program has mounted; this process fills and empties it from outside. */
class SmallDisk {
  readonly path: string
  readonly #mounts: Mounts

  private constructor(path: string, mounts: Mounts) {
    this.path = path
    this.#mounts = mounts
  }

  static async make(size: string): Promise<SmallDisk> {
    const path = tmp()
    return new SmallDisk(path, await Mounts.make(`mount -t tmpfs -o size=${size} none ${path}`))
  }

  get command(): string[] {
    return this.#mounts.command(shipperCommand())
  }

  /** Path of a file of the disk, as this process sees it. */
  file(name: string): string {
    return this.#mounts.outside(join(this.path, name))
  }

  /** Takes every free block. */
  fill(): void {
    this.#mounts.fillDisk(join(this.path, 'fill'))
  }

  /** Frees `bytes` bytes of the filled space. */
  free(bytes: number): void {
    const fill = this.file('fill')
    truncateSync(fill, statSync(fill).size - bytes)
  }

  empty(): void {
    rmSync(this.file('fill'))
  }
}

withMounts(
  'lines keep arriving while the disk of the database is full, which is logged once; offsets are stored when there is space, and kill -9 loses nothing',
  async () => {
    const disk = await SmallDisk.make('1m')
    const dir = tmp()
    const path = join(dir, 'a.log')
    const sink = await Sink.start('lines')
    const begin = () =>
      ship({ dir, ports: [sink.port], command: disk.command, tail: { db: join(disk.path, 'pos.db') } })
    writeLines(path, 0, 1000)
    let agent = begin()
    await allArrive(sink, agent, 1000)
    disk.fill()
    let lines = await keepsDelivering(sink, agent, path, 1000)
    expect(linesWith(agent, 'E_STORE_FULL')).toMatchObject([
      { level: 'warn', plugin: 'tail.0', hint: expect.stringContaining('free space') },
    ])
    await kill9(agent, sink)
    writeLines(path, lines, lines + 1000)
    lines += 1000
    agent = begin()
    await allArrive(sink, agent, lines)
    lines = await keepsDelivering(sink, agent, path, lines)
    const repeated = (await sink.summary()).duplicates
    expect(repeated).toBeGreaterThan(0)
    disk.empty()
    await agent.waitForStderr('positions are being written again')
    await kill9(agent, sink)
    writeLines(path, lines, lines + 1000)
    lines += 1000
    agent = begin()
    await allArrive(sink, agent, lines)
    expect(await agent.stop()).toEqual({ code: 0, signal: null })
    expect(await sink.missing(lines)).toEqual({ missing: 0, first: [] })
    expect((await sink.summary()).duplicates).toBe(repeated)
  },
)

/** Returns the lines of the file, and the text after the last newline. */
function linesOf(path: string): { lines: string[]; rest: string } {
  const lines = readFileSync(path, 'utf8').split('\n')
  return { rest: lines.pop() ?? '', lines }
}

withMounts(
  'the output file waits while its disk is full; with space again it has every line once, complete and in order',
  async () => {
    const disk = await SmallDisk.make('8m')
    const dir = tmp()
    const log = join(dir, 'a.log')
    writeLines(log, 0, 1000)
    const tail = ['-i', 'tail', '-p', `path=${log}`, '-p', `db=${dir}/pos.db`, '-p', 'read_from_head=on']
    const file = ['path', 'file', 'format', 'template'].map(
      (k, i) => `${k}=${[disk.path, 'out', 'template', '{log}'][i]}`,
    )
    const args = [...tail, '-o', 'file', ...file.flatMap((text) => ['-p', text]), '-m', '*', '-f', '0.05']
    const agent = start(args, { command: disk.command })
    const out = disk.file('out')
    await until(() => existsSync(out) && linesOf(out).lines.length === 1000, { what: () => agent.stderr })
    disk.fill()
    // More than fits at first, so that the disk is full a second time in the middle of a chunk.
    writeLines(log, 1000, 25_000)
    await agent.waitForStderr('E_OUTPUT_WRITE')
    expect(linesWith(agent, 'E_OUTPUT_WRITE')).toMatchObject([
      { level: 'warn', plugin: 'file.0', hint: expect.stringContaining('free space') },
    ])
    disk.free(3_000_000)
    await until(() => linesOf(out).lines.length > 10_000, { what: () => agent.stderr })
    disk.empty()
    await until(() => linesOf(out).lines.length >= 25_000, { what: () => agent.stderr })
    expect(await agent.stop()).toEqual({ code: 0, signal: null })
    const { lines, rest } = linesOf(out)
    expect([lines.length, rest]).toEqual([25_000, ''])
    expect(lines.every((line, n) => `${line}\n` === numbered(n))).toBe(true)
  },
)

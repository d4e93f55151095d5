import { describe, expect, test } from 'bun:test'
import { execFile } from 'node:child_process'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { fetchPackage, readManifest } from '../../scripts/manifest.ts'
import type { Driver } from '../../src/store/driver.ts'
import { Bench } from '../contract/offset-store/bench.ts'
import { offsetStoreCases } from '../contract/offset-store.ts'
import { peerOrSkip } from '../support/skip.ts'
import { atEnd, tmp } from '../support/tmp.ts'

const drivers: Driver[] = ['bun:sqlite', 'better-sqlite3']

describe.each(drivers)('the offset store with %s', (driver) => {
  for (const { name, run } of offsetStoreCases) {
    test(name, async () => {
      const bench = new Bench(tmp(), driver)
      atEnd(() => bench.end())
      await run(bench)
    })
  }
})

/** Returns the node of the pkg build, from npm if it is missing: that of this machine may be too old for the addon. */
function findNode(): { node: string; reason: string } {
  try {
    const arch = process.arch === 'arm64' ? 'arm64' : 'x64'
    const { pkg } = readManifest()
    const { runtime = '' } = pkg.targets[`linux-${arch}`] ?? {}
    const folder = fetchPackage({ name: runtime, version: pkg.node, integrity: undefined })
    return { node: join(folder, 'bin/node'), reason: '' }
  } catch (error) {
    return { node: '', reason: String(error).split('\n')[0] ?? '' }
  }
}

const { node, reason } = findNode()
const testUnderNode = peerOrSkip('node', node !== '', reason)

testUnderNode(
  'every case passes under node too',
  async () => {
    const script = resolve(import.meta.dirname, '../support/store/cases.ts')
    const { stdout } = await promisify(execFile)(node, [script, 'better-sqlite3'], { timeout: 170_000 })
    const results = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(results.filter(({ error }) => error !== undefined)).toEqual([])
    expect(results.map(({ name }) => name)).toEqual(offsetStoreCases.map(({ name }) => name))
  },
  180_000,
)

import { expect } from 'bun:test'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { ARCH, ROOT } from '../../scripts/bootstrap.mjs'
import { CACHE, readManifest } from '../../scripts/manifest.ts'
import { Sink } from '../support/forward/sink.ts'
import { run } from '../support/process.ts'
import { allArrive, ship } from '../support/shipping.ts'
import { CI, peerOrSkip } from '../support/skip.ts'
import { writeLines } from '../support/tail/lines.ts'
import { tmp } from '../support/tmp.ts'

const { pkg, out, name } = readManifest()
const target = `linux-${ARCH}`
const parts = [`pkg-${pkg.version}`, `${pkg.targets[target]?.runtime}@${pkg.node}/.ok`]
const isCached = parts.every((part) => existsSync(join(CACHE, part)))
/** Node and its packager are a hundred megabytes: only a build server fetches them for a test. */
const withNode = peerOrSkip(
  'the node variant',
  isCached || CI,
  'run `npm run build:pkg` once, it fetches node',
)

withNode(
  'the variant with node inside prints that in its version, and ships every line once over a restart',
  async () => {
    const script = join(ROOT, 'scripts/build-pkg.ts')
    const built = await run([script], { command: [process.execPath], limitMs: 280_000 })
    expect(built).toMatchObject({ code: 0 })
    // This variant unpacks its SQLite below the home folder.
    const command = ['env', `HOME=${tmp()}`, join(ROOT, out, `${name}-node-${target}`)]
    const { stdout } = await run(['--version'], { command })
    expect(stdout).toContain(`, node-${target}, node ${pkg.node}\n`)
    const dir = tmp()
    const sink = await Sink.start()
    for (const lines of [1000, 2000]) {
      writeLines(join(dir, 'a.log'), lines - 1000, lines)
      const agent = ship({ dir, ports: [sink.port], command })
      await allArrive(sink, agent, lines)
      expect(await agent.stop()).toEqual({ code: 0, signal: null })
    }
    expect(await sink.summary()).toMatchObject({ distinct: 2000, duplicates: 0, disorder: 0 })
  },
)

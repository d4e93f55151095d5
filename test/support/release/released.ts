import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ARCH, ROOT } from '../../../scripts/bootstrap.mjs'
import { readManifest } from '../../../scripts/manifest.ts'
import { type Running, start } from '../process.ts'

/** Targets of the release; with SHIPPER_RELEASE=all every one, which fetches a runtime of forty megabytes for each. */
export const TARGETS =
  process.env.SHIPPER_RELEASE === 'all' ? Object.keys(readManifest().bun.targets) : [`linux-${ARCH}`]
export const { version: VERSION } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  version: string
}
export const EPOCH = '1700000000'

/** Starts `scripts/release.ts` in a copy of the project, with this umask and environment. */
export function startRelease(
  project: string,
  umask: string,
  env: Record<string, string>,
  targets: string[],
  more: string[] = [],
): Running {
  const arguments_ = [...targets.flatMap((target) => ['--target', target]), ...more]
  const inner = [process.execPath, 'scripts/release.ts', ...arguments_]
  return start([], {
    command: ['sh', '-c', `umask ${umask}; exec "$@"`, 'sh', ...inner],
    cwd: project,
    env: { SOURCE_DATE_EPOCH: EPOCH, ...env },
  })
}

/** Returns the SHA-256 of each file of a folder. */
export function sumsOf(folder: string): Record<string, string> {
  const names = readdirSync(folder).sort()
  return Object.fromEntries(
    names.map((name) => [
      name,
      createHash('sha256')
        .update(readFileSync(join(folder, name)))
        .digest('hex'),
    ]),
  )
}

import { cpSync, mkdirSync, readFileSync, symlinkSync, utimesSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { ROOT } from '../../../scripts/bootstrap.mjs'
import { tmp } from '../tmp.ts'

const SOURCES = ['src', 'conf', 'scripts', 'LICENSE', 'package.json', 'package-lock.json', 'pkg.config.json']
/** Folders that are linked instead of copied: their path has no effect on the binary. */
const LINKED = ['node_modules/@oven', 'node_modules/spdx-license-list', '.cache']

/** Makes a folder with the sources of a release, which is no git work tree and whose files have the time `mtime`. */
export function projectCopy(mtime: Date): string {
  const dir = tmp('shipper-project-')
  const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean; optional?: boolean }>
  }
  const { external } = JSON.parse(readFileSync(join(ROOT, 'pkg.config.json'), 'utf8')) as {
    external: string[]
  }
  const packages = Object.entries(lock.packages)
    .filter(([path, { dev, optional }]) => path !== '' && !dev && !optional)
    .map(([path]) => path)
    .filter((path) => !external.some((name) => path === `node_modules/${name}`))
  for (const path of [...SOURCES, ...packages]) {
    cpSync(join(ROOT, path), join(dir, path), { recursive: true })
    utimesSync(join(dir, path), mtime, mtime)
  }
  for (const path of LINKED) {
    mkdirSync(dirname(join(dir, path)), { recursive: true })
    symlinkSync(join(ROOT, path), join(dir, path))
  }
  return dir
}

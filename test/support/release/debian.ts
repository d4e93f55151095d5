import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'

const CACHE = resolve(import.meta.dirname, '../../../.cache/debian')
const LIMIT_MS = 60_000

/**
 * Returns the path of a program: on PATH, else in a Debian package, which is unpacked into .cache and not installed.
 * Undefined without apt, network or such a package.
 */
export function debianProgram(name: string, packageName: string, file: string): string | undefined {
  const found = spawnSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).stdout.trim()
  if (found !== '') return found
  const folder = join(CACHE, packageName)
  if (!existsSync(folder) && !unpack(packageName, folder)) return undefined
  const path = join(folder, file)
  return existsSync(path) ? path : undefined
}

/** Unpacks next to the folder and renames, because several test processes may do it at once. */
function unpack(packageName: string, folder: string): boolean {
  mkdirSync(CACHE, { recursive: true })
  const draft = mkdtempSync(join(CACHE, 'draft-'))
  const options = { cwd: draft, stdio: 'ignore', timeout: LIMIT_MS } as const
  try {
    execFileSync('apt-get', ['-o', 'Acquire::Retries=0', 'download', packageName], options)
    const [archive = ''] = readdirSync(draft)
    execFileSync('dpkg-deb', ['-x', archive, 'root'], options)
    if (!existsSync(folder)) renameSync(join(draft, 'root'), folder)
  } catch {
    // No apt, no network, no such package; or another process has made the folder.
  } finally {
    rmSync(draft, { recursive: true, force: true })
  }
  return existsSync(folder)
}

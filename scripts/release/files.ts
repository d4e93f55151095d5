import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../bootstrap.mjs'
import type { Manifest } from '../manifest.ts'
import { gzip } from './gzip.ts'
import { type Entry, tar, withDirectories } from './tar.ts'

/** Line of install.sh that sets its default download address. */
const BASE_URL_LINE = "DEFAULT_BASE_URL=''"
const SHEBANG = /^#!/

/** A file of the release; `path` is its name there. */
export type ReleaseFile = Entry

/** Returns the files of `install` in pkg.config.json, with the address filled in, and the two license files. */
export function plainFiles(manifest: Manifest, baseUrl: string, licenses: string): ReleaseFile[] {
  const texts = Object.entries(manifest.install).map(([name, path]) => {
    const text = readFileSync(join(ROOT, path), 'utf8')
    if (name !== 'install.sh' || baseUrl === '') return file(name, text)
    if (!text.includes(BASE_URL_LINE)) throw new Error(`${path} does not contain ${BASE_URL_LINE}`)
    return file(
      name,
      text.replace(BASE_URL_LINE, () => `DEFAULT_BASE_URL='${baseUrl}'`),
    )
  })
  const license = file('LICENSE', readFileSync(join(ROOT, 'LICENSE'), 'utf8'))
  return [...texts, license, file('THIRD-PARTY-LICENSES', licenses)]
}

/** Returns a text file; scripts are executable. */
export function file(path: string, text: string): ReleaseFile {
  return { path, mode: SHEBANG.test(text) ? 0o755 : 0o644, bytes: Buffer.from(text) }
}

/** Returns a tar.gz of a directory with all files for one machine and their SHA256SUMS, for `install.sh --from`. */
export function archive(directory: string, files: ReleaseFile[], time: number): Buffer {
  const all = [...files, file('SHA256SUMS', sums(files))]
  const entries = all.map((each) => ({ ...each, path: `${directory}/${each.path}` }))
  return gzip(tar(withDirectories(entries, `${directory}/`), time))
}

/** Returns the lines that `sha256sum` prints for the files, sorted by name. */
export function sums(files: ReleaseFile[]): string {
  const lines = files.map(({ path, bytes }) => ({
    path,
    sum: createHash('sha256').update(bytes).digest('hex'),
  }))
  return lines
    .sort((a, b) => (a.path < b.path ? -1 : 1))
    .map(({ path, sum }) => `${sum}  ${path}\n`)
    .join('')
}

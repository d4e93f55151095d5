import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../bootstrap.mjs'
import type { Manifest } from '../manifest.ts'
import { gzip } from './gzip.ts'
import { type Entry, tar, withFolders } from './tar.ts'

/** Line of install.sh with the address that it downloads from by default. */
const ADDRESS = "DEFAULT_BASE_URL=''"
const PROGRAM = /^#!/

/** A file of the release; `path` is its name in the release. */
export type ReleaseFile = Entry

/** Returns the files of `install` in pkg.config.json, with the address filled in, and the two license texts. */
export function plainFiles(manifest: Manifest, baseUrl: string, licences: string): ReleaseFile[] {
  const texts = Object.entries(manifest.install).map(([name, path]) => {
    const text = readFileSync(join(ROOT, path), 'utf8')
    if (name !== 'install.sh' || baseUrl === '') return file(name, text)
    if (!text.includes(ADDRESS)) throw new Error(`${path} has no ${ADDRESS} to be filled in`)
    return file(
      name,
      text.replace(ADDRESS, () => `DEFAULT_BASE_URL='${baseUrl}'`),
    )
  })
  const ours = file('LICENSE', readFileSync(join(ROOT, 'LICENSE'), 'utf8'))
  return [...texts, ours, file('THIRD-PARTY-LICENSES', licences)]
}

export function file(path: string, text: string): ReleaseFile {
  return { path, mode: PROGRAM.test(text) ? 0o755 : 0o644, bytes: Buffer.from(text) }
}

/** Packs the files for one target into a folder with its own SHA256SUMS: `install.sh --from` installs it without a network. */
export function archive(folder: string, files: ReleaseFile[], time: number): Buffer {
  const all = [...files, file('SHA256SUMS', sums(files))]
  const entries = all.map((each) => ({ ...each, path: `${folder}/${each.path}` }))
  return gzip(tar(withFolders(entries, `${folder}/`), time))
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

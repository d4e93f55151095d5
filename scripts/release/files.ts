import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../bootstrap.mjs'
import type { Manifest } from '../manifest.ts'
import { gzip } from './gzip.ts'
import { type Entry, tar, withFolders } from './tar.ts'

/** Where install.sh has the address that it downloads from when nobody names another. */
const ADDRESS = "DEFAULT_BASE_URL=''"
const PROGRAM = /^#!/

/** A file of the release under its name there. */
export type ReleaseFile = Entry

/** The files of pkg.config.json's `install`, the address filled in, and the two texts about licences. */
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

/** Everything for one machine in a folder, with its own SHA256SUMS: `install.sh --from` takes it without a network. */
export function archive(folder: string, files: ReleaseFile[], time: number): Buffer {
  const all = [...files, file('SHA256SUMS', sums(files))]
  const entries = all.map((each) => ({ ...each, path: `${folder}/${each.path}` }))
  return gzip(tar(withFolders(entries, `${folder}/`), time))
}

/** Lines of `sha256sum`, by name. */
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

import { join } from 'node:path'
import { FsFailure, namesIn, readRegular, stat } from '../fs/file-system.ts'
import { badTlsValue } from './tls-files.ts'

/** Most entries of a directory with certificates: one of a system has three names for each of its 150. */
const MAX_ENTRIES = 10_000
const MAX_FOLDER_BYTES = 16_000_000
const BLOCK =
  /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----[^-]*-----END (?:X509 |TRUSTED )?CERTIFICATE-----/g

/**
 * Returns the certificates of authorities that are trusted: those of `file`, the content of tls.ca_file, and of each file of the
 * directory, each once. Without any of the two: those of the system, and those that came with the runtime.
 */
export function certificatesIn(file: Buffer | undefined, folder: string | undefined): string[] | undefined {
  if (file === undefined && folder === undefined) {
    // The runtime alone trusts what came with it, and not what the operator has added to the system.
    const { getCACertificates } = process.getBuiltinModule('node:tls') as Partial<typeof import('node:tls')>
    // node 20 lacks it, and trusts what came with it.
    if (getCACertificates === undefined) return undefined
    return [...new Set([...getCACertificates('default'), ...getCACertificates('system')])]
  }
  const found = new Set<string>()
  if (file !== undefined) addBlocks(found, file)
  if (folder !== undefined) addFolder(found, folder)
  return [...found]
}

function addFolder(found: Set<string>, folder: string): void {
  const names = namesIn(folder)
  if (names instanceof FsFailure)
    throw badTlsValue('tls.ca_path', `tls.ca_path ${folder} cannot be read: ${names.message}`, {
      hint: 'it has to be a directory with PEM files; set tls.ca_file for a single one',
    })
  const before = found.size
  let bytes = 0
  for (const name of names.slice(0, MAX_ENTRIES)) {
    // What is no regular file, or may not be read, cannot be a certificate that is meant.
    const content = readRegular(join(folder, name), MAX_FOLDER_BYTES - bytes)
    if (content instanceof FsFailure) continue
    bytes += content.length
    addBlocks(found, content)
  }
  if (found.size === before)
    throw badTlsValue('tls.ca_path', `tls.ca_path ${folder} has no file with a certificate`, {
      hint: 'the files have to be PEM, text with a line -----BEGIN CERTIFICATE-----',
    })
}

function addBlocks(found: Set<string>, content: Buffer): void {
  for (const [block] of content.toString('latin1').matchAll(BLOCK)) found.add(block)
}

/** Returns text that differs when a file was replaced or changed. Links are followed, as a mounted Secret of Kubernetes has them. */
export function fileMark(path: string): string {
  const found = stat(path)
  return found instanceof FsFailure
    ? found.code
    : `${found.dev}:${found.ino}:${found.size}:${found.mtimeNs}:${found.ctimeNs}`
}

/** Returns text that differs when a file in the directory was added, removed, replaced or changed. */
export function folderMark(path: string): string {
  const names = namesIn(path)
  if (names instanceof FsFailure) return names.code
  const marks = names.slice(0, MAX_ENTRIES).map((name) => `${name}=${fileMark(join(path, name))}`)
  return marks.sort().join(',')
}

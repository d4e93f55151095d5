import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../bootstrap.mjs'
import { ar } from './ar.ts'
import { gzip } from './gzip.ts'
import { type Entry, tar, withDirectories } from './tar.ts'

/** Debian's name of the architecture for each target that runs on Debian. */
export const DEBIAN_ARCH: Record<string, string> = { 'linux-x64': 'amd64', 'linux-arm64': 'arm64' }

const SCRIPTS = ['preinst', 'postinst', 'prerm', 'postrm']
const DROP_INS = 'conf/systemd/drop-ins'
const BINARY = './usr/bin/shipper'
const INSTALLED_BY_SCRIPT = '/usr/local/bin/shipper'
// biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of the configuration
const STATE_DEFAULT = '${SHIPPER_STATE:-.}'
// biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of the configuration
const STATE_OF_SERVICE = '${SHIPPER_STATE:-/var/lib/shipper}'

export interface DebInput {
  version: string
  maintainer: string
  /** Debian's name of the architecture. */
  arch: string
  /** Modification time of all files, in seconds since 1970. */
  time: number
  binary: Buffer
  /** License of shipper and those of the bundled packages. */
  copyright: string
}

/**
 * Returns a Debian package: an `ar` archive of "debian-binary", the control files and the data, the latter two as tar.gz.
 * These are a hundred lines of our own because the existing npm packages either call dpkg-deb and fakeroot, which not every
 * build machine has, or use the modification times and owners of the files on disk.
 */
export function deb(input: DebInput): Buffer {
  const files = filesOf(input)
  const conffiles = files.filter(({ path }) => path.startsWith('./etc/')).map(({ path }) => path.slice(1))
  const control: Entry[] = [
    text('./control', controlOf(input, files)),
    text('./conffiles', `${conffiles.sort().join('\n')}\n`),
    text('./md5sums', md5sums(files)),
    ...SCRIPTS.map((name) => text(`./${name}`, readFileSync(join(ROOT, 'scripts/release/deb', name)), 0o755)),
  ]
  const packed = (entries: Entry[]): Buffer => gzip(tar(withDirectories(entries, './'), input.time))
  return ar(
    [
      { name: 'debian-binary', bytes: Buffer.from('2.0\n') },
      { name: 'control.tar.gz', bytes: packed(control) },
      { name: 'data.tar.gz', bytes: packed(files) },
    ],
    input.time,
  )
}

/** Returns the version for Debian, in which a tilde sorts `1.0.0-rc.1` before `1.0.0`. */
export function debianVersion(version: string): string {
  return version.replace('-', '~')
}

function filesOf({ binary, copyright }: DebInput): Entry[] {
  return [
    { path: BINARY, mode: 0o755, bytes: binary },
    text(
      './lib/systemd/system/shipper.service',
      replaced(
        read('conf/systemd/shipper.service'),
        `ExecStart=${INSTALLED_BY_SCRIPT} `,
        'ExecStart=/usr/bin/shipper ',
      ),
    ),
    text('./etc/shipper/shipper.conf', replaced(read('conf/shipper.conf'), STATE_DEFAULT, STATE_OF_SERVICE)),
    text('./etc/shipper/parsers.conf', read('conf/parsers.conf')),
    ...readdirSync(join(ROOT, DROP_INS))
      .toSorted()
      .map((name) => text(`./etc/shipper/drop-ins/${name}`, read(`${DROP_INS}/${name}`))),
    text('./usr/share/doc/shipper/copyright', copyright),
  ]
}

/** Replaces `old` and throws if it does not occur, so that a reworded file does not silently make a broken package. */
function replaced(text: string, old: string, replacement: string): string {
  if (!text.includes(old))
    throw new Error(`a file of conf/ does not contain "${old}", which the Debian package replaces`)
  return text.replaceAll(old, replacement)
}

function controlOf({ version, maintainer, arch }: DebInput, files: Entry[]): string {
  const kilobytes = files.reduce((sum, { bytes }) => sum + Math.ceil(bytes.length / 1024), 0)
  return `Package: shipper
Version: ${debianVersion(version)}
Architecture: ${arch}
Maintainer: ${maintainer}
Installed-Size: ${kilobytes}
Depends: libc6 (>= 2.17), passwd, init-system-helpers (>= 1.54)
Recommends: ca-certificates
Section: admin
Priority: optional
Description: log shipper for leaf nodes
 Follows log files and the journal and sends their lines to a forward peer
 (fluentd, fluent-bit) or to Kafka, at least once.
`
}

function md5sums(files: Entry[]): string {
  return files
    .filter(({ path }) => !path.startsWith('./etc/'))
    .map(({ path, bytes }) => `${createHash('md5').update(bytes).digest('hex')}  ${path.slice(2)}\n`)
    .join('')
}

function text(path: string, bytes: string | Buffer, mode = 0o644): Entry {
  return { path, mode, bytes: Buffer.from(bytes) }
}

function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8')
}

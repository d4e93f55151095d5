import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../bootstrap.mjs'
import { ar } from './ar.ts'
import { gzip } from './gzip.ts'
import { type Entry, tar, withFolders } from './tar.ts'

/** Debian's architecture name of each target that runs on Debian. */
export const DEBIAN_ARCH: Record<string, string> = { 'linux-x64': 'amd64', 'linux-arm64': 'arm64' }

const SCRIPTS = ['preinst', 'postinst', 'prerm', 'postrm']
const BINARY = './usr/bin/shipper'
const INSTALLED_BY_SCRIPT = '/usr/local/bin/shipper'
// biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of the configuration
const STATE_HERE = '${SHIPPER_STATE:-.}'
// biome-ignore lint/suspicious/noTemplateCurlyInString: the same
const STATE_OF_SERVICE = '${SHIPPER_STATE:-/var/lib/shipper}'

export interface DebInput {
  version: string
  maintainer: string
  /** Architecture, as Debian names it. */
  arch: string
  /** Time of every file in the package, in seconds since 1970. */
  time: number
  binary: Buffer
  /** Text of all licenses, ours and those of others. */
  copyright: string
}

/**
 * Makes a Debian package: an `ar` archive of "debian-binary", the control files and the data, the last two as tar.gz. A
 * hundred lines of our own instead of a package: the existing packages call dpkg-deb and fakeroot, which not every build
 * machine has, or they take time and owner of the files from the disk.
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
  const packed = (entries: Entry[]): Buffer => gzip(tar(withFolders(entries, './'), input.time))
  return ar(
    [
      { name: 'debian-binary', bytes: Buffer.from('2.0\n') },
      { name: 'control.tar.gz', bytes: packed(control) },
      { name: 'data.tar.gz', bytes: packed(files) },
    ],
    input.time,
  )
}

/** Returns Debian's form of the version: `1.0.0~rc.1`, because there only a tilde sorts before `1.0.0`. */
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
    text('./etc/shipper/shipper.conf', replaced(read('conf/shipper.conf'), STATE_HERE, STATE_OF_SERVICE)),
    text('./etc/shipper/parsers.conf', read('conf/parsers.conf')),
    text('./usr/share/doc/shipper/copyright', copyright),
  ]
}

/** Replaces a text; throws if it is not there, so that a reworded file does not give a package that silently fails. */
function replaced(text: string, place: string, by: string): string {
  if (!text.includes(place))
    throw new Error(`a file of conf/ has no "${place}" to be replaced in the Debian package`)
  return text.replaceAll(place, by)
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
Description: log shipper for the leaf nodes
 Follows log files and the journal, and sends what is in them to a forward
 peer (fluentd, fluent-bit) or to Kafka, at least once.
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

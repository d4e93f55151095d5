import { createHash } from 'node:crypto'
import type { Package } from './bundled.ts'
import { LINKED, revisionOf } from './linked.ts'

export interface SbomInput {
  name: string
  version: string
  commit: string
  license: string
  /** Time of the build in seconds since 1970. */
  time: number
  packages: Package[]
  /** Packages that the program itself imports, as `name@version`. */
  direct: string[]
  bun: string
  /** npm packages with the runtimes of the targets. */
  runtimes: { name: string; version: string; integrity: string }[]
}

/** A component of CycloneDX, with the fields that are used here. */
interface Component {
  type: 'application' | 'library' | 'platform'
  'bom-ref': string
  group?: string
  name: string
  version?: string
  licenses?: object[]
  purl?: string
  hashes?: { alg: string; content: string }[]
  components?: Component[]
}

/**
 * Returns a bill of materials, CycloneDX 1.6 in JSON: the packages whose code is in the binaries, the runtime, and the
 * libraries linked into it. The serial number is derived from the content, so that the same input gives the same bytes.
 */
export function sbom(input: SbomInput): string {
  const { name, version, commit, license, time, packages, direct, bun, runtimes } = input
  const program: Component = {
    type: 'application',
    'bom-ref': name,
    name,
    version,
    licenses: licensesOf(license),
    purl: `pkg:generic/${name}@${version}`,
  }
  const runtime: Component = {
    type: 'platform',
    'bom-ref': `bun@${bun}`,
    name: 'bun',
    version: bun,
    licenses: licensesOf('MIT'),
    purl: `pkg:npm/bun@${bun}`,
    components: [...runtimes.map(runtimeOf), ...LINKED.map(linkedOf)],
  }
  const content = {
    version: 1,
    metadata: {
      timestamp: new Date(time * 1000).toISOString(),
      lifecycles: [{ phase: 'build' }],
      component: program,
      properties: [{ name: `${name}:commit`, value: commit }],
    },
    components: [...packages.map(packageOf), runtime],
    dependencies: [
      { ref: name, dependsOn: [...direct, runtime['bom-ref']] },
      ...packages.map((each) => ({ ref: refOf(each), dependsOn: each.needs })),
      { ref: runtime['bom-ref'], dependsOn: runtime.components?.map((each) => each['bom-ref']) },
    ],
  }
  const head = { bomFormat: 'CycloneDX', specVersion: '1.6', serialNumber: serialOf(JSON.stringify(content)) }
  return `${JSON.stringify({ ...head, ...content }, undefined, 2)}\n`
}

function packageOf(each: Package): Component {
  return {
    type: 'library',
    ...identityOf(each.name),
    'bom-ref': refOf(each),
    version: each.version,
    licenses: licensesOf(each.license),
    purl: purlOf(each.name, each.version),
    hashes: [sha512Of(each.integrity)],
  }
}

function runtimeOf({ name, version, integrity }: SbomInput['runtimes'][number]): Component {
  const purl = purlOf(name, version)
  const hashes = [sha512Of(integrity)]
  return { type: 'platform', ...identityOf(name), 'bom-ref': `${name}@${version}`, version, purl, hashes }
}

function linkedOf(each: (typeof LINKED)[number]): Component {
  const version = revisionOf(each)
  return {
    type: 'library',
    'bom-ref': `linked:${each.name}`,
    name: each.name,
    ...(version === undefined ? {} : { version }),
    licenses: licensesOf(each.license),
  }
}

function refOf({ name, version }: Package): string {
  return `${name}@${version}`
}

function identityOf(full: string): { group?: string; name: string } {
  const [group = '', name] = full.split('/')
  return name === undefined ? { name: full } : { group, name }
}

/** Returns a package URL, in which the @ of a scope is escaped. */
function purlOf(name: string, version: string): string {
  return `pkg:npm/${name.replace('@', '%40')}@${version}`
}

function licensesOf(license: string): object[] {
  return license.includes(' ') ? [{ expression: license }] : [{ license: { id: license } }]
}

function sha512Of(integrity: string): { alg: string; content: string } {
  const [algorithm, base64 = ''] = integrity.split('-')
  if (algorithm !== 'sha512') throw new Error(`the integrity of npm is not a SHA-512: ${integrity}`)
  return { alg: 'SHA-512', content: Buffer.from(base64, 'base64').toString('hex') }
}

/** Returns a UUID of version 8 (application-defined bits) derived from the content. */
function serialOf(content: string): string {
  const hex = createHash('sha256').update(content).digest('hex')
  const variant = ((Number.parseInt(hex.charAt(16), 16) & 3) | 8).toString(16)
  const parts = [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `${variant}${hex.slice(17, 20)}`]
  return `urn:uuid:${[...parts, hex.slice(20, 32)].join('-')}`
}

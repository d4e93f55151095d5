import { expect, test } from 'bun:test'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Spec, Validation } from '@cyclonedx/cyclonedx-library'
import { ROOT } from '../../../scripts/bootstrap.mjs'
import { bundledDirectories, describe, directOf } from '../../../scripts/release/bundled.ts'
import { idsOf, thirdPartyLicenses } from '../../../scripts/release/licenses.ts'
import { LINKED, NOT_LINKED } from '../../../scripts/release/linked.ts'
import { type SbomInput, sbom } from '../../../scripts/release/sbom.ts'
import { tmp } from '../../support/tmp.ts'

const PURL = /^pkg:npm\/chokidar@\d/
const SHA512 = /^[0-9a-f]{128}$/

const directories = ['node_modules/chokidar', 'node_modules/readdirp', 'node_modules/snappyjs']
const packages = describe(ROOT, directories)
const input: SbomInput = {
  name: 'shipper',
  version: '1.2.3',
  commit: '0123456789',
  license: 'Apache-2.0',
  time: 1_700_000_000,
  packages,
  direct: directOf(ROOT, packages),
  bun: '1.4.5',
  runtimes: [{ name: '@oven/bun-linux-x64', version: '1.4.5', integrity: `sha512-${'A'.repeat(86)}==` }],
}

test('the bill of materials is strictly valid CycloneDX 1.6', async () => {
  const validator = new Validation.JsonStrictValidator(Spec.Version.v1dot6)
  expect(await validator.validate(sbom(input))).toBeNull()
  const broken = sbom(input).replace('"library"', '"libary"')
  expect(await validator.validate(broken)).not.toBeNull()
})

test('it lists each package with its URL, its hash and its dependencies', () => {
  const { components, dependencies, metadata } = JSON.parse(sbom(input))
  const names = (list: { name: string }[]): string[] => list.map(({ name }) => name)
  expect(names(components)).toEqual(['chokidar', 'readdirp', 'snappyjs', 'bun'])
  expect(components[0].purl).toMatch(PURL)
  expect(components[0].hashes[0].content).toMatch(SHA512)
  expect(names(components[3].components)).toContain('WebKit')
  const [chokidar, readdirp] = components.map((each: { 'bom-ref': string }) => each['bom-ref'])
  expect(dependencies).toContainEqual({ ref: chokidar, dependsOn: [readdirp] })
  expect(metadata.timestamp).toBe('2023-11-14T22:13:20.000Z')
})

test('the same input gives the same serial number, another input a different one', () => {
  const serial = (changes: Partial<SbomInput>): string =>
    JSON.parse(sbom({ ...input, ...changes })).serialNumber
  expect(serial({})).toBe(serial({}))
  expect(serial({ commit: 'other' })).not.toBe(serial({}))
})

test('a package that is imported but not used is not listed', () => {
  const outputs = {
    x: {
      bytes: 3,
      inputs: {
        'src/a.ts': { bytesInOutput: 1 },
        'node_modules/@a/b/c.js': { bytesInOutput: 1 },
        'node_modules/d/node_modules/e/f.js': { bytesInOutput: 1 },
        'node_modules/unused/f.js': { bytesInOutput: 0 },
      },
    },
  }
  expect(bundledDirectories({ outputs })).toEqual(['node_modules/@a/b', 'node_modules/d/node_modules/e'])
})

test('each of two versions of a package is a dependency of the right package', () => {
  const root = tmp()
  const integrity = input.runtimes[0]?.integrity
  const lock = {
    'node_modules/a': { version: '1.0.0', license: 'MIT', integrity, dependencies: { b: '^2' } },
    'node_modules/a/node_modules/b': { version: '2.0.0', license: 'MIT', integrity },
    'node_modules/b': { version: '1.0.0', license: 'MIT', integrity, dependencies: { unbundled: '^1' } },
  }
  writeFileSync(join(root, 'package-lock.json'), JSON.stringify({ packages: lock }))
  for (const directory of Object.keys(lock)) mkdirSync(join(root, directory), { recursive: true })
  expect(describe(root, Object.keys(lock)).map(({ needs }) => needs)).toEqual([['b@2.0.0'], [], []])
})

test('a bundled package that is not in package-lock.json is rejected', () => {
  expect(() => describe(ROOT, ['node_modules/nobody'])).toThrow('not in package-lock.json')
})

test('every package has the text of its license', () => {
  const text = thirdPartyLicenses(packages, '1.4.5')
  for (const { name, version, texts } of packages) {
    expect(texts.length).toBeGreaterThan(0)
    expect(text).toContain(`\n${name} ${version} (MIT)\n`)
  }
  expect(text).toContain('GNU LIBRARY GENERAL PUBLIC LICENSE')
})

test('a package without a license text gets the standard text', () => {
  const [first] = packages
  if (first === undefined) throw new Error('no package')
  const text = thirdPartyLicenses([{ ...first, license: 'ISC', texts: [] }], '1.4.5')
  expect(text).toContain('does not include the text of its license')
  expect(text).toContain('ISC License')
})

// A new version of bun may link a new library: read its list of licenses again then.
test('every component that the runtime reports is on the list', () => {
  const listed = [...LINKED.flatMap(({ key }) => key ?? []), ...NOT_LINKED].sort()
  expect(Object.keys(process.versions).sort()).toEqual(listed)
  for (const id of LINKED.flatMap(({ license }) => idsOf(license))) {
    expect(existsSync(join(ROOT, `node_modules/spdx-license-list/licenses/${id}.json`))).toBe(true)
  }
})

import { expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { readManifest } from '../../scripts/manifest.ts'
import { sourcesUnder } from '../support/sources.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const FOLDER = 'conf/systemd/drop-ins'
const NAMED = /useDropIn\('([\w-]+)'\)/g
const SETTING = /^(\w+)=/
const CLAIM = /"(cannot [^"]+|the processes [^"]+)"/g
const COMMENT = /\n# /g
const names = readdirSync(join(ROOT, FOLDER)).sort()

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')

test('every drop-in that a message names exists, and every one is named by one', () => {
  const named = sourcesUnder('src').flatMap(({ code }) =>
    [...code.matchAll(NAMED)].map(([, name = '']) => `${name}.conf`),
  )
  expect([...new Set(named)].sort()).toEqual(names)
})

test('a drop-in changes only what the unit sets, and may add devices and groups', () => {
  const settingsOf = (path: string): string[] =>
    read(path)
      .split('\n')
      .flatMap((line) => SETTING.exec(line)?.[1] ?? [])
  const unit = new Set([...settingsOf('conf/systemd/shipper.service'), 'DeviceAllow', 'SupplementaryGroups'])
  for (const name of names)
    expect(
      settingsOf(join(FOLDER, name)).filter((setting) => !unit.has(setting)),
      name,
    ).toEqual([])
})

test('every drop-in is a file of the release, and is in the guide with the error that it quotes', () => {
  const released = Object.values(readManifest().install)
  const guide = read('docs/guides/install.md')
  for (const name of names) {
    expect(released, name).toContain(`${FOLDER}/${name}`)
    const errors = [...read(`${FOLDER}/${name}`).replaceAll(COMMENT, ' ').matchAll(CLAIM)]
    expect(errors.length, name).toBeGreaterThan(0)
    const row = guide.split('\n').find((line) => line.includes(`${FOLDER}/${name}`)) ?? ''
    for (const [, text = ''] of errors) expect(row, name).toContain(text)
  }
})

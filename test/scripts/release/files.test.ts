import { expect, test } from 'bun:test'
import { readManifest } from '../../../scripts/manifest.ts'
import { file, plainFiles, sums } from '../../../scripts/release/files.ts'

const installer = (baseUrl: string): string => {
  const found = plainFiles(readManifest(), baseUrl, '').find(({ path }) => path === 'install.sh')
  return Buffer.from(found?.bytes ?? []).toString()
}

test('the installer of a release contains its download address', () => {
  expect(installer('https://example.org/r')).toContain("\nDEFAULT_BASE_URL='https://example.org/r'\n")
  expect(installer('')).toContain("\nDEFAULT_BASE_URL=''\n")
})

test('scripts are executable, other texts are not', () => {
  expect(file('a', '#!/bin/sh\n').mode).toBe(0o755)
  expect(file('a', 'text\n').mode).toBe(0o644)
})

test('checksums are sorted by name, in the format of sha256sum', () => {
  const empty = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
  expect(sums([file('b', ''), file('a', '')])).toBe(`${empty}  a\n${empty}  b\n`)
})

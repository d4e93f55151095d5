import { expect, test } from 'bun:test'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findLogs } from '../../scripts/system-logs.mjs'
import { tmp } from '../support/tmp.ts'

function directoryWith(files: Record<string, string>): string {
  const dir = tmp()
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(dir, name, '..'), { recursive: true })
    writeFileSync(join(dir, name), text)
  }
  return dir
}

test('finds *.log and the well-known names, also in subdirectories', () => {
  const dir = directoryWith({
    'a.log': 'abc\n',
    syslog: 'def\n',
    'apt/term.log': 'g\n',
    wtmp: 'no\n',
    'a.log.1': 'old\n',
  })
  expect(findLogs(dir)).toEqual({
    patterns: [`${dir}/*.log`, `${dir}/syslog`, `${dir}/apt/*.log`],
    excluded: [],
    files: 3,
    bytes: 10,
  })
})

test('excludes a binary file that matches a pattern', () => {
  const dir = directoryWith({ 'a.log': 'abc\n', 'b.log': 'a\0b\n' })
  expect(findLogs(dir).excluded).toEqual([`${dir}/b.log`])
})

test('returns no pattern for a directory with only binary files', () => {
  const dir = directoryWith({ 'b.log': '\0', 'journal/x.log': 'text\n' })
  expect(findLogs(dir)).toEqual({ patterns: [], excluded: [], files: 0, bytes: 0 })
})

test('a missing directory contains no logs', () => {
  expect(findLogs('/nowhere').files).toBe(0)
})

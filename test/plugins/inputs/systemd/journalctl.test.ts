import { expect, test } from 'bun:test'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ShipperError } from '../../../../src/core/error.ts'
import {
  machineMatch,
  matchArgs,
  queryJournal,
  sourceArgs,
} from '../../../../src/plugins/inputs/systemd/journalctl.ts'
import { tmp } from '../../../support/tmp.ts'

const ID = '0123456789abcdef0123456789abcdef'

test('every call merges all boots, and passes the directory', () => {
  expect(sourceArgs(undefined)).toContain('--merge')
  expect(sourceArgs('/j')).toEqual([...sourceArgs(undefined), '--directory=/j'])
})

test('only entries of this machine are read from the default journal, if the machine has an id', () => {
  const file = join(tmp(), 'machine-id')
  expect(machineMatch(undefined, file)).toEqual([])
  writeFileSync(file, `${ID}\n`)
  expect(machineMatch(undefined, file)).toEqual([`_MACHINE_ID=${ID}`])
  expect(machineMatch('/j', file)).toEqual([])
  writeFileSync(file, 'uninitialized\n')
  expect(machineMatch(undefined, file)).toEqual([])
})

test('filters are joined by plus when any of them may match', () => {
  const args = (systemdFilter: string[], systemdFilterType: 'or' | 'and') =>
    matchArgs({ path: '/j', systemdFilter, systemdFilterType })
  expect(args([], 'or')).toEqual([])
  expect(args(['A=1', 'B=2'], 'or')).toEqual(['A=1', '+', 'B=2'])
  expect(args(['A=1', 'B=2'], 'and')).toEqual(['A=1', 'B=2'])
})

test('the boot is a match in every group of filters', () => {
  const options = { path: '/j', systemdFilter: ['A=1', 'B=2'], systemdFilterType: 'or' as const }
  expect(matchArgs(options, ID)).toEqual([`_BOOT_ID=${ID}`, 'A=1', '+', `_BOOT_ID=${ID}`, 'B=2'])
  expect(matchArgs({ ...options, systemdFilterType: 'and' }, ID)).toEqual([`_BOOT_ID=${ID}`, 'A=1', 'B=2'])
})

/** Runs a query with a program of this text in place of journalctl. */
async function queried(script: string): Promise<{ answer: string; lines: string[] }> {
  const dir = tmp()
  writeFileSync(join(dir, 'journalctl'), `#!/bin/sh\n${script}\n`)
  chmodSync(join(dir, 'journalctl'), 0o755)
  const before = process.env.PATH
  process.env.PATH = `${dir}:${before}`
  const lines: string[] = []
  try {
    const answer = await queryJournal([], new AbortController().signal, (line) => lines.push(line))
    return { answer, lines }
  } finally {
    process.env.PATH = before
  }
}

test('an endless answer of journalctl is an error that is retried, and is not kept', async () => {
  const error = (await queried('exec yes 0123456789abcdef0123456789abcdef').catch((e) => e)) as ShipperError
  expect([error.code, error.retryable]).toEqual(['E_JOURNAL_READ', true])
})

test('the first lines of an answer on stderr are reported, bounded and without control characters', async () => {
  const { answer, lines } = await queried(
    `printf 'ok'; { printf 'a\\033[2J\\n\\n'; head -c 5000 /dev/zero | tr '\\0' x; for i in $(seq 100); do echo; echo $i; done; } >&2`,
  )
  expect(answer).toBe('ok')
  expect([lines.length, lines[0], lines[2]]).toEqual([20, 'a\\x1b[2J', '1'])
  expect(lines[1]).toBe(`${'x'.repeat(500)}...`)
  const failed = (await queried("printf 'no \\033[2J' >&2; exit 1").catch((e) => e)) as ShipperError
  expect(failed.message).toBe('cannot read the journal: no \\x1b[2J')
})

import { expect, test } from 'bun:test'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from '../support/process.ts'
import { tmp } from '../support/tmp.ts'

/** Bytes that tail reads at once when there is much to read. */
const BLOCK_BYTES = 262_144
/** Distances of the start of a line from the end of a block, in bytes. */
const DISTANCES = Array.from({ length: 24 }, (_, i) => i)

const PARSERS = `[PARSER]
    Name    words
    Format  regex
    Regex   ^m (?<m>[^ ]+)$
[PARSER]
    Name    log
    Format  json
`
const CRI_TIME = '2026-11-21T06:00:07.123456789Z'

/** What stands before and after the text of a line, and the parser that finds it. */
const FORMS = {
  raw: { before: '', after: '', properties: [], key: 'log' },
  json: { before: '{"m":"', after: '"}', properties: ['parser=json'], key: 'm' },
  'json with the keys of Docker': { before: '{"log":"', after: '"}', properties: ['parser=log'], key: 'log' },
  logfmt: { before: 'm=', after: '', properties: ['parser=logfmt'], key: 'm' },
  ltsv: { before: 'm:', after: '', properties: ['parser=ltsv'], key: 'm' },
  regex: { before: 'm ', after: '', properties: ['parser=words'], key: 'm' },
  docker: {
    before: '{"log":"',
    after: `","stream":"stdout","time":"${CRI_TIME}"}`,
    properties: ['parser=docker'],
    key: 'log',
  },
  cri: {
    before: `${CRI_TIME} stdout F `,
    after: '',
    properties: ['multiline.parser=cri'],
    key: 'log',
  },
} as const

/** Returns texts whose lines, of `extra` bytes more, fill a block but for `distance` bytes, and then most of another one. */
function textsOf(distance: number, extra: number): string[] {
  const texts: string[] = []
  const add = (size: number): void => {
    texts.push(`${distance}-${texts.length}-`.padEnd(size - extra, 'x'))
  }
  let left = BLOCK_BYTES - distance
  for (; left >= 1000; left -= 400) add(400)
  add(left)
  for (let i = 0; i < 500; i++) add(400)
  return texts
}

for (const [name, { before, after, properties, key }] of Object.entries(FORMS))
  test(`${name}: no line is lost or cut, wherever in a block it begins`, async () => {
    const cwd = tmp()
    mkdirSync(join(cwd, 'logs'))
    writeFileSync(join(cwd, 'parsers.conf'), PARSERS)
    const expected: string[] = []
    for (const distance of DISTANCES) {
      const texts = textsOf(distance, before.length + after.length + 1)
      expected.push(...texts)
      const lines = texts.map((text) => `${before}${text}${after}\n`)
      writeFileSync(join(cwd, 'logs', `${distance}.log`), lines.join(''))
    }
    const tail = ['path=logs/*.log', 'read_from_head=on', 'exit_on_eof=on', ...properties]
    const output = ['file=out.txt', 'format=plain']
    const { code, stderr } = await run(
      [
        ...['-R', 'parsers.conf', '-i', 'tail', ...tail.flatMap((each) => ['-p', each])],
        ...['-o', 'file', ...output.flatMap((each) => ['-p', each])],
      ],
      { cwd },
    )
    expect(stderr).not.toContain('E_')
    expect(code).toBe(0)
    const records = readFileSync(join(cwd, 'out.txt'), 'utf8').trim().split('\n')
    const texts = records.map((record) => (JSON.parse(record) as Record<string, string>)[key])
    expect(texts.sort()).toEqual(expected.sort())
  })

import { describe, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { WRITTEN } from '../../../lib/multiline/written-traces.ts'
import { TailRun } from '../../../support/tail/run.ts'
import { atEnd, tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

/** Returns the records that tail makes of the lines. */
async function recordsOf(names: string, lines: string): Promise<string[]> {
  const path = join(tmp(), 'a.log')
  writeFileSync(path, lines)
  const tail = { path, read_from_head: 'on', exit_on_eof: 'on', 'multiline.parser': names }
  const made = new TailRun({ tail }).start()
  atEnd(() => made.abort())
  await until(() => made.finished)
  await made.stop()
  return made.lines()
}

describe('a message of several lines at the end of a trace', () => {
  const python = [
    'Traceback (most recent call last):',
    '  File "a.py", line 1, in f',
    'ValueError: first',
    'second',
  ]
  const rust = ["thread 'a' panicked at src/main.rs:2:5:", 'first', 'second']

  test('ends before a line that begins like a log line, without the blank lines before it', async () => {
    for (const [name, trace] of Object.entries({ python, rust })) {
      const lines = [...trace, '', '  third', '', 'INFO next', 'plain']
      const expected = [[...trace, '', '  third'].join('\n'), '', 'INFO next', 'plain']
      for (const names of [name, `java, ${name}`])
        expect(await recordsOf(names, `${lines.join('\n')}\n`)).toEqual(expected)
    }
  })

  test('is cut after its first line when nothing distinguishes it from other lines', async () => {
    for (const [name, trace] of Object.entries({ python, rust })) {
      const again = [...trace, 'plain', ...trace.slice(0, -1), '', 'end']
      const first = trace.slice(0, -1).join('\n')
      expect(await recordsOf(name, `${again.join('\n')}\n`)).toEqual([
        ...[first, 'second', 'plain'],
        ...[first, '', 'end'],
      ])
    }
  })

  test('does not hide a head of its own kind in a message if the head is indented', async () => {
    const trace = [
      'java.lang.Error: a',
      '  java.io.IOException: is no cause',
      ' Error: neither',
      '\tat a.B.c(B.java:3)',
    ]
    expect(await recordsOf('java, node', `${trace.join('\n')}\nnext\n`)).toEqual([trace.join('\n'), 'next'])
    const two = ['Error: a', 'Error: b', '    at c (/d.js:1:1)']
    expect(await recordsOf('node', `${two.join('\n')}\n`)).toEqual(['Error: a', two.slice(1).join('\n')])
  })
})

describe('each trace is one record, and the lines around it are records of their own:', () => {
  const all = Object.keys(WRITTEN).join(', ')
  for (const [name, traces] of Object.entries(WRITTEN)) {
    for (const [before, after] of [
      ['before', 'after'],
      ['2026-11-21T06:00:00Z INFO before', '{"level":"info","msg":"after"}'],
    ]) {
      for (const names of [name, all]) {
        test(`${name} between "${before}" and "${after}", by ${names}`, async () => {
          const expected = traces.flatMap((trace) => [before as string, trace, after as string])
          expect(await recordsOf(names, `${expected.join('\n')}\n`)).toEqual(expected)
        })
      }
    }
  }
})

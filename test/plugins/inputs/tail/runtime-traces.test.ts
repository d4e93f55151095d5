import { describe, expect } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { peerOrSkip } from '../../../support/skip.ts'
import { TailRun } from '../../../support/tail/run.ts'
import { isInstalled, linesOf, MARK, RUNTIMES, recordsBetweenMarks } from '../../../support/tail/runtimes.ts'
import { atEnd, tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

const ALL = 'java, python, go, ruby, node, dotnet, php, rust, dart'
const FRAMES_FOLLOW = ['java', 'go', 'node']
const FORMS: Record<string, (line: string) => string> = {
  plain: (line) => line,
  cri: (line) => `2026-11-21T06:00:00.123456789Z stderr F ${line}`,
  docker: (line) =>
    JSON.stringify({ log: `${line}\n`, stream: 'stderr', time: '2026-11-21T06:00:00.123456789Z' }),
}

/** Returns the texts of the records that tail makes of the lines. */
async function joined(lines: string[], form: string, names: string): Promise<string[]> {
  const path = join(tmp(), 'a.log')
  writeFileSync(path, lines.map((line) => `${FORMS[form]?.(line)}\n`).join(''))
  const parsers = form === 'plain' ? names : `docker, cri, ${names}`
  const made = new TailRun({
    tail: { path, read_from_head: 'on', exit_on_eof: 'on', 'multiline.parser': parsers },
  }).start()
  atEnd(() => made.abort())
  await until(() => made.finished)
  await made.stop()
  return made.lines().map((text) => (form === 'docker' ? text.replace(/\n$/, '') : text))
}

describe('each trace between two log lines becomes one record, as the installed version writes it:', () => {
  for (const [title, runtime] of Object.entries(RUNTIMES)) {
    const name = title.split(' ')[0] as string
    const reason = `no working \`${runtime.command}\` on PATH`
    const testInstalled = peerOrSkip(runtime.command, isInstalled(runtime), reason, 'nowhere')
    testInstalled(
      title,
      async () => {
        const lines = linesOf(runtime)
        const expected = recordsBetweenMarks(lines)
        expect(expected.filter((record) => record.includes('\n')).length).toBeGreaterThan(2)
        expect(expected.at(-1)).toBe(`${MARK} end`)
        for (const form of Object.keys(FORMS)) {
          expect(await joined(lines, form, name)).toEqual(expected)
          expect(await joined(lines, form, ALL)).toEqual(expected)
        }
        // If frames follow each message, the ordinary lines need no form of their own.
        if (!FRAMES_FOLLOW.includes(name)) return
        const plain = (text: string): string => text.replace(MARK, 'now')
        expect(await joined(lines.map(plain), 'plain', name)).toEqual(expected.map(plain))
      },
      600_000,
    )
  }
})

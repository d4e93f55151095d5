import { expect, test } from 'bun:test'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Running, start } from '../support/process.ts'
import { tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

const LINES = 20_000
const FILES = 7

/** Starts an agent that follows `a.log`, whose lines are JSON, and writes to `out` by the field `app`. */
function agentIn(dir: string, more = ''): Running {
  const conf = join(dir, 'agent.conf')
  const parsers = join(dir, 'parsers.conf')
  writeFileSync(parsers, '[PARSER]\n    Name json\n    Format json\n')
  writeFileSync(
    conf,
    `[SERVICE]
    Flush 0.1
    Grace 1
    Parsers_File ${parsers}
[INPUT]
    Name tail
    Tag app
    Path ${dir}/a.log
    DB ${dir}/pos.db
    Parser json
    Read_From_Head on
[OUTPUT]
    Name file
    Match *
    Path ${dir}/out/$ns
    File $app.log
    Format template
    Template <{i}>
    Mkdir on
${more}`,
  )
  return start(['-c', conf])
}

/** Returns the numbers of the complete lines; a kill may leave a part of one. */
function numbersIn(path: string): number[] {
  if (!existsSync(path)) return []
  return [...readFileSync(path, 'utf8').matchAll(/^<(\d+)>$/gm)].map(([, number]) => Number(number))
}

test('kill -9 while records go to several files loses none of them, and each file has them in order', async () => {
  const dir = tmp()
  const lines = Array.from({ length: LINES }, (_, i) => JSON.stringify({ ns: 'n', app: `a${i % FILES}`, i }))
  writeFileSync(join(dir, 'a.log'), `${lines.join('\n')}\n`)
  const paths = Array.from({ length: FILES }, (_, i) => join(dir, `out/n/a${i}.log`))
  for (let kill = 1; kill <= 3; kill++) {
    const agent = agentIn(dir)
    const written = Math.min(LINES / FILES - 1, (kill * LINES) / FILES / 4)
    await until(() => numbersIn(paths[0] as string).length >= written, { what: () => agent.stderr })
    await agent.stop('SIGKILL')
  }
  const last = agentIn(dir)
  const distinct = (): number => paths.reduce((n, path) => n + new Set(numbersIn(path)).size, 0)
  await until(() => distinct() === LINES, { what: () => `${distinct()} of ${LINES}: ${last.stderr}` })
  expect(await last.stop()).toEqual({ code: 0, signal: null })
  paths.forEach((path, file) => {
    const first = [...new Set(numbersIn(path))]
    expect(first).toEqual(Array.from({ length: first.length }, (_, i) => i * FILES + file))
  })
})

test('a record without the field, or that names a directory, goes to the dead letters at once, and the others to their files', async () => {
  const dir = tmp()
  const records = [
    { ns: 'n', app: 'a', i: 1 },
    { ns: 'n', i: 2 },
    { ns: '../..', app: 'a', i: 3 },
    { ns: 'n', app: 'dir', i: 4 },
    { ns: 'n', app: 'a', i: 5 },
  ]
  writeFileSync(join(dir, 'a.log'), records.map((record) => `${JSON.stringify(record)}\n`).join(''))
  mkdirSync(join(dir, 'out/n/dir.log'), { recursive: true })
  const agent = agentIn(dir)
  await agent.waitForStderr('3 records rejected and written to')
  expect(numbersIn(join(dir, 'out/n/a.log'))).toEqual([1, 5])
  expect(await agent.stop()).toEqual({ code: 0, signal: null })
  const letters = readdirSync(dir).filter((name) => /^dead-letters\.file/.test(name))
  expect(letters).toHaveLength(1)
  expect(
    readFileSync(join(dir, letters[0] as string), 'utf8')
      .trimEnd()
      .split('\n'),
  ).toHaveLength(3)
  expect(readdirSync(join(dir, 'out'), { recursive: true }).sort()).toEqual(['n', 'n/a.log', 'n/dir.log'])
})

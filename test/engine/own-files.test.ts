import { expect, test } from 'bun:test'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { sharedFileProblems } from '../../src/agent/shared-files.ts'
import { loadPlan } from '../../src/config/load.ts'
import { parseOptions } from '../../src/core/options/parse.ts'
import type { OutputPlan } from '../../src/core/plan.ts'
import { OwnFiles } from '../../src/engine/own-files.ts'
import { ON_ERROR_OPTIONS } from '../../src/lib/plugin/on-error-options.ts'
import { registry } from '../../src/registry.ts'
import { CollectingOutput } from '../support/engine/assembled.ts'
import { filterPlanOf, planOf } from '../support/engine/plan.ts'
import { tmp } from '../support/tmp.ts'

test('files of the agent are known by every path: databases and what is next to them, log, dead letters, configuration', async () => {
  const folder = tmp()
  const at = (name: string): string => join(folder, name)
  writeFileSync(at('parsers.conf'), '[PARSER]\n    Name p\n    Format json\n')
  writeFileSync(
    at('agent.conf'),
    `[SERVICE]\n    Parsers_File parsers.conf\n    Log_File ${at('agent.log')}\n` +
      `[INPUT]\n    Name tail\n    Path ${at('x.log')}\n    Parser p\n    DB ${at('pos.db')}\n` +
      `[OUTPUT]\n    Name file\n    Match *\n    Path ${folder}\n    Dead_Letter_File ${at('refused.jsonl')}\n`,
  )
  const { plan, problems } = await loadPlan({ file: at('agent.conf'), flags: undefined, registry, env: {} })
  expect(problems).toEqual([])
  if (plan === undefined) throw new Error('no plan')
  const own = new OwnFiles(plan)
  mkdirSync(at('other'))
  symlinkSync(folder, join(at('other'), 'link'))
  const database = ['pos.db', 'pos.db-wal', 'pos.db.lock', 'pos.db.recovered', 'pos.db-journal']
  const more = [
    'dead-letters.file.0.jsonl',
    'refused.jsonl.1',
    'kubernetes.0.pods',
    'agent.log',
    'agent.conf',
    'parsers.conf',
  ]
  for (const name of [...database, ...more])
    for (const path of [at(name), join(at('other'), 'link', name), join(folder, 'other', '..', name)])
      expect([path, own.has(path)]).toEqual([path, true])
  for (const name of ['pos.dbx', 'pos', 'other/pos.db', 'app.log', 'agent.conf.old'])
    expect([name, own.has(at(name))]).toEqual([name, false])
})

test('the dead letters of a filter are a file of the agent, under a name of its own as well', () => {
  const folder = tmp()
  const plan = planOf({ inputs: [], filters: [] })
  const filter = filterPlanOf({ name: 'f.0', create: () => ({ apply() {} }) })
  const letters = { dead_letter_file: join(folder, 'failed.jsonl') }
  const failing = {
    ...filter,
    spec: { ...filter.spec, options: ON_ERROR_OPTIONS },
    options: parseOptions(ON_ERROR_OPTIONS, letters),
  }
  const own = new OwnFiles({ ...plan, filters: [filter, failing as never] })
  expect(own.has(join(folder, 'failed.jsonl.1'))).toBe(true)
  expect(own.has(join(folder, 'other.jsonl'))).toBe(false)
  const output = outputTo(join(folder, 'failed.jsonl'))
  const [problem, ...more] = sharedFileProblems({ ...plan, filters: [failing as never], outputs: [output] })
  expect(problem?.message).toContain('the file of Dead_Letter_File of f.0')
  expect(more).toEqual([])
})

/** Returns the plan of an output that writes its records to a file. */
function outputTo(path: string): OutputPlan {
  const [output] = planOf({
    inputs: [],
    outputs: [{ name: 'o.0', create: () => new CollectingOutput() }],
  }).outputs
  if (output === undefined) throw new Error('no output')
  return { ...output, spec: { ...output.spec, writes: () => path } }
}

test('the folder of the buffer on disk is no file of another purpose, and its files are no files of a tag', async () => {
  const folder = tmp()
  const text = (path: string): string =>
    `[SERVICE]\n    storage.path ${path}\n[INPUT]\n    Name mem\n    storage.type filesystem\n` +
    `[OUTPUT]\n    Name file\n    Match *\n    Path ${folder}\n    File records\n`
  const planned = async (path: string) => {
    const file = join(folder, 'agent.conf')
    writeFileSync(file, text(path))
    const { plan, problems } = await loadPlan({ file, flags: undefined, registry, env: {} })
    expect(problems).toEqual([])
    if (plan === undefined) throw new Error('no plan')
    return plan
  }
  const [problem, ...more] = sharedFileProblems(await planned(join(folder, 'records')))
  expect(problem?.message).toContain('the file of storage.path: each would destroy what the other writes')
  expect(more).toEqual([])
  const plan = await planned(join(folder, 'buffer'))
  expect(sharedFileProblems(plan)).toEqual([])
  const own = new OwnFiles(plan)
  expect(own.has(join(folder, 'buffer', '00000000000000000001.seg'))).toBe(true)
  expect(own.has(join(folder, 'buffer2'))).toBe(false)
})

import { expect, test } from 'bun:test'
import { parseOptions } from '../../../src/core/options/parse.ts'
import { BulkApi } from '../../../src/lib/bulk/api.ts'
import { BULK_OPTIONS } from '../../../src/lib/bulk/options.ts'
import type { Answer, BatchInfo, Judgement } from '../../../src/lib/http-output/api.ts'
import { HttpOutput } from '../../../src/lib/http-output/http-output.ts'
import { OutputBench } from '../../support/http-output/output-bench.ts'
import { ScriptedServer } from '../../support/http-output/scripted-server.ts'

const RECORDS = 3
const OK = '{"create":{"status":201}}'
const DELETED = '{"delete":{"status":200,"result":"not_found"}}'
const BUSY = '{"create":{"status":503,"error":{"type":"x","reason":"busy"}}}'

/** Reads an answer to a request with three documents. */
async function judge(text: string, given: Record<string, string> = {}): Promise<Judgement> {
  let api: BulkApi | undefined
  new OutputBench((ctx) => {
    api = new BulkApi(parseOptions(BULK_OPTIONS, given), 'http://x', ctx)
    return new HttpOutput({ api, connections: new ScriptedServer(() => ({ status: 200 })), headers: {} }, ctx)
  })
  const answer: Answer = {
    status: 200,
    header: () => undefined,
    body: (async function* () {
      yield Buffer.from(text)
    })(),
  }
  return (api as BulkApi).readSuccess(answer, { records: RECORDS } as BatchInfo)
}

function answerOf(errors: string, ...items: string[]): string {
  return `{"errors":${errors},"items":[${items.join(',')}]}`
}

test('an answer with an outcome for each document is believed', async () => {
  const all = await judge(answerOf('false', OK, OK, OK))
  expect(all.kind === 'records' && all.verdicts.deliveredCount).toBe(3)
  const some = await judge(answerOf('true', OK, BUSY, OK))
  expect(some.kind === 'records' && [some.verdicts.deliveredCount, some.verdicts.isAgain(1)]).toEqual([
    2,
    true,
  ])
})

test.each([
  ['create', 'create'],
  ['index', 'index'],
  // VictoriaLogs answers so to every operation that writes.
  ['index', 'create'],
  ['update', 'update'],
  ['upsert', 'update'],
])('an answer to %s may have outcomes of %s', async (write_operation, name) => {
  const item = `{"${name}":{"status":201}}`
  const all = await judge(answerOf('false', item, item, item), { write_operation, id_key: 'id' })
  expect(all.kind === 'records' && all.verdicts.deliveredCount).toBe(3)
})

// Servers that do not know `filter_path` answer with `took`, and some with outcomes of their own.
test.each([
  ['update', answerOf('false', OK, OK)],
  ['create', answerOf('false', OK, OK)],
  ['index', answerOf('false', OK, OK, OK, OK)],
])(
  'an answer to %s with `took` and `errors` false is taken at its word: %s',
  async (write_operation, text) => {
    const all = await judge(text.replace('{', '{"took":1,'), { write_operation, id_key: 'id' })
    expect(all.kind === 'records' && all.verdicts.deliveredCount).toBe(3)
  },
)

test.each([
  ['no items, though nothing went wrong', '{"errors":false}'],
  ['an empty list', answerOf('false')],
  ['fewer outcomes', answerOf('true', OK, OK)],
  ['fewer outcomes with `took`', answerOf('true', OK, OK).replace('{', '{"took":1,')],
  ['deletions with `took`', answerOf('false', DELETED, DELETED, DELETED).replace('{', '{"took":1,')],
  ['no outcome with `took`', answerOf('false').replace('{', '{"took":1,')],
  ['fewer outcomes, and errors false', answerOf('false', OK, OK)],
  ['one outcome, and errors false', answerOf('false', OK)],
  ['more outcomes, and errors false', answerOf('false', OK, OK, OK, OK)],
  ['outcomes of another operation', answerOf('false', DELETED, DELETED, DELETED)],
  ['one outcome of another operation', answerOf('false', OK, DELETED, OK)],
  ['one outcome of an update', answerOf('false', OK, OK, '{"update":{"status":200}}')],
  ['fewer outcomes, some of them failures', answerOf('false', OK, BUSY)],
  ['more outcomes', answerOf('true', OK, OK, OK, OK)],
  ['many more outcomes', answerOf('true', ...Array<string>(5000).fill(OK))],
  ['failures, and errors false', answerOf('false', BUSY, BUSY, BUSY)],
  ['a conflict, and errors false', answerOf('false', OK, OK, '{"create":{"status":409}}')],
  ['no errors', `{"items":[${OK},${OK},${OK}]}`],
  ['errors null', answerOf('null', OK, OK, OK)],
  ['errors a number', answerOf('1', OK, OK, OK)],
  ['errors a text', answerOf('"index is read-only"', OK, OK, OK)],
  ['errors the text "false"', answerOf('"false"', OK, OK, OK)],
  ['errors a list', answerOf('[]', OK, OK, OK)],
  ['errors twice', `{"errors":true,"errors":false,"items":[${OK},${OK},${OK}]}`],
  ['items twice', `{"errors":false,"items":[${BUSY},${BUSY},${BUSY}],"items":[${OK},${OK},${OK}]}`],
  ['items twice, first half', `{"errors":false,"items":[${OK}],"items":[${OK},${OK}]}`],
  ['items that are an object', '{"errors":false,"items":{}}'],
  ['items that are a text', '{"errors":false,"items":"none"}'],
  [
    'an error of the whole',
    `{"errors":false,"error":{"type":"x","reason":"not written"},"items":[${OK},${OK},${OK}]}`,
  ],
  ['an error as a text', `{"error":"not written","errors":false,"items":[${OK},${OK},${OK}]}`],
  ['an outcome without a status', answerOf('false', OK, OK, '{"create":{}}')],
  ['an outcome that is empty', answerOf('false', OK, OK, '{}')],
  ['an outcome that is null', answerOf('false', OK, OK, 'null')],
  ['an outcome that is a list', answerOf('false', OK, OK, '[]')],
  ['an operation that is null', answerOf('false', OK, OK, '{"create":null}')],
  ['an operation that is a number', answerOf('false', OK, OK, '{"create":201}')],
  ['two operations', answerOf('true', OK, OK, '{"create":{"status":201},"index":{"status":400}}')],
  ['two statuses', answerOf('true', OK, OK, '{"create":{"status":400,"status":201}}')],
  ['a status of 400.5', answerOf('true', OK, OK, '{"create":{"status":400.5}}')],
  ['a status of 201.0', answerOf('false', OK, OK, '{"create":{"status":201.0}}')],
  ['a status of 2.01e2', answerOf('false', OK, OK, '{"create":{"status":2.01e2}}')],
  ['a status of -201', answerOf('false', OK, OK, '{"create":{"status":-201}}')],
  ['a status of 0', answerOf('false', OK, OK, '{"create":{"status":0}}')],
  ['a status that is a text', answerOf('false', OK, OK, '{"create":{"status":"201"}}')],
  ['a status that is null', answerOf('true', OK, OK, '{"create":{"status":null}}')],
  ['a status that is an object', answerOf('true', OK, OK, '{"create":{"status":{}}}')],
  [
    'success with an error',
    answerOf('false', OK, OK, '{"create":{"status":201,"error":{"type":"x","reason":"y"}}}'),
  ],
  ['a list around it', `[${answerOf('false', OK, OK, OK)}]`],
  ['an object around it', `{"x":${answerOf('false', OK, OK, OK)}}`],
  ['nothing', ''],
  ['null', 'null'],
  ['a number', '201'],
  ['two answers', answerOf('false', OK, OK, OK).repeat(2)],
])('with %s, it is not known what became of the documents', async (_, text) => {
  await expect(judge(text)).rejects.toThrow()
})

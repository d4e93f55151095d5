import { expect, test } from 'bun:test'
import { gzipSync } from 'node:zlib'
import { spec } from '../../../../src/plugins/inputs/http/index.ts'
import { HttpClient, type ListeningRun, listeningInput, post } from '../../../support/http/listening-input.ts'

async function send(run: ListeningRun, body: string | Buffer, headers: Record<string, string> = {}) {
  const client = new HttpClient(run.port)
  client.send(post('/t', body, headers))
  return client.answer()
}

test('a body with a tag for each record is delivered with them', async () => {
  const RECORDS = 40_000
  const body = Array.from({ length: RECORDS }, (_, n) => `{"n":${n},"t":"tag.${n}"}`).join('\n')
  const run = await listeningInput(spec, { tag_key: 't' })
  expect(await send(run, gzipSync(body), { 'Content-Encoding': 'gzip' })).toMatchObject({ status: 201 })
  const found = run.records()
  expect(found).toHaveLength(RECORDS)
  for (const [tag, record] of found) expect(tag).toBe(`tag.${(record as { n: number }).n}`)
})

test.each([
  [
    'keys in an object',
    `{${Array.from({ length: 70_000 }, (_, n) => `"k${n}":0`).join(',')}}`,
    'more than 65536 keys in a map',
  ],
  [
    'keys in nested objects',
    `${`{${Array.from({ length: 700 }, (_, n) => `"k${n}":0,`).join('')}"a":`.repeat(100)}0${'}'.repeat(100)}`,
    'more than 65536 keys in a map',
  ],
  [
    'equal keys',
    `{${Array.from({ length: 70_000 }, () => '"":0').join(',')}}`,
    'more than 65536 keys in a map',
  ],
  ['levels', `{"a":${'['.repeat(300)}${']'.repeat(300)}}`, 'more than 256 levels'],
  ['digits', `{"a":${'9'.repeat(100_000)}}`, 'a number beyond the range of float64'],
])('too many %s refuse the body, and the answer says so and where', async (_, object, what) => {
  const run = await listeningInput(spec)
  expect(await send(run, `[{"a":1},${object}]`)).toMatchObject({
    status: 400,
    body: `error: at byte 9 of the body there is an object with ${what}\n`,
  })
  expect(run.records()).toEqual([])
})

test('a number that is cut by the part of the body that is looked at first is read as a whole', async () => {
  const run = await listeningInput(spec)
  const number = `${'9'.repeat(4200)}e-4195`
  expect(await send(run, `{"a":${number}}`)).toMatchObject({ status: 201 })
  expect(run.records()).toEqual([['t', { a: 100_000 }]])
})

test.each([['{"a":1}'], ['[{"a":1}]'], [' {"a":1}\n']])(
  'a byte order mark before %p is passed over',
  async (text) => {
    const run = await listeningInput(spec)
    expect(await send(run, `\ufeff${text}`)).toMatchObject({ status: 201 })
    expect(run.records()).toEqual([['t', { a: 1 }]])
  },
)

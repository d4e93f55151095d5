import { expect, test } from 'bun:test'
import { BulkAnswer, type BulkItem } from '../../../src/lib/bulk/bulk-answer.ts'
import { fateOfItem } from '../../../src/lib/bulk/judge-item.ts'
import { fc } from '../../support/property.ts'

async function read(
  text: string,
  cut = 1_000_000,
): Promise<{ answer: BulkAnswer; bad: [number, BulkItem][] }> {
  const bad: [number, BulkItem][] = []
  const answer = new BulkAnswer((index, item) => {
    if (item.status < 300) return true
    bad.push([index, { ...item }])
    return false
  })
  const bytes = Buffer.from(text)
  await answer.read(
    (async function* () {
      for (let at = 0; at < bytes.length; at += cut) yield bytes.subarray(at, at + cut)
    })(),
  )
  return { answer, bad }
}

const item = fc.oneof(
  { weight: 8, arbitrary: fc.constant({ create: { status: 201 } }) },
  fc.constant({ index: { status: 200, _id: '1' } }),
  fc.record({
    create: fc.record({
      status: fc.constantFrom(400, 429, 503),
      error: fc.record({ type: fc.constantFrom('a', 'b'), reason: fc.string({ maxLength: 20 }) }),
    }),
  }),
)

test('each item that needs something is told, with its index, wherever the answer is cut', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(item, { maxLength: 60 }),
      fc.integer({ min: 1, max: 90 }),
      async (items, cut) => {
        const { answer, bad } = await read(JSON.stringify({ took: 1, errors: true, items }), cut)
        expect(answer.items).toBe(items.length)
        const expected = items.flatMap((each, i) => {
          const { status } = Object.values(each)[0] as { status: number }
          return status < 300 ? [] : [[i, status]]
        })
        expect(bad.map(([i, { status }]) => [i, status])).toEqual(expected as never)
      },
    ),
  )
})

test('errors may stand before or after the items', async () => {
  for (const text of [
    '{"errors":true,"items":[{"create":{"status":201}}]}',
    '{"items":[{"create":{"status":201}}],"errors":true}',
  ])
    expect((await read(text)).answer.errors).toBe(true)
})

test('an error has type, reason and cause; control characters are escaped', async () => {
  const { bad } = await read(
    JSON.stringify({
      items: [
        {
          create: {
            status: 400,
            error: {
              type: 't',
              reason: 'failed\u001b[1m',
              caused_by: { type: 'x', reason: 'For input string: "a"' },
            },
          },
        },
      ],
    }),
  )
  expect(bad[0]?.[1]).toEqual({ status: 400, type: 't', reason: 'failed\\x1b[1m: For input string: "a"' })
})

test('an answer that ends in the middle, or is something else, is an error', async () => {
  for (const text of ['{"items":[{"create":{"status":201}}', '{"items":[', '', '<html></html>'])
    await expect(read(text)).rejects.toThrow()
})

/** Reasons as Elasticsearch and OpenSearch give them. */
test.each([
  [201, '', '', 'delivered'],
  [200, '', '', 'delivered'],
  [409, 'version_conflict_engine_exception', '[1]: version conflict, document already exists', 'delivered'],
  [429, 'es_rejected_execution_exception', 'rejected execution of primary operation', 'overload'],
  [429, 'circuit_breaking_exception', '[parent] Data too large', 'overload'],
  [400, 'mapper_parsing_exception', 'failed to parse field [n] of type [long]', 'refused'],
  [400, 'document_parsing_exception', '[1:5] failed to parse', 'refused'],
  [400, 'strict_dynamic_mapping_exception', 'mapping set to strict', 'refused'],
  [400, 'illegal_argument_exception', 'Limit of total fields [1000] has been exceeded', 'refused'],
  [400, 'illegal_argument_exception', 'pipeline with id [x] does not exist', 'held'],
  [
    400,
    'illegal_argument_exception',
    'only write ops with an op_type of create are allowed in data streams',
    'held',
  ],
  [400, 'illegal_argument_exception', 'no write index is defined for alias [a]', 'held'],
  [400, 'illegal_state_exception', 'Pipeline processor configured for non-existent pipeline [x]', 'held'],
  [400, 'illegal_argument_exception', "final pipeline [x] can't change the target index", 'held'],
  [400, 'illegal_argument_exception', 'no matching index template found for data stream [x]', 'held'],
  [
    400,
    'illegal_argument_exception',
    'Validation Failed: 1: this action would add [2] total shards, but this cluster currently has [9]/[9] maximum shards open;',
    'held',
  ],
  [409, '', 'DocumentAlreadyExistsException[[x][3] [t][1]: document already exists]', 'delivered'],
  [409, 'document_already_exists_exception', '[t][1]: document already exists', 'delivered'],
  [409, 'cluster_block_exception', 'index [x] blocked by: [FORBIDDEN/12/index read-only]', 'held'],
  [409, 'resource_already_exists_exception', 'index [x] already exists', 'later'],
  [
    400,
    'validation_exception',
    'this action would add [2] shards, but this cluster currently has [1000]/[1000] maximum normal shards open',
    'held',
  ],
  [400, 'index_closed_exception', 'closed', 'held'],
  [403, 'cluster_block_exception', 'index [x] blocked by: [FORBIDDEN/12/index read-only]', 'held'],
  [403, 'security_exception', 'action [indices:data/write] is unauthorized', 'held'],
  [404, 'index_not_found_exception', 'no such index [x]', 'held'],
  [404, 'document_missing_exception', '[1]: document missing', 'refused'],
  [503, 'unavailable_shards_exception', 'primary shard is not active', 'held'],
  [500, 'some_exception', 'x', 'later'],
] as const)('%d %s %s: the record is %s', (status, type, reason, fate) => {
  expect(fateOfItem({ status, type, reason }, { creates: true, recordsNameIndex: false })).toBe(fate)
})

const WORDS = [
  ...['pipeline with id [x] does not exist', 'no write index is defined', 'reading the data stream failed'],
  ...['only write ops with an op_type of create', 'this action would add [2] shards', 'maximum shards'],
  ...['no matching index template', 'index [x] blocked by', 'pipeline [x]', 'alias [x]'],
]

test.each(WORDS)(
  'a record is refused that has the words "%s" in its text or in the name of a field',
  (words) => {
    for (const reason of [
      `Provided Grok expressions do not match field value: [${words}]`,
      `Provided Grok expressions do not match field value: [\n${words}]`,
      `Document contains at least one immense term in field="${words}" (whose UTF8 encoding is longer`,
      `mapper [${words}] cannot be changed from type [long] to [text]`,
      `field [${words}] not present as part of path [x]`,
    ])
      for (const type of [
        'illegal_argument_exception',
        'illegal_state_exception',
        'mapper_parsing_exception',
      ])
        expect(fateOfItem({ status: 400, type, reason }, { creates: true, recordsNameIndex: false })).toBe(
          'refused',
        )
  },
)

test.each([
  [404, 'index_not_found_exception', 'no such index [x]', 'misplaced'],
  [400, 'index_closed_exception', 'closed', 'misplaced'],
  [403, 'cluster_block_exception', 'index [x] blocked by: [FORBIDDEN/12/index read-only]', 'misplaced'],
  [503, 'cluster_block_exception', 'blocked by: [SERVICE_UNAVAILABLE/2/no master];', 'held'],
  [400, 'illegal_argument_exception', 'no write index is defined for alias [a]', 'misplaced'],
  [400, 'illegal_argument_exception', 'pipeline with id [x] does not exist', 'held'],
  [403, 'security_exception', 'action [indices:data/write] is unauthorized', 'held'],
  [400, 'invalid_index_name_exception', 'Invalid index name [A], must be lowercase', 'refused'],
] as const)('where records name the index, with %d %s %s the record is %s', (status, type, reason, fate) => {
  expect(fateOfItem({ status, type, reason }, { creates: true, recordsNameIndex: true })).toBe(fate)
})

test('a conflict of an update is another writer: the record is sent again', () => {
  expect(
    fateOfItem(
      { status: 409, type: 'version_conflict_engine_exception', reason: '' },
      { creates: false, recordsNameIndex: false },
    ),
  ).toBe('later')
})

test('an invalid name of an index is a fault of the configuration, unless records name it', () => {
  const type = 'invalid_index_name_exception'
  const reason = 'Invalid index name [Foo_BAR], must be lowercase'
  expect(fateOfItem({ status: 400, type, reason }, { creates: true, recordsNameIndex: false })).toBe('held')
})

import { expect, test } from 'bun:test'
import { parseOptions } from '../../../src/core/options/parse.ts'
import { RECORD_ID_BYTES, recordIds } from '../../../src/core/record-ids.ts'
import { BulkEncoder } from '../../../src/lib/bulk/encoder.ts'
import { BULK_OPTIONS } from '../../../src/lib/bulk/options.ts'
import { JsonText } from '../../../src/lib/json/msgpack-to-json.ts'
import { chunkOf } from '../../support/engine/chunk-of.ts'
import { outputContext } from '../../support/engine/output-context.ts'
import { fc } from '../../support/property.ts'

function encoded(
  options: Record<string, string>,
  records: object[],
  tag = 'app.web',
  from = 0,
  count = records.length,
): string {
  const ctx = outputContext()
  const encoder = new BulkEncoder(parseOptions(BULK_OPTIONS, options as never), ctx.clock, ctx.counters)
  const chunk = chunkOf(records, tag)
  const out = new JsonText()
  encoder.encode({ chunk, start: chunk.start, end: chunk.end, first: from, count }, out)
  return out.bytes().toString()
}

const record = fc.dictionary(
  fc.constantFrom('log', '@timestamp', 'flb-key', 'a.b', 'n', 'level', 'ä'),
  fc.oneof(fc.string(), fc.integer(), fc.constant(null), fc.record({ 'c.d': fc.string() })),
)

test('names and ids from fields are written as by the faster way, which knows none: the documents are equal', () => {
  fc.assert(
    fc.property(
      fc.array(record, { minLength: 1, maxLength: 80 }),
      fc.boolean(),
      fc.boolean(),
      fc.boolean(),
      (records, tag, dots, nanos) => {
        const common = {
          include_tag_key: String(tag),
          replace_dots: String(dots),
          time_key_nanos: String(nanos),
        }
        const fast = encoded({ ...common, index: 'fluent-bit' }, records)
        // No record has the field: the name is the fallback.
        const slow = encoded({ ...common, index: '$missing' }, records)
        expect(slow).toBe(fast)
      },
    ),
  )
})

test('an operation has the id of its record, also when only some of a chunk are written', () => {
  const records = Array.from({ length: 40 }, (_, i) => ({ n: i }))
  const ids = recordIds(chunkOf(records, 'app.web')).toString()
  const text = encoded({}, records)
  const written = [...text.matchAll(/"_id":"([^"]+)"/g)].map(([, id]) => id)
  expect(written).toEqual(records.map((_, i) => ids.slice(i * RECORD_ID_BYTES, (i + 1) * RECORD_ID_BYTES)))
})

test('a time within the name of an index is that of the record', () => {
  // 1,000 s after 1970 began.
  const text = encoded({ index: 'logs-$TAG[1]-%Y.%m.%d-%H:%M' }, [{ a: 1 }])
  expect(text).toStartWith('{"create":{"_index":"logs-web-1970.01.01-00:16","_id":"')
})

test('a long id is hashed: servers take 512 bytes', () => {
  const text = encoded({ id_key: 'log' }, [{ log: 'x'.repeat(513) }, { log: 'x'.repeat(512) }])
  const [long, short] = [...text.matchAll(/"_id":"([^"]+)"/g)].map(([, id]) => id as string)
  expect(long).toHaveLength(43)
  expect(short).toBe('x'.repeat(512))
})

test('an update needs an id: a record without it is refused', () => {
  expect(() =>
    encoded({ write_operation: 'update', id_key: 'id', generate_id: 'off' }, [{ log: 'x' }]),
  ).toThrow('no text or integer in id')
  expect(() => encoded({ write_operation: 'update' }, [{}])).toThrow(
    'Write_Operation update needs Id_Key or Generate_ID',
  )
})

test('the type is sent when it is set, and otherwise only when that is asked for', () => {
  expect(encoded({}, [{}])).not.toContain('_type')
  expect(encoded({ type: 'x' }, [{}])).toContain('"_index":"fluent-bit","_type":"x"')
  expect(encoded({ suppress_type_name: 'off' }, [{}])).toContain('"_type":"_doc"')
  expect(encoded({ suppress_type_name: 'on', type: 'x' }, [{}])).not.toContain('_type')
})

import { expect, test } from 'bun:test'
import { parseOptions } from '../../../src/core/options/parse.ts'
import { JsonText } from '../../../src/lib/json/msgpack-to-json.ts'
import { JSON_TIME_OPTIONS, JsonRecords } from '../../../src/lib/records/json-records.ts'
import { chunkOf } from '../../support/engine/chunk-of.ts'

const ENTRY_TIME = '92d7006553f10000000000'

/** Returns the text of one record, whose map is given as hex. */
function textOf(map: string, options: Record<string, string> = {}): string {
  const entry = Buffer.from(ENTRY_TIME + map, 'hex')
  const chunk = chunkOf([{}])
  chunk.replace(entry, 0, entry.length, 1)
  const text = new JsonText()
  new JsonRecords('json_lines', parseOptions(JSON_TIME_OPTIONS, options), text).append(chunk)
  return text.bytes().toString()
}

test.each(['80', 'de0000', 'df00000000'])(
  'an empty record with the map head %s becomes an object with only the time',
  (head) => {
    expect(JSON.parse(textOf(head))).toEqual({ date: 1_700_000_000 })
  },
)

// {a: 1, date: 2}, with the key as fixstr, as str 8 and as bin.
test.each(['82a16101a46461746502', '82a16101d9046461746502', '82a16101c4046461746502'])(
  'a field with the key of the time replaces it: %s',
  (map) => {
    expect(textOf(map)).toBe('{"a":1,"date":2}\n')
    expect(textOf(map, { json_date_key: 'a' })).toBe('{"a":1,"date":2}\n')
    expect(textOf(map, { json_date_key: 'time' })).toBe('{"time":1700000000.000000,"a":1,"date":2}\n')
  },
)

test.each(['false', 'Off', 'no'])('there is no time with Json_date_key %s', (key) => {
  expect(textOf('81a16101', { json_date_key: key })).toBe('{"a":1}\n')
})

test('a key of the time within a nested map is another key', () => {
  // {m: {date: 1}}
  expect(textOf('81a16d81a46461746501')).toBe('{"date":1700000000.000000,"m":{"date":1}}\n')
})

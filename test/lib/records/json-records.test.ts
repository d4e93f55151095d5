import { expect, test } from 'bun:test'
import { parseOptions } from '../../../src/core/options/parse.ts'
import { JsonText } from '../../../src/lib/json/msgpack-to-json.ts'
import { JSON_TIME_OPTIONS, JsonRecords } from '../../../src/lib/records/json-records.ts'
import { chunkOf } from '../../support/engine/chunk-of.ts'

const ENTRY_TIME = '92d7006553f10000000000'

test.each(['80', 'de0000', 'df00000000'])(
  'an empty record with the map head %s becomes an object with only the time',
  (head) => {
    const entry = Buffer.from(ENTRY_TIME + head, 'hex')
    const chunk = chunkOf([{}])
    chunk.replace(entry, 0, entry.length, 1)
    const text = new JsonText()
    new JsonRecords('json_lines', parseOptions(JSON_TIME_OPTIONS, {}), text).append(chunk)
    expect(JSON.parse(text.bytes().toString())).toEqual({ date: 1_700_000_000 })
  },
)

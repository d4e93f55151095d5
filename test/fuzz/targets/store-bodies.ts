import snappy from 'snappyjs'
import { compressSnappyBlock } from '../../../src/lib/compression/snappy-block.ts'
import { JsonText } from '../../../src/lib/json/msgpack-to-json.ts'
import { LogLines } from '../../../src/lib/loki/log-lines.ts'
import { Entry } from '../../../src/lib/records/entry.ts'
import { JsonLines } from '../../../src/lib/records/json-lines.ts'
import { JSON_DATE_FORMS, strftimeForm } from '../../../src/lib/records/json-time.ts'
import { PushRequest } from '../../../src/protocol/loki/push-request.ts'
import { AnyValueWriter, bound } from '../../../src/protocol/otlp/any-value.ts'
import { LogRecord } from '../../../src/protocol/otlp/log-record.ts'
import { EMPTY_PART, LogsRequest } from '../../../src/protocol/otlp/logs-request.ts'
import { BYTES, ProtoCursor } from '../../../src/protocol/otlp/proto-cursor.ts'
import { LooseBuffers } from '../../support/engine/chunk-of.ts'
import { must, size, type Target } from '../target.ts'
import { bytes, chunkOf, DICTIONARY, mapsOf, RECORDS } from './records.ts'

const MANY = 1000
const LINES = [
  new JsonLines({ suffix: '\n' }),
  new JsonLines({
    time: strftimeForm('%Y-%m-%dT%H:%M:%S', 3),
    pairs: [
      { key: 'log', value: 'time' },
      { key: 'message', value: 'tag' },
    ],
    suffix: '\n',
    replaceDots: true,
  }),
  new JsonLines({
    time: JSON_DATE_FORMS.double,
    pairs: [{ key: 'date', value: 'time' }],
    omitted: ['log', 'n'],
    suffix: '\n',
  }),
]
const logLines = new LogLines({ format: 'json', omitted: ['stream'], single: 'raw' })

function textOf(lines: JsonLines, maps: readonly Buffer[], count: number): string {
  const text = new JsonText()
  const chunk = chunkOf(maps, count, new LooseBuffers())
  must(lines.append(text, chunk, chunk.start) === chunk.end, 'a record was not written')
  return text.bytes().toString()
}

/** Returns the contents of the fields of one number of a message. */
function fieldsOf(message: Buffer, field: number): Buffer[] {
  const cursor = new ProtoCursor()
  const found: Buffer[] = []
  cursor.begin(message, 0, message.length)
  while (cursor.next())
    if (cursor.field === field && cursor.wire === BYTES)
      found.push(message.subarray(cursor.start, cursor.stop))
  return found
}

/** Checks that each record is a LogRecord whose body the reader of OTLP takes. */
function checkOtlp(maps: readonly Buffer[]): void {
  const request = new LogsRequest()
  const record = new LogRecord()
  const records = request.recordsOf(EMPTY_PART)
  for (const map of maps) {
    record.reset(map)
    record.setBody(0)
    record.addAttributes(0)
    record.append(records)
  }
  const [resource = Buffer.alloc(0)] = fieldsOf(Buffer.concat(request.pieces()), 1)
  const [scope = Buffer.alloc(0)] = fieldsOf(resource, 2)
  const found = fieldsOf(scope, 2)
  must(found.length === maps.length, 'not each record is in the request')
  const values = new AnyValueWriter()
  for (const each of found) {
    const [body] = fieldsOf(each, 5)
    must(body !== undefined, 'a record has no body')
    values.value(body, 0, body.length, Buffer.alloc(bound(body.length)), 0)
  }
}

function checkLoki(maps: readonly Buffer[]): void {
  const chunk = chunkOf(maps, MANY, new LooseBuffers())
  must(logLines.write(chunk, chunk.start) === chunk.end, 'a line was not written')
  must(logLines.ends.count === maps.length, 'not each record has a line')
  const request = new PushRequest()
  const entry = new Entry()
  let [at, from] = [chunk.start, 0]
  for (let i = 0; i < maps.length; i++) {
    entry.read(chunk, at)
    const end = logLines.ends.textEnd(i)
    request.stream('{}').add(entry.time.sec, entry.time.nsec, logLines.text.buf, from, end)
    from = end
    at = entry.end
  }
  const body = request.bytes()
  must(body.length === request.size, 'a request has another size than it says')
  must(Buffer.from(snappy.uncompress(compressSnappyBlock(body))).equals(body), 'snappyjs reads other bytes')
}

/** Bodies for stores hold each record: JSON that is read back, equal with and without WebAssembly, and protobuf. */
export const storeBodies: Target = {
  name: 'store-bodies',
  maxBytes: 4000,
  dictionary: DICTIONARY,
  seeds: () => [...RECORDS.map(bytes), Buffer.concat(RECORDS.map(bytes))],
  run(input) {
    must(
      Buffer.from(snappy.uncompress(compressSnappyBlock(input))).equals(input),
      'snappyjs reads other bytes',
    )
    const maps = mapsOf(input)
    if (maps.length === 0) return 'none'
    const kinds = LINES.map((lines) => {
      const fast = textOf(lines, maps, MANY)
      must(fast === textOf(lines, maps, 1), 'the module writes other bytes')
      const all = fast.trimEnd().split('\n')
      must(all.length === maps.length, 'not each record has a line')
      for (const line of all) JSON.parse(line)
      return size(fast.length)
    })
    checkOtlp(maps)
    checkLoki(maps)
    return kinds.join()
  },
}

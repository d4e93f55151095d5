import { describe, expect, test } from 'bun:test'
import { decode, encode } from '@msgpack/msgpack'
import { headRoom, TAIL_ROOM } from '../../../../../src/core/chunk.ts'
import { encodeStr, skip } from '../../../../../src/core/msgpack/encode.ts'
import { entryMap, mapPairs } from '../../../../../src/core/msgpack/record.ts'
import { MAX_OPEN_KEYS } from '../../../../../src/core/msgpack/unique-keys.ts'
import { parseOptions } from '../../../../../src/core/options/parse.ts'
import { systemClock } from '../../../../../src/engine/clock.ts'
import {
  Enricher,
  type EnricherOptions,
} from '../../../../../src/plugins/filters/kubernetes/enrich/enricher.ts'
import {
  type ContainerMetadata,
  metadataPairs,
} from '../../../../../src/plugins/filters/kubernetes/enrich/metadata.ts'
import { spec as jsonSpec } from '../../../../../src/plugins/parsers/json.ts'
import { cpuMs } from '../../../../support/cpu.ts'
import { chunkOf, LooseBuffers, recordsOf } from '../../../../support/engine/chunk-of.ts'
import { listLog } from '../../../../support/engine/chunks.ts'
import { fc } from '../../../../support/property.ts'

type Body = Record<string, unknown>

const POD = { pod_name: 'web', labels: { app: 'web' } }
const META: ContainerMetadata = {
  pairs: metadataPairs(Buffer.from(encode(POD)), undefined),
  streams: undefined,
}

const NONE = { exclude: false, parser: undefined }

function through(options: Partial<EnricherOptions>, records: Body[], meta = META): Body[] {
  const buffers = new LooseBuffers()
  const chunk = chunkOf(records, 'k', buffers)
  const enricher = new Enricher({
    logKey: encodeStr('log'),
    mergeKey: undefined,
    merge: true,
    trim: true,
    keepLog: true,
    parser: undefined,
    buffers,
    ...options,
  })
  enricher.apply(chunk, meta)
  const left = recordsOf(chunk)
  expect(chunk.count).toBe(left.length)
  expect(chunk.start).toBeGreaterThanOrEqual(headRoom('k'))
  expect(chunk.buf.length - chunk.end).toBeGreaterThanOrEqual(TAIL_ROOM)
  // Checks for duplicate keys, which decoding would hide.
  let at = chunk.start
  for (const record of left) {
    expect(mapPairs(chunk.buf, entryMap(chunk.buf, at, chunk.end))).toBe(Object.keys(record).length)
    at = skip(chunk.buf, at, chunk.end)
  }
  chunk.release()
  expect(buffers.out.size).toBe(0)
  return left
}

function jsonParser() {
  const options = parseOptions(jsonSpec.options, { time_key: 'ts', time_format: '%s' })
  return jsonSpec.create(options as never, { name: 'json', log: listLog().log, clock: systemClock })
}

describe('records', () => {
  test('get the metadata after their own pairs', () => {
    const [record] = through({ merge: false }, [{ log: 'plain', stream: 'stdout' }])
    expect(record).toEqual({ log: 'plain', stream: 'stdout', kubernetes: POD })
    expect(Object.keys(record ?? {})).toEqual(['log', 'stream', 'kubernetes'])
  })

  test('with a key of that name get our metadata instead', () => {
    expect(through({ merge: false }, [{ kubernetes: 'mine', log: 'x' }])).toEqual([
      { log: 'x', kubernetes: POD },
    ])
    expect(through({ keepLog: false }, [{ log: '{"kubernetes":1,"a":2}' }])).toEqual([
      { a: 2, kubernetes: POD },
    ])
  })

  test('with more than fifteen pairs get the right map head', () => {
    const wide = Object.fromEntries(Array.from({ length: 15 }, (_, i) => [`k${i}`, i]))
    expect(through({ merge: false }, [wide])).toEqual([{ ...wide, kubernetes: POD }])
    const line = JSON.stringify(Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`l${i}`, i])))
    expect(through({}, [{ ...wide, log: line }])).toEqual([
      { ...wide, log: line, ...(JSON.parse(line) as Body), kubernetes: POD },
    ])
  })
})

describe('Merge_Log', () => {
  test('adds the fields of the line to the record, before the metadata', () => {
    const record = { time: 'T', stream: 'stdout', log: '{"level":"info","n":{"a":[1,null,"x"]}}\n' }
    const [merged] = through({}, [record])
    expect(Object.entries(merged ?? {})).toEqual([
      ['time', 'T'],
      ['stream', 'stdout'],
      ['log', record.log],
      ['level', 'info'],
      ['n', { a: [1, null, 'x'] }],
      ['kubernetes', POD],
    ])
    expect(through({ keepLog: false }, [record])[0]).not.toHaveProperty('log')
  })

  test('with Merge_Log_Key adds them under that key', () => {
    const mergeKey = encodeStr('fields')
    expect(through({ mergeKey, keepLog: false }, [{ a: 1, log: '{"b":2,"b":3}' }])).toEqual([
      { a: 1, fields: { b: 3 }, kubernetes: POD },
    ])
  })

  test('keeps a line that is not exactly one object, regardless of Keep_Log', () => {
    const lines = ['plain', '{"a":1} x', '[1]', '{"a":', '', '{"a":1}{"b":2}', '"text"']
    const records = lines.map((log) => ({ stream: 'stdout', log, more: 1 }))
    expect(through({ keepLog: false }, records)).toEqual(records.map((r) => ({ ...r, kubernetes: POD })))
    expect(through({ keepLog: false }, [{ log: 5 }, { other: 1 }])).toEqual([
      { log: 5, kubernetes: POD },
      { other: 1, kubernetes: POD },
    ])
  })

  test('keeps the last of duplicate keys, between record and line and within the line', () => {
    const record = { time: 'runtime', log: '{"time":"app","a":1,"a":{"b":1,"b":2}}' }
    expect(through({ keepLog: false }, [record])).toEqual([{ time: 'app', a: { b: 2 }, kubernetes: POD }])
    expect(through({}, [{ log: '{"log":"inner"}' }])).toEqual([{ log: 'inner', kubernetes: POD }])
  })
})

describe('records of the cri parser, whose line is `message`', () => {
  const head = { time: 't', stream: 'stdout', logtag: 'F' }
  const cri = { ...head, message: '{"a":1}' }

  test('are merged like those with `log`, also in a large chunk and next to unparsed lines', () => {
    const records = Array.from({ length: 300 }, (_, i) => (i % 7 === 3 ? { log: `torn ${i}` } : cri))
    const merged = through({ keepLog: false }, records)
    expect(merged).toEqual(
      records.map((r) => (r === cri ? { ...head, a: 1, kubernetes: POD } : { ...r, kubernetes: POD })),
    )
    expect(through({}, [cri])).toEqual([{ ...cri, a: 1, kubernetes: POD }])
  })

  test('have `logtag` and no `log`: any other `message` is an ordinary field', () => {
    const others = [
      { stream: 'stdout', message: '{"a":1}' },
      { logtag: 'F', log: 'plain', message: '{"a":1}' },
      { logtag: 'F', message: 7 },
    ]
    expect(through({ keepLog: false }, others)).toEqual(others.map((r) => ({ ...r, kubernetes: POD })))
  })

  test('are parsed with the parser that a pod requests', () => {
    const streams = { stdout: { exclude: false, parser: jsonParser() }, stderr: NONE }
    expect(through({ merge: false, keepLog: false }, [cri], { ...META, streams })).toEqual([
      { ...head, a: 1, kubernetes: POD },
    ])
  })
})

describe('values of merged lines', () => {
  test('lose line ends with Merge_Log_Trim', () => {
    const log = JSON.stringify({
      a: 'x\n',
      ten: 10,
      b: 'y\r\n\n',
      c: '\n',
      long: `${'z'.repeat(31)}\n`,
      in: { d: 'w\n' },
    })
    const fields = { a: 'x', ten: 10, b: 'y', c: '', long: 'z'.repeat(31), in: { d: 'w\n' } }
    expect(through({ keepLog: false }, [{ log }])).toEqual([{ ...fields, kubernetes: POD }])
    expect(through({ keepLog: false, trim: false }, [{ log }])).toEqual([
      { ...(JSON.parse(log) as Body), kubernetes: POD },
    ])
    const mergeKey = encodeStr('m')
    expect(through({ keepLog: false, mergeKey }, [{ log }])).toEqual([{ m: fields, kubernetes: POD }])
  })

  test('come from Merge_Parser, with its time', () => {
    const buffers = new LooseBuffers()
    const chunk = chunkOf([{ log: '{"ts":"1500","a":1,"a":2}\n' }], 'k', buffers)
    const base = {
      logKey: encodeStr('log'),
      mergeKey: encodeStr('m'),
      merge: true,
      trim: true,
      keepLog: false,
    }
    new Enricher({ ...base, parser: jsonParser(), buffers }).apply(chunk, META)
    expect(recordsOf(chunk)).toEqual([{ m: { a: 2 }, kubernetes: POD }])
    expect(chunk.buf.readUInt32BE(chunk.start + 3)).toBe(1500)
  })

  test('property: the result equals merging decoded objects', () => {
    const field = fc.oneof(
      fc.constantFrom('time', 'stream', 'a', 'kubernetes', 'log'),
      fc.string({ maxLength: 12 }),
    )
    const safe = field.filter((k) => k !== '__proto__')
    const value = fc.oneof(
      fc.string(),
      fc.integer(),
      fc.constant(null),
      fc.array(fc.integer(), { maxLength: 30 }),
    )
    const body = fc.dictionary(safe, value, { maxKeys: 22 })
    const line = fc.oneof(
      fc.string(),
      body.map((b) => JSON.stringify(b)),
      body.map((b) => ` ${JSON.stringify(b, null, 1)}\n`),
    )
    fc.assert(
      fc.property(fc.array(fc.tuple(body, line), { minLength: 1 }), fc.boolean(), (rows, keepLog) => {
        const records = rows.map(([b, log]) => ({ ...b, log }))
        const expected = records.map((record) => {
          const fields = objectIn(record.log)
          if (fields === undefined) return { ...record, kubernetes: POD }
          const { log, ...rest } = record
          return { ...(keepLog ? record : rest), ...fields, kubernetes: POD }
        })
        expect(through({ keepLog, trim: false }, records)).toEqual(expected)
      }),
      { numRuns: 300 },
    )
  })
})

describe('annotations', () => {
  test('exclude a stream or all of a container', () => {
    const records = [{ stream: 'stdout', log: 'a' }, { stream: 'stderr', log: 'b' }, { log: 'c' }]
    const errors = { ...META, streams: { stdout: NONE, stderr: { ...NONE, exclude: true } } }
    expect(through({}, records, errors).map((r) => r.log)).toEqual(['a', 'c'])
    const all = { ...NONE, exclude: true }
    expect(through({}, records, { ...META, streams: { stdout: all, stderr: all } })).toEqual([])
  })

  test('select a parser for a stream, also without Merge_Log', () => {
    const streams = { stdout: { exclude: false, parser: jsonParser() }, stderr: NONE }
    const records = ['stdout', 'stderr'].map((stream) => ({ stream, log: '{"a":1}' }))
    expect(through({ merge: false, keepLog: false }, records, { ...META, streams })).toEqual([
      { stream: 'stdout', a: 1, kubernetes: POD },
      { stream: 'stderr', log: '{"a":1}', kubernetes: POD },
    ])
  })
})

test('hostile lines take time proportional to their length', () => {
  const equal = (length: number): string => `{${Array.from({ length }, () => '"a":1').join(',')}}`
  const ends = `{${Array.from({ length: 60_000 }, (_, i) => `"${i}":"\\n"`).join(',')}}`
  const lines = [equal(MAX_OPEN_KEYS), ends, equal(150_000)].map((log) => ({ log }))
  const began = cpuMs()
  const [first, second, third] = through({ keepLog: false }, lines)
  // Quadratic time would be minutes.
  expect(cpuMs() - began).toBeLessThan(8000)
  expect(first).toEqual({ a: 1, kubernetes: POD })
  expect(second).toMatchObject({ '0': '', '59999': '' })
  // More keys than any record has: the line stays text.
  expect(third).toEqual({ ...lines[2], kubernetes: POD })
})

test('the buffer grows for a record that becomes much larger', () => {
  const line = `{"a":[${Array.from({ length: 5000 }, () => '1e1').join(',')}]}`
  const [record] = through({ keepLog: false }, [{ log: line }])
  expect(record?.a).toHaveLength(5000)
})

test('malformed entries stay unchanged', () => {
  const buffers = new LooseBuffers()
  const chunk = chunkOf([{ log: 'x' }], 'k', buffers)
  chunk.buf[chunk.start] = 0x93
  chunk.buf[chunk.end++] = 0xc0
  const before = Buffer.from(chunk.entries())
  const base = {
    logKey: encodeStr('log'),
    mergeKey: undefined,
    merge: true,
    trim: true,
    keepLog: false,
    parser: undefined,
  }
  new Enricher({ ...base, buffers }).apply(chunk, META)
  expect(chunk.entries().equals(before)).toBe(true)
  expect(decode(before)).toHaveLength(3)
})

function objectIn(text: unknown): Body | undefined {
  try {
    const value: unknown = JSON.parse(String(text))
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Body) : undefined
  } catch {
    return undefined
  }
}

import { expect, test } from 'bun:test'
import { chunkOf, recordsOf } from '../../../support/engine/chunk-of.ts'
import { hexOf, luaOf, mapHex, rawChunk, startLua } from './run.ts'

/** Maps with one key and a value in each form of MessagePack, as hex. */
const VALUES: Record<string, string> = {
  'an integer beyond 2^53': 'cf 0020000000000001',
  'the largest integer': 'cf ffffffffffffffff',
  'a negative integer beyond 2^53': 'd3 ffdfffffffffffff',
  'a small integer in nine bytes': 'cf 0000000000000001',
  'a float32': 'ca 3dcccccd',
  'a whole float64': 'cb 4000000000000000',
  'negative zero': 'cb 8000000000000000',
  'NaN with bits': 'cb 7ff8000000000123',
  null: 'c0',
  true: 'c3',
  'bytes that are no UTF-8': 'a3 ff00fe',
  'a text with a long head': 'db 00000001 61',
  bin: 'c4 03 010203',
  'an ext type': 'd6 05 00000001',
  'an ext type with a length': 'c7 03 07 010203',
  'an empty list': '90',
  'an empty map': '80',
  'a list with null': '93 01 c0 03',
  'a list that ends with null': '92 01 c0',
  'nested maps': '81 a1 6b 81 a1 6a 92 01 81 a1 78 a1 79',
  'a map with null': '82 a1 6b c0 a1 6a 01',
  'keys that are numbers': '82 01 a1 61 cb 3ff8000000000000 a1 62',
  'keys that Lua cannot have': '82 c0 01 90 02',
  'a key that is bin': '81 c4 01 61 01',
}

test.each(Object.entries(VALUES))(
  '%s keeps its bytes when the script changes something else',
  async (_, value) => {
    const run = await startLua('function cb(tag, ts, r) r.new = 1 return 2, ts, r end')
    const chunk = run.apply(rawChunk(`82 a1 61 ${value} a1 62 01`, run.buffers))
    expect(mapHex(chunk)).toBe(`83a161${value.replaceAll(' ', '')}a16201a36e657701`)
  },
)

test.each(Object.entries(VALUES))('%s keeps its bytes beside a change on its level', async (_, value) => {
  const run = await startLua('function cb(tag, ts, r) r.m.new = 1 return 2, ts, r end')
  const chunk = run.apply(rawChunk(`81 a1 6d 82 a1 61 ${value} a1 62 01`, run.buffers))
  expect(mapHex(chunk)).toBe(`81a16d83a161${value.replaceAll(' ', '')}a16201a36e657701`)
})

test('a table that moves to another key keeps its bytes', async () => {
  const run = await startLua('function cb(tag, ts, r) r.to = r.from r.from = nil return 2, ts, r end')
  const chunk = run.apply(
    rawChunk('81 a4 66726f6d 83 a1 61 c0 a1 62 cf 0020000000000001 a1 63 90', run.buffers),
  )
  expect(mapHex(chunk)).toBe('81a2746f83a161c0a162cf0020000000000001a16390')
})

test('a new table with the keys of the record has its order and its numbers, but no null', async () => {
  const run = await startLua(
    'function cb(tag, ts, r) local n = {} for k, v in pairs(r) do n[k] = v end n.a = nil n.z = 1 return 2, ts, n end',
  )
  const chunk = run.apply(
    rawChunk('84 a1 61 01 a1 62 cf 0020000000000001 a1 63 c0 a1 64 cb 4000000000000000', run.buffers),
  )
  expect(mapHex(chunk)).toBe('83a162cf0020000000000001a164cb4000000000000000a17a01')
})

test('the record in a new table has what it had', async () => {
  const run = await startLua('function cb(tag, ts, r) r.b = nil return 2, ts, {a = 7, was = r} end')
  const chunk = run.apply(rawChunk('83 a1 61 01 a1 62 02 a1 63 c0', run.buffers))
  expect(mapHex(chunk)).toBe('82a16107a377617382a16101a163c0')
})

test('a key that is twice is there once after a change, with the last value', async () => {
  const run = await startLua('function cb(tag, ts, r) r.n = 1 return 2, ts, r end')
  expect(mapHex(run.apply(rawChunk('83 a1 61 01 a1 62 02 a1 61 03', run.buffers)))).toBe(
    '83a16202a16103a16e01',
  )
  expect(mapHex(run.apply(rawChunk('82 a1 61 01 a1 61 c0', run.buffers)))).toBe('82a161c0a16e01')
  expect(mapHex(run.apply(rawChunk('82 a1 61 c0 a1 61 01', run.buffers)))).toBe('82a16101a16e01')
})

test('a null that gets a value is replaced in its place', async () => {
  expect(await luaOf('function cb(tag, ts, r) r.a = 1 return 2, ts, r end', { a: null, b: 2 })).toEqual([
    { a: 1, b: 2 },
  ])
  const run = await startLua('function cb(tag, ts, r) r.a = 1 return 2, ts, r end')
  expect(mapHex(run.apply(rawChunk('82 a1 61 c0 a1 62 02', run.buffers)))).toBe('82a16101a16202')
})

test.each([
  ['5', '05'],
  ['10 / 4', 'cb4004000000000000'],
  ['-0', '00'],
  ['2 ^ 53', 'd30020000000000000'],
  ['-2 ^ 63', 'd38000000000000000'],
  ['2 ^ 63', 'cb43e0000000000000'],
  ['1e300', 'cb7e37e43c8800759c'],
  ['"\\255\\0x"', 'a3ff0078'],
  ['true', 'c3'],
  ['{}', '80'],
  ['{1, "b", {3}}', '9301a1629103'],
  ['{1, nil, 3}', '9301c003'],
  ['{5, k = 6}', '82a13105a16b06'],
  ['{[0] = "a", [1] = "b"}', '82a130a161a131a162'],
])('%s becomes %s', async (value, hex) => {
  const run = await startLua(`function cb(tag, ts, r) return 2, ts, {v = ${value}} end`)
  const map = mapHex(run.apply(chunkOf([{}])))
  expect(map).toBe(`81a176${hex}`)
})

test('a list of the record can be changed', async () => {
  const code =
    'function cb(tag, ts, r) table.insert(r.l, "new") table.remove(r.l, 1) r.l[2] = nil return 2, ts, r end'
  expect(await luaOf(code, { l: [1, 2.5, [3]] })).toEqual([{ l: [2.5, null, 'new'] }])
})

test('an emptied list stays a list, and an emptied map a map', async () => {
  const code = 'function cb(tag, ts, r) r.l[1] = nil r.m.k = nil return 2, ts, r end'
  expect(await luaOf(code, { l: [1], m: { k: 1 } })).toEqual([{ l: [], m: {} }])
})

test('Type_Int_Key makes integers on every level, also of what the script did not touch', async () => {
  const code = 'function cb(tag, ts, r) r.g = 3.7 return 2, ts, r end'
  const records = await luaOf(code, { f: 3.7, m: { f: -2.5 }, h: 1.5 }, { type_int_key: 'f g' })
  expect(records).toEqual([{ f: 3, m: { f: -2 }, h: 1.5, g: 3 }])
})

test('Type_Array_Key makes lists of empty tables', async () => {
  const code = 'function cb(tag, ts, r) r.x = {} r.y = {} return 2, ts, r end'
  expect(await luaOf(code, { z: {} }, { type_array_key: 'x z' })).toEqual([{ z: [], x: [], y: {} }])
})

test('Enable_Flb_Null shows null to the script and takes it back', async () => {
  const code =
    'function cb(tag, ts, r) r.is = r.a == flb_null r.new = flb_null r.l[2] = nil return 2, ts, r end'
  const records = await luaOf(code, { a: null, b: null, l: [1, null, null] }, { enable_flb_null: 'on' })
  expect(records).toEqual([{ a: null, b: null, l: [1, null, null], is: true, new: null }])
})

test('a record of 10,000 keys comes back in time that grows with their number', async () => {
  const record = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`key${i}`, i]))
  const code = 'function cb(tag, ts, r) r.key5 = nil r.key7 = "x" r.new = 1 return 2, ts, r end'
  const expected: Record<string, unknown> = { ...record, key7: 'x', new: 1 }
  delete expected.key5
  const run = await startLua(code)
  const chunk = run.apply(chunkOf([record], 'app.one', run.buffers))
  expect(mapHex(chunk)).toBe(hexOf(expected))
})

test('a record with integers as keys in great number is read', async () => {
  const keys = Array.from({ length: 3000 }, (_, i) => `cd${(i + 1000).toString(16).padStart(4, '0')}c3`).join(
    '',
  )
  const run = await startLua('function cb(tag, ts, r) r.new = 1 return 2, ts, r end')
  const chunk = run.apply(rawChunk(`81 a1 6d de 0bb8 ${keys}`, run.buffers))
  expect(mapHex(chunk)).toBe(`82a16dde0bb8${keys}a36e657701`)
})

test('a script may keep a record and compare it with the next', async () => {
  const run = await startLua(
    'local last function cb(tag, ts, r) local same = last and last.m == r.m last = r return 2, ts, {same = same} end',
  )
  expect(run.records({ m: 'x' }, { m: 'x' }, { m: 'y' })).toEqual([{}, { same: true }, { same: false }])
})

test('strings that are gone leave nothing behind', async () => {
  const code = `function cb(tag, ts, r)
    local id = r.id
    for k in pairs(r) do r[k] = nil end
    collectgarbage() collectgarbage()
    for i = 1, 50 do r["k" .. i .. id] = "v" .. i end
    return 2, ts, r
  end`
  const run = await startLua(code)
  for (let id = 100; id < 130; id++) {
    const record = Object.fromEntries(
      Array.from({ length: 50 }, (_, i) => [`${id}x${i}`, i % 3 === 0 ? null : `w${i}`]),
    )
    const [made = {}] = run.records({ id, ...record })
    const expected = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`k${i + 1}${id}`, `v${i + 1}`]))
    const nulls = Object.fromEntries(Object.entries(record).filter(([, value]) => value === null))
    expect(made).toEqual({ ...nulls, ...expected })
  }
})

test('records with metadata and without alternate', async () => {
  const run = await startLua('function cb(tag, ts, g, meta, r) r.x = meta.k return 2, ts, meta, r end')
  expect(recordsOf(run.apply(chunkOf([{ a: 1 }])))).toEqual([{ a: 1 }])
})

test('the text of a number that is a key does not spoil the keys after it', async () => {
  const run = await startLua(
    'function cb(tag, ts, r) r.m[-1234567890123456] = 1 r.z = "new" return 2, ts, r end',
  )
  const chunk = run.apply(chunkOf([{ m: {}, z: 'old' }]))
  expect(mapHex(chunk)).toBe(hexOf({ m: { '-1234567890123456': 1 }, z: 'new' }))
})

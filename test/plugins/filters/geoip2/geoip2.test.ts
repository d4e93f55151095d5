import { expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { encode } from '@msgpack/msgpack'
import { ShipperError } from '../../../../src/core/error.ts'
import { Database } from '../../../../src/plugins/filters/geoip2/database.ts'
import { spec } from '../../../../src/plugins/filters/geoip2/index.ts'
import { filterContract } from '../../../contract/filter.ts'
import { chunkOf } from '../../../support/engine/chunk-of.ts'
import { FilterRun, type Texts } from '../../../support/engine/filter-run.ts'
import { LaterList } from '../../../support/later.ts'
import {
  double,
  float,
  int32,
  type MmdbValue,
  type Network,
  pointer,
  uint16,
  uint32,
  uint64,
  uint128,
  writeMmdb,
} from '../../../support/mmdb.ts'
import { fc } from '../../../support/property.ts'
import { tmp } from '../../../support/tmp.ts'

const CITY = {
  city: { names: { de: 'Köln', en: 'Cologne' }, geoname_id: uint32(2_886_242) },
  location: { latitude: double(51), longitude: double(6.95) },
  subdivisions: [{ iso_code: 'NW' }, { iso_code: 'K' }],
  in_union: true,
}
const V4: Network = { address: [192, 0, 2, 0], prefix: 24, value: CITY }
const V6_ADDRESS = [0x20, 0x01, 0x0d, 0xb8, ...new Array(12).fill(0)]
const V6: Network = { address: V6_ADDRESS, prefix: 32, value: { city: { names: { en: 'Six' } } } }

function databaseFile(content: Buffer = writeMmdb([V4, V6])): string {
  const path = join(tmp(), 'test.mmdb')
  writeFileSync(path, content)
  return path
}

async function geoip(content: Buffer | undefined, texts: Texts): Promise<FilterRun> {
  const run = new FilterRun(spec as never, { database: databaseFile(content), lookup_key: 'ip', ...texts })
  await run.filter.start?.()
  return run
}

/** Returns what a path has for an address. */
async function valueAt(path: string, ip: unknown = '192.0.2.1', content?: Buffer): Promise<unknown> {
  const run = await geoip(content, { record: `v ip %{${path}}` })
  return run.through([{ ip }])[0]?.v
}

const CONTRACT_FILE = databaseFile()

filterContract({
  name: 'geoip2',
  create: ({ buffers }) => {
    const texts = { database: CONTRACT_FILE, lookup_key: 'mark', record: 'keep mark %{city.names.en}' }
    return new FilterRun(spec as never, texts, { buffers }).filter
  },
  expected: ({ keep: _keep, ...others }) => others,
  // The database is not read yet: no address is found.
  added: { keep: null },
})

test('adds the fields in their order, in place of those of the record', async () => {
  const record = ['city ip %{city.names.en}', 'lat ip %{location.latitude}', 'id ip %{city.geoname_id}']
  const run = await geoip(undefined, { record })
  expect(run.through([{ city: 'x', ip: '192.0.2.1', a: 1 }]).map(Object.entries)).toEqual([
    [
      ['ip', '192.0.2.1'],
      ['a', 1],
      ['city', 'Cologne'],
      ['lat', 51],
      ['id', 2_886_242],
    ],
  ])
  const none = { city: null, lat: null, id: null }
  const records = [
    { ip: '198.51.100.1' },
    { ip: 'host' },
    { ip: '' },
    { ip: 5 },
    { other: 1 },
    { ip: 'x'.repeat(100) },
  ]
  expect(run.through(records)).toEqual(records.map((each) => ({ ...each, ...none })))
})

test('a value keeps its type, and a text its bytes', async () => {
  const record: Record<string, MmdbValue> = {
    u16: uint16(65_535),
    u32: uint32(4_294_967_295),
    u64: uint64(2n ** 53n),
    max: uint64(2n ** 64n - 1n),
    zero: uint64(0n),
    i32: int32(-5),
    whole: double(40),
    float: float(1.5),
    yes: true,
    no: false,
    bytes: Buffer.from('ab'),
    text: 'é',
    empty: '',
    long: 'x'.repeat(4096),
  }
  const expected: Record<string, string> = {
    u16: 'cdffff',
    u32: 'ceffffffff',
    u64: 'cf0020000000000000',
    max: 'cfffffffffffffffff',
    zero: '00',
    i32: 'fb',
    whole: 'cb4044000000000000',
    float: 'cb3ff8000000000000',
    yes: 'c3',
    no: 'c2',
    bytes: 'a26162',
    text: 'a2c3a9',
    empty: 'a0',
    long: `da1000${'78'.repeat(4096)}`,
  }
  const names = Object.keys(record)
  const run = await geoip(writeMmdb([{ ...V4, value: record }]), {
    record: names.map((name) => `${name} ip %{${name}}`),
  })
  const chunk = chunkOf([{ ip: '192.0.2.1' }], 'app', run.buffers)
  run.filter.apply(chunk, new LaterList(run.buffers))
  const pairs = names.map((name) => Buffer.from(encode(name)).toString('hex') + expected[name]).join('')
  expect(chunk.buf.toString('hex', chunk.start, chunk.end)).toEndWith(pairs)
})

test('what has no form in a record is null: maps, arrays, 128 bits, a text that is too long, nothing', async () => {
  const value = { map: { a: 'b' }, list: ['a'], big: uint128(2n ** 100n), long: 'x'.repeat(4097) }
  const content = writeMmdb([{ ...V4, value }])
  for (const path of ['map', 'list', 'big', 'long', 'gone', 'map.gone', 'long.x', 'list.x'])
    expect([path, await valueAt(path, undefined, content)]).toEqual([path, null])
})

test('a path leads through maps and arrays, by name and by number', async () => {
  expect(await valueAt('city.names.de')).toBe('Köln')
  expect(await valueAt('subdivisions.0.iso_code')).toBe('NW')
  expect(await valueAt('subdivisions.-1.iso_code')).toBe('K')
  expect(await valueAt('subdivisions.2.iso_code')).toBeNull()
  expect(await valueAt('subdivisions.-3.iso_code')).toBeNull()
  expect(await valueAt('in_union')).toBe(true)
  expect(await valueAt('1.x', undefined, writeMmdb([{ ...V4, value: { 1: { x: 'name' } } }]))).toBe('name')
})

test.each([
  ['192.0.2.255', 'Cologne'],
  ['::ffff:192.0.2.1', 'Cologne'],
  ['::FFFF:c000:0201', 'Cologne'],
  ['0:0:0:0:0:ffff:192.0.2.1', 'Cologne'],
  ['2001:db8::1', 'Six'],
  ['2001:0DB8:0000:0000:0000:0000:0000:0001', 'Six'],
  ['2001:db9::', null],
  ['192.0.3.0', null],
  ['192.0.2.1:80', null],
  ['192.0.2', null],
  ['192.0.2.01', null],
  ['fe80::1%eth0', null],
  [' 192.0.2.1', null],
  ['[2001:db8::1]', null],
])('the address %p is found as %p', async (ip, city) => {
  expect(await valueAt('city.names.en', ip)).toBe(city)
})

test.each([24, 28, 32] as const)(
  'databases with records of %p bits, of version 4 and 6',
  async (recordBits) => {
    for (const ipVersion of [4, 6] as const) {
      const content = writeMmdb([V4], { recordBits, ipVersion })
      expect(await valueAt('city.names.en', '192.0.2.9', content)).toBe('Cologne')
      expect(await valueAt('city.names.en', '::ffff:192.0.2.9', content)).toBe('Cologne')
      expect(await valueAt('city.names.en', '2001:db8::1', content)).toBeNull()
    }
  },
)

test('finds the network of any address, as a search through the list of networks does', () => {
  const bytes = (n: number): fc.Arbitrary<number[]> => fc.array(fc.nat(3), { minLength: n, maxLength: n })
  const family = fc
    .constantFrom(4, 16)
    .chain((n) => fc.record({ address: bytes(n), prefix: fc.integer({ min: 8, max: n * 8 }) }))
  fc.assert(
    fc.property(
      fc.array(family, { maxLength: 20 }),
      fc.array(bytes(4)),
      fc.array(bytes(16)),
      (drawn, v4, v6) => {
        const taken: Network[] = []
        for (const { address, prefix } of drawn) {
          // One below 2::/16 would be above the IPv4 addresses.
          const isFree = taken.every(
            (other) =>
              !isWithin(address, other, prefix) &&
              !isWithin(other.address, { address, prefix }, other.prefix),
          )
          if (isFree && (address.length === 4 || address[0] !== 0))
            taken.push({ address, prefix, value: `n${taken.length}` })
        }
        const database = new Database(writeMmdb(taken))
        for (const address of [...v4, ...v6.filter(([first]) => first !== 0)]) {
          const expected = taken.findIndex((network) => isWithin(address, network, address.length * 8))
          const at = database.find(textOf(address))
          const out = Buffer.alloc(20)
          const end = at < 0 ? 0 : database.data.encode(at, out, 0)
          expect(end === 0 ? -1 : Number(out.toString('latin1', 2, end))).toBe(expected)
        }
      },
    ),
  )
})

/** True when the first bits of an address, `length` of them known, are those of a network. */
function isWithin(
  address: readonly number[],
  network: { address: readonly number[]; prefix: number },
  length: number,
): boolean {
  if (address.length !== network.address.length || length < network.prefix) return false
  const bits = (each: readonly number[]): string =>
    each.map((byte) => byte.toString(2).padStart(8, '0')).join('')
  return bits(address).startsWith(bits(network.address).slice(0, network.prefix))
}

function textOf(address: readonly number[]): string {
  if (address.length === 4) return address.join('.')
  return Buffer.from(address)
    .toString('hex')
    .replace(/(.{4})(?=.)/g, '$1:')
}

test('several lookup keys, also accessors, each with its fields', async () => {
  const run = await geoip(undefined, {
    lookup_key: ['src', "$dst['ip']"],
    record: ['a src %{city.names.en}', "b $dst['ip'] %{city.names.en}", 'c src %{city.names.de}'],
  })
  expect(run.through([{ src: '192.0.2.1', dst: { ip: '2001:db8::1' } }])).toEqual([
    { src: '192.0.2.1', dst: { ip: '2001:db8::1' }, a: 'Cologne', b: 'Six', c: 'Köln' },
  ])
})

test('an address is looked up once as long as its answer is kept, of which there is a limited number', async () => {
  const run = await geoip(undefined, { record: 'c ip %{city.names.en}' })
  const addresses = Array.from({ length: 20_000 }, (_, i) => ({ ip: `192.0.${i & 3}.${(i >> 2) & 255}` }))
  const expected = addresses.map(({ ip }) => ({ ip, c: ip.startsWith('192.0.2.') ? 'Cologne' : null }))
  expect(run.through(addresses)).toEqual(expected)
  // 1,024 addresses, some of which share a place.
  expect(run.counters.get('lookups')).toBeLessThan(10_000)
  const many = Array.from({ length: 20_000 }, (_, i) => ({ ip: `10.${i >> 8}.${i & 255}.1` }))
  run.through(many)
  run.through(addresses.slice(0, 1024))
  expect(run.through(addresses.slice(0, 1024))).toEqual(expected.slice(0, 1024))
})

test('data that circles or leads outside is null, counted, and logged once', async () => {
  const circle = writeMmdb([{ ...V4, value: { a: pointer(0), b: pointer(2000), c: pointer(5) } }])
  const run = await geoip(circle, { record: ['a ip %{a.a.a.a.a.a}', 'b ip %{b}', 'c ip %{c.x}'] })
  expect(run.through([{ ip: '192.0.2.1' }])).toEqual([{ ip: '192.0.2.1', a: null, b: null, c: null }])
  expect(run.counters.get('lookups_damaged')).toBeGreaterThan(0)
  expect(run.lines.filter((line) => line.startsWith('warn'))).toHaveLength(1)
})

test.each([
  ['a file that is not there', undefined, 'cannot read the database'],
  ['an empty file', Buffer.alloc(0), 'there is no metadata'],
  ['another file', Buffer.from('x'.repeat(10_000)), 'there is no metadata'],
  ['one that is cut off in front', writeMmdb([V4]).subarray(300), 'ends before its search tree'],
  ['one that is cut off at the end', writeMmdb([V4]).subarray(0, -20), 'metadata is damaged'],
  [
    'more nodes than bytes',
    writeMmdb([V4], { metadata: { node_count: uint32(4_000_000_000) } }),
    'ends before its search tree',
  ],
  ['no nodes', writeMmdb([V4], { metadata: { node_count: uint32(0) } }), 'metadata is damaged'],
  [
    'an odd size of records',
    writeMmdb([V4], { metadata: { record_size: uint16(20) } }),
    'metadata is damaged',
  ],
  [
    'another version of addresses',
    writeMmdb([V4], { metadata: { ip_version: uint16(5) } }),
    'metadata is damaged',
  ],
  [
    'another format',
    writeMmdb([V4], { metadata: { binary_format_major_version: uint16(3) } }),
    'not version 2',
  ],
  ['metadata that circles', writeMmdb([V4], { metadata: { languages: pointer(0) } }), 'metadata is damaged'],
])('does not start with %s', async (_what, content, message) => {
  const database = content === undefined ? join(tmp(), 'gone.mmdb') : databaseFile(content)
  const run = new FilterRun(spec as never, { database, lookup_key: 'ip', record: 'a ip %{a}' })
  const failure = await Promise.resolve(run.filter.start?.()).catch((error: unknown) => error)
  expect(failure).toBeInstanceOf(ShipperError)
  expect((failure as ShipperError).code).toBe('E_CONFIG_BAD_VALUE')
  expect((failure as ShipperError).message).toContain(database)
  expect((failure as ShipperError).message).toContain(message)
})

test.each([
  [{ record: 'a ip %{a}' }, '"lookup_key" is missing'],
  [{ lookup_key: 'ip' }, '"record" is missing'],
  [{ lookup_key: 'ip', record: 'a src %{a}' }, '"record" looks up "src", which is no Lookup_Key'],
  [{ lookup_key: 'ip', record: 'a ip country.iso_code' }, 'is not a path in %{ }'],
  [{ lookup_key: 'ip', record: 'a ip %{a..b}' }, 'is not a path in %{ }'],
  [{ lookup_key: 'ip', record: 'a ip' }, 'KEY LOOKUP_KEY %{PATH}'],
] as [Texts, string][])('refuses %j', (texts, message) => {
  expect(() => new FilterRun(spec as never, { database: 'x', ...texts })).toThrow(message)
})

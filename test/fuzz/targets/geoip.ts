import { skip } from '../../../src/core/msgpack/encode.ts'
import { DAMAGED, MISSING, type PathStep } from '../../../src/plugins/filters/geoip2/data-section.ts'
import { Database } from '../../../src/plugins/filters/geoip2/database.ts'
import { double, pointer, uint32, writeMmdb } from '../../support/mmdb.ts'
import { kindOf, must, type Target } from '../target.ts'

const ADDRESSES = ['192.0.2.1', '0.0.0.0', '255.255.255.255', '2001:db8::1', '::', 'ffff::1']
const PATHS = ['a', 'a.b', 'a.0', 'city.names.en', 'a.-1.b'].map((path) =>
  path
    .split('.')
    .map(
      (name): PathStep => ({ key: Buffer.from(name), index: /^-?\d$/.test(name) ? Number(name) : undefined }),
    ),
)
/** Longest value as MessagePack. */
const MAX_VALUE_BYTES = 4101

const NETWORK = { address: [192, 0, 2, 0], prefix: 24 }

/** A database of any bytes is refused, or each address has a value or none, in a limited time. */
export const geoip: Target = {
  name: 'geoip',
  maxBytes: 4000,
  dictionary: [
    '\xab\xcd\xefMaxMind.com',
    '\xe1',
    '\x20\x00',
    '\x3f\xff\xff\xff\xff',
    '\x5f\xff\xff\xff',
    '\x1f\x04\xff\xff\xff',
    '\xff\xff\xff\xff',
  ],
  seeds: () => [
    writeMmdb([
      { ...NETWORK, value: { city: { names: { en: 'x' } }, a: [{ b: double(1) }, { b: uint32(7) }] } },
    ]),
    writeMmdb([{ ...NETWORK, value: { a: { b: pointer(1) } } }], { ipVersion: 4, recordBits: 28 }),
    writeMmdb([{ address: [0x20, 0x01], prefix: 16, value: { a: pointer(0) } }], { recordBits: 32 }),
  ],
  run(input) {
    let database: Database
    try {
      database = new Database(input)
    } catch (error) {
      must(error instanceof Error, 'an error is thrown')
      return kindOf(error)
    }
    const out = Buffer.alloc(MAX_VALUE_BYTES + 100)
    const kinds = ADDRESSES.map((address) => {
      const at = database.find(address)
      if (at < 0) return 'none'
      return PATHS.map((path) => kindOfValue(database, at, path, out)).join()
    })
    return [...new Set(kinds)].join(' ')
  },
}

function kindOfValue(database: Database, at: number, path: PathStep[], out: Buffer): string {
  const value = database.data.find(at, path)
  must(value >= 0 || value === MISSING || value === DAMAGED, () => `an offset of ${value}`)
  if (value < 0) return String(value)
  const end = database.data.encode(value, out, 0)
  must(
    end === DAMAGED || (end <= MAX_VALUE_BYTES && skip(out, 0, end) === end),
    'what is written is one value',
  )
  return end < 0 ? 'damaged' : (out[0] as number).toString(16)
}

import { encode } from '@msgpack/msgpack'
import { Chunk, headRoom, TAIL_ROOM } from '../../../src/core/chunk.ts'
import { skip, writeEntryHead, writeMapHead } from '../../../src/core/msgpack/encode.ts'
import { mapBody, mapPairs } from '../../../src/core/msgpack/record.ts'
import { parseOptions } from '../../../src/core/options/parse.ts'
import { LuaFilter } from '../../../src/plugins/filters/lua/lua-filter.ts'
import { LUA_OPTIONS } from '../../../src/plugins/filters/lua/options.ts'
import { ValueScanner } from '../../../src/protocol/forward/value-scanner.ts'
import { must, size, type Target } from '../target.ts'

/** The key is none that mutations find. */
const NEW_PAIR = Buffer.concat([encode('\u0001new key of the script'), Buffer.from([0xc3])])
const SCRIPTS = {
  same: 'function cb(tag, ts, r) return 2, ts, r end',
  copied: 'function cb(tag, ts, r) local n = {} for k, v in pairs(r) do n[k] = v end return 2, ts, n end',
  added: 'function cb(tag, ts, r) r["\\1new key of the script"] = true return 2, ts, r end',
  spoiled: `function cb(tag, ts, r) local last for k, v in pairs(r) do
    if type(v) == "table" then v[#v + 1] = last v.x = r.a elseif type(v) == "number" then r[k] = v * 1.5 else last = k end
  end return 1, ts + 0.5, {r, {x = last}} end`,
}
const alloc = (bytes: number) => Buffer.alloc(bytes)
const BUFFERS = { take: alloc, force: alloc, takeLongLived: alloc, give: () => {} }
type Name = keyof typeof SCRIPTS

let filters: Record<Name, LuaFilter> | undefined
let failures = 0

async function start(code: string): Promise<LuaFilter> {
  const silent = () => {}
  const ctx = {
    log: { error: silent, warn: silent, info: silent, debug: silent },
    counters: { add: silent, get: () => 0 },
    clock: { nowMs: () => 0 },
    buffers: BUFFERS,
    reject: () => void failures++,
  }
  const filter = new LuaFilter(parseOptions(LUA_OPTIONS, { code, call: 'cb' }) as never, ctx as never)
  await filter.start()
  return filter
}

/** Returns the first map of the input, if it has one within the limits of the input forward. */
function mapOf(input: Buffer): Buffer | undefined {
  try {
    const end = new ValueScanner(5000).scan(input, 0, input.length)
    return end > 0 && mapPairs(input, 0) >= 0 ? input.subarray(0, end) : undefined
  } catch {
    return undefined
  }
}

/** Returns the maps of the records that a script makes of one; undefined when it failed. */
function apply(filter: LuaFilter, map: Buffer): Buffer[] | undefined {
  const buffers = BUFFERS
  const start = headRoom('app')
  const buf = buffers.force(start + map.length + 11 + TAIL_ROOM)
  const end = writeEntryHead(buf, start, 1_790_000_000, 5)
  const init = {
    tag: 'app',
    input: 'fuzz',
    buf,
    start,
    end: end + map.copy(buf, end),
    count: 1,
    id: 'id',
    inputBytes: 1,
  }
  const chunk = new Chunk(init, buffers)
  failures = 0
  filter.apply(chunk)
  if (failures > 0) return undefined
  const maps: Buffer[] = []
  for (let at = chunk.start; at < chunk.end; ) {
    const next = skip(chunk.buf, at, chunk.end)
    must(next > at, 'an entry is not complete')
    maps.push(chunk.buf.subarray(at + 11, next))
    at = next
  }
  must(maps.length === chunk.count, () => `${chunk.count} records, of which ${maps.length} are there`)
  return maps
}

/** Returns true when no two keys of the map are the same bytes, or could be the same key of Lua. */
function hasPlainKeys(map: Buffer): boolean {
  const seen = new Set<string>()
  for (let at = mapBody(map, 0), i = 0; i < mapPairs(map, 0); i++) {
    const t = map[at] as number
    const isShort = t >= 0xa0 && t <= 0xbf
    const value = skip(map, at, map.length)
    const key = map.toString('hex', at, value)
    if (!isShort || seen.has(key)) return false
    seen.add(key)
    at = skip(map, value, map.length)
  }
  return true
}

/** Records come back from a script as they were, but for what it has changed. */
export const lua: Target = {
  name: 'lua',
  maxBytes: 3000,
  maxMs: 3000,
  dictionary: [
    '\xc0',
    '\xcf\x00\x20\x00\x00\x00\x00\x00\x01',
    '\xd6\x00',
    '\xca\x3d\xcc\xcc\xcd',
    '\x90',
    '\x80',
    '\xc4\x01a',
    '\xa1a',
  ],
  seeds: () =>
    [
      { a: 1, b: 'x', c: null, d: [1, null, { e: [] }], f: {} },
      { log: 'line', k8s: { pod: 'x', labels: { app: 'y' } }, n: -1.5, t: true },
      Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`k${i}`, i % 4 === 0 ? null : i])),
    ].map((record) => Buffer.from(encode(record))),
  async run(input) {
    filters ??= Object.fromEntries(
      await Promise.all(Object.entries(SCRIPTS).map(async ([name, code]) => [name, await start(code)])),
    ) as Record<Name, LuaFilter>
    const map = mapOf(input)
    if (map === undefined) return 'none'
    const same = apply(filters.same, map)
    must(same === undefined || same[0]?.equals(map) === true, 'a record that is returned has other bytes')
    const added = apply(filters.added, map)
    if (added !== undefined && hasPlainKeys(map)) {
      const head = Buffer.alloc(5)
      const pairs = head.subarray(0, writeMapHead(head, 0, mapPairs(map, 0) + 1))
      const expected = Buffer.concat([pairs, map.subarray(mapBody(map, 0)), NEW_PAIR])
      must(added[0]?.equals(expected) === true, 'what a script did not touch has other bytes')
    }
    const copied = apply(filters.copied, map)
    const spoiled = apply(filters.spoiled, map)
    return [same, added, copied, spoiled].map((maps) => size(maps?.length ?? 99)).join()
  },
  close() {
    for (const filter of Object.values(filters ?? {})) filter.close()
    filters = undefined
  },
}

import { expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { chunkOf } from '../../../support/engine/chunk-of.ts'
import { tmp } from '../../../support/tmp.ts'
import { startLua } from './run.ts'

test('Script beside Code is not used, which is said', async () => {
  const run = await startLua('function cb(tag, ts, r) r.x = 1 return 2, ts, r end', { script: 'none.lua' })
  expect(run.records({})).toEqual([{ x: 1 }])
  expect(run.lines).toEqual(['warn Script none.lua is not used, because there is Code'])
})

/** Scripts of the kinds that configurations have, with records and what a fluent-bit makes of them. */
const SCRIPTS: Record<
  string,
  { code: string; given: object[]; made: object[]; options?: Record<string, string> }
> = {
  'drop by two conditions': {
    code: `function cb(tag, timestamp, record)
      if record["level"] == "debug" and string.match(record["path"] or "", "^/health") then return -1, 0, 0 end
      return 0, 0, 0
    end`,
    given: [{ level: 'debug', path: '/healthz' }, { level: 'debug', path: '/' }, { level: 'info' }],
    made: [{ level: 'debug', path: '/' }, { level: 'info' }],
  },
  'drop blank lines': {
    code: 'function cb(tag, ts, r) if r.log == nil or r.log:match("^%s*$") then return -1, ts, r end return 0, ts, r end',
    given: [{ log: ' \n' }, { log: 'x' }, {}],
    made: [{ log: 'x' }],
  },
  'keep some keys': {
    code: `local KEEP = {"a", "c"}
    function cb(tag, ts, r) local new = {} for _, k in ipairs(KEEP) do new[k] = r[k] end return 1, ts, new end`,
    given: [{ a: 1, b: 2, c: 3 }],
    made: [{ a: 1, c: 3 }],
  },
  'add the tag': {
    code: 'function cb(tag, ts, r) r["fluent_tag"] = tag return 1, ts, r end',
    given: [{ a: 1 }],
    made: [{ a: 1, fluent_tag: 'app.one' }],
  },
  'take a part of the tag': {
    code: 'function cb(tag, ts, r) r.app, r.part = tag:match("^([^.]+)%.(.+)$") return 2, ts, r end',
    given: [{}],
    made: [{ app: 'app', part: 'one' }],
  },
  flatten: {
    code: `local function flat(t, prefix, to)
      for k, v in pairs(t) do
        if type(v) == "table" then flat(v, prefix .. k .. "_", to) else to[prefix .. k] = v end
      end
      return to
    end
    function cb(tag, ts, r) return 2, ts, flat(r, "", {}) end`,
    given: [{ a: 1, k8s: { pod: 'x', labels: { app: 'y' } } }],
    made: [{ a: 1, k8s_pod: 'x', k8s_labels_app: 'y' }],
  },
  'format the time': {
    code: 'function cb(tag, ts, r) r.day = os.date("!%Y-%m-%dT%H:%M:%SZ", ts) return 2, ts, r end',
    given: [{}],
    made: [{ day: '1970-01-01T00:16:40Z' }],
  },
  'milliseconds of the time': {
    code: 'function cb(tag, ts, r) r.ms = string.format("%03d", (ts % 1) * 1000) r.t = string.format("%d", ts * 1000) return 2, ts, r end',
    given: [{}],
    made: [{ ms: '500', t: '1000500' }],
  },
  'the time in nanoseconds as text': {
    code: 'function cb(tag, ts, r) r.ns = string.format("%d%09d", ts.sec + 1700000000, ts.nsec) return 2, ts, r end',
    given: [{}],
    made: [{ ns: '1700001000500000000' }],
    options: { time_as_table: 'on' },
  },
  'mask addresses': {
    code: 'function cb(tag, ts, r) r.log = string.gsub(r.log, "(%d+%.%d+)%.%d+%.%d+", "%1.x.x") return 2, ts, r end',
    given: [{ log: 'from 10.1.2.3 to 192.168.0.1' }],
    made: [{ log: 'from 10.1.x.x to 192.168.x.x' }],
  },
  'redact nested keys': {
    code: `local SECRET = {password = true, token = true}
    local function redact(t) for k, v in pairs(t) do
      if SECRET[k] then t[k] = "***" elseif type(v) == "table" then redact(v) end end end
    function cb(tag, ts, r) redact(r) return 2, ts, r end`,
    given: [{ user: { name: 'bob', password: 'x' }, list: [{ token: 1 }], id: '7' }],
    made: [{ user: { name: 'bob', password: '***' }, list: [{ token: '***' }], id: '7' }],
  },
  'a counter that is kept between calls': {
    code: 'local n = 0 function cb(tag, ts, r) n = n + 1 r.seq = n return 2, ts, r end',
    given: [{}, {}, {}],
    made: [{ seq: 1 }, { seq: 2 }, { seq: 3 }],
  },
  'a sample of one in three': {
    code: 'n = 0 function cb(tag, ts, r) n = n + 1 if n % 3 ~= 0 then return -1, ts, r end return 0, ts, r end',
    given: [{ i: 1 }, { i: 2 }, { i: 3 }, { i: 4 }, { i: 5 }, { i: 6 }],
    made: [{ i: 3 }, { i: 6 }],
  },
  'leave out repetitions': {
    code: 'local last function cb(tag, ts, r) if r.log == last then return -1, ts, r end last = r.log return 0, ts, r end',
    given: [{ log: 'a' }, { log: 'a' }, { log: 'b' }, { log: 'a' }],
    made: [{ log: 'a' }, { log: 'b' }, { log: 'a' }],
  },
  'a lookup table': {
    code: 'local TEAMS = {cart = "shop", pay = "money"} function cb(tag, ts, r) r.team = TEAMS[r.app] or "unknown" return 2, ts, r end',
    given: [{ app: 'cart' }, { app: 'x' }],
    made: [
      { app: 'cart', team: 'shop' },
      { app: 'x', team: 'unknown' },
    ],
  },
  'a map of severities': {
    code: `local LEVELS = {[10] = "TRACE", [20] = "DEBUG", [30] = "INFO", [40] = "WARN", [50] = "ERROR"}
    function cb(tag, ts, r) local l = LEVELS[tonumber(r.level)] if l then r.severity = l r.level = nil return 2, ts, r end return 0, ts, r end`,
    given: [{ level: 30 }, { level: '50', x: 1 }, { level: 'info' }],
    made: [{ severity: 'INFO' }, { x: 1, severity: 'ERROR' }, { level: 'info' }],
  },
  'the first of several fields': {
    code: 'function cb(tag, ts, r) r.message = r.message or r.msg or r.log or "" r.msg, r.log = nil, nil return 2, ts, r end',
    given: [{ msg: 'a', log: 'b' }, { log: 'b' }, { message: 'c', msg: 'd' }, {}],
    made: [{ message: 'a' }, { message: 'b' }, { message: 'c' }, { message: '' }],
  },
  'combine two fields': {
    code: 'function cb(tag, ts, r) r.url = r.scheme .. "://" .. r.host .. ":" .. r.port return 2, ts, r end',
    given: [{ scheme: 'http', host: 'a', port: 80 }],
    made: [{ scheme: 'http', host: 'a', port: 80, url: 'http://a:80' }],
  },
  'rename the keys with dots': {
    code: `function cb(tag, ts, r) local new = {}
      for k, v in pairs(r) do new[k:gsub("%.", "_")] = v end return 2, ts, new end`,
    given: [{ 'a.b': 1, c: 2 }],
    made: [{ a_b: 1, c: 2 }],
  },
  'split a text into a list': {
    code: `function cb(tag, ts, r) local parts = {} for word in r.log:gmatch("[^,]+") do parts[#parts + 1] = word end
      r.parts = parts return 2, ts, r end`,
    given: [{ log: 'a,b,c' }, { log: '' }],
    made: [
      { log: 'a,b,c', parts: ['a', 'b', 'c'] },
      { log: '', parts: {} },
    ],
    options: {},
  },
  'several records of one': {
    code: `function cb(tag, ts, r) local new = {} for i, e in ipairs(r.events) do new[i] = {id = r.id, event = e} end
      return 1, ts, new end`,
    given: [{ id: 7, events: ['x', 'y'] }],
    made: [
      { id: 7, event: 'x' },
      { id: 7, event: 'y' },
    ],
  },
  'the length of a text': {
    code: 'function cb(tag, ts, r) r.size = #r.log r.short = r.log:sub(1, 3) return 2, ts, r end',
    given: [{ log: 'äbc' }],
    made: [{ log: 'äbc', size: 4, short: 'äb' }],
  },
  'pairs of a line': {
    code: 'function cb(tag, ts, r) for k, v in r.log:gmatch("(%w+)=(%S+)") do r[k] = tonumber(v) or v end r.log = nil return 2, ts, r end',
    given: [{ log: 'a=1 b=x c=2.5' }],
    made: [{ a: 1, b: 'x', c: 2.5 }],
  },
  'an expensive error that is caught': {
    code: 'function cb(tag, ts, r) local ok, err = pcall(function() return r.a.b.c end) r.ok = ok return 2, ts, r end',
    given: [{}, { a: { b: { c: 1 } } }],
    made: [{ ok: false }, { a: { b: { c: 1 } }, ok: true }],
  },
}

test.each(Object.entries(SCRIPTS))('%s', async (_, { code, given, made, options }) => {
  const run = await startLua(code, options)
  expect(run.records(...given)).toEqual(made as Record<string, unknown>[])
  expect(run.rejected).toEqual([])
})

test('a script in a file, with a first line for the shell and a byte order mark, has its name and lines in errors', async () => {
  const file = `${tmp()}/s.lua`
  writeFileSync(file, '\ufeff#!/usr/bin/lua\n\nfunction cb(tag, ts, r)\n  error("no")\nend\n')
  const run = await startLua(undefined, { script: file })
  run.records({})
  expect(run.rejected[0]?.message).toBe(`${file}:4: no`)
})

test('reports the garbage that it leaves: four times the bytes of the chunk', async () => {
  const run = await startLua('function cb(tag, ts, r) return -1, ts, r end')
  const chunk = chunkOf([{ a: 1 }, { b: 'x' }], 'app', run.buffers)
  const { size } = chunk
  run.apply(chunk)
  expect(run.garbage).toEqual([4 * size])
})

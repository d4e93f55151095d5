import { expect, test } from 'bun:test'
import { encode } from '@msgpack/msgpack'
import { chunkOf } from '../../../support/engine/chunk-of.ts'
import { type LuaRun, mapHex, rawChunk, startLua } from './run.ts'

/** Fails on the records with this body and returns the others with `ok`. */
function failing(body: string, before = ''): string {
  return `${before} function cb(tag, ts, r) if r.bad then ${body} end r.ok = 1 return 2, ts, r end`
}

const BAD = [{ n: 1 }, { n: 2, bad: true }, { n: 3 }]
const REST = [
  { n: 1, ok: 1 },
  { n: 3, ok: 1 },
]

test.each([
  ['an error', 'error("no")', 'code:1: no'],
  ['a call of nil', 'r.x.y = 1', "code:1: attempt to index field 'x' (a nil value)"],
  ['an error that is a table', 'error({code = 5})', 'code: the error is no text but of the type table'],
  ['an error that is nil', 'error()', 'code: the error is no text but of the type nil'],
  ['an error with a line feed and control characters', 'error("a\\nb\\27[31m")', 'code:1: a\\nb\\x1b[31m'],
  [
    'a function as value',
    'return 1, ts, {v = print}',
    'code: a value of the type function cannot be in a record',
  ],
  [
    'a coroutine as value',
    'return 1, ts, {v = coroutine.create(function() end)}',
    'code: a value of the type thread cannot be in a record',
  ],
  [
    'a file as value',
    'return 1, ts, {v = io.stdout}',
    'code: a value of the type userdata cannot be in a record',
  ],
  ['a text as record', 'return 1, ts, "x"', 'code: the record is no table but of the type string'],
  ['true as record', 'return 2, ts, true', 'code: the record is no table but of the type boolean'],
  [
    'a fraction as key',
    'return 1, ts, {[1.5] = 1}',
    'code: a table has a key that is neither a string nor an integer',
  ],
  [
    'a table as key',
    'return 1, ts, {x = {[{}] = 1}}',
    'code: a table has a key that is neither a string nor an integer',
  ],
  [
    'a key twice',
    'return 1, ts, {x = {[1] = 1, ["1"] = 2}}',
    'code: a table has the key 1 as a number and as text',
  ],
  [
    'a cyclic table',
    'r.self = r return 1, ts, r',
    'code: a table contains itself, or there are more than 100 levels',
  ],
  [
    'a new cyclic table',
    'local t = {} t.t = {t} return 1, ts, t',
    'code: a table contains itself, or there are more than 100 levels',
  ],
  [
    'very deep tables',
    'local t = {} for i = 1, 5000 do t = {t = t} end return 1, ts, t',
    'code: a table contains itself, or there are more than 100 levels',
  ],
  [
    'a huge string',
    'return 1, ts, {v = ("x"):rep(17e6)}',
    /^code: (not enough memory|the returned value has more than 16000000 bytes)$/,
  ],
  [
    'huge strings',
    'local s = ("x"):rep(1e6) local t = {} for i = 1, 17 do t[i] = s end return 1, ts, {v = t}',
    'code: the returned value has more than 16000000 bytes',
  ],
  [
    'tables that are in each other again and again',
    'local t = {x = "12345678"} for i = 1, 40 do t = {a = t, b = t} end return 1, ts, t',
    'code: the returned value has more than 16000000 bytes',
  ],
  ['recursion without end', 'local function f() return 1 + f() end f()', /^code:1: stack overflow/],
  ['recursion through pcall', 'local function f() return pcall(f), error("x") end f()', /^code/],
  ['a C function that calls itself', 'local s s = function() return ("x"):gsub(".", s) end s()', /^code/],
  [
    'no more memory',
    'local t = {} while true do t[#t + 1] = ("x"):rep(1e6) .. #t end',
    'code: not enough memory',
  ],
  ['one string without memory for it', 'local s = ("x"):rep(2e9)', 'code: not enough memory'],
  ['os.exit', 'os.exit(0)', 'code:1: os.exit is not available'],
])('%s fails the record and no other', async (_, body, message) => {
  const run = await startLua(failing(body))
  expect(run.records(...BAD)).toEqual(REST)
  expect(run.rejected).toHaveLength(1)
  if (typeof message === 'string') expect(run.rejected[0]?.message).toBe(message)
  else expect(run.rejected[0]?.message).toMatch(message)
  expect(run.counters.get('failed_records', 'dead_letter')).toBe(1)
})

test.each([
  ['never ends', 'while true do end'],
  ['catches its end in a loop', 'while true do pcall(function() while true do end end) end'],
  [
    'catches its end in a coroutine',
    'while true do coroutine.wrap(function() pcall(function() while true do end end) end)() end',
  ],
  ['takes away the hook', 'pcall(debug.sethook) while true do end'],
])('a script that %s is ended, and works again with the next record', async (_, body) => {
  const run = await startLua(failing(body, 'local n = 0'), { time_limit: '50ms' })
  expect(run.records(...BAD)).toEqual(REST)
  expect(run.rejected[0]?.message).toBe('code:1: the call has used 50 ms of CPU time')
  expect([run.counters.get('failures', 'time_limit'), run.counters.get('restarts')]).toEqual([1, 1])
  expect(run.lines.filter((line) => line.includes('loaded anew'))).toHaveLength(1)
})

/** Returns the limits that calls had when they were ended. */
function limitsOf({ rejected }: LuaRun): number[] {
  return rejected.map(({ message }) => Number(/used ([\d.]+) ms/.exec(message)?.[1]))
}

test('calls that never end get less and less time, also when each follows one that ends by itself', async () => {
  const run = await startLua(failing('while true do end'), { time_limit: '40ms' })
  const bad = { bad: true }
  run.records(bad, {}, bad, {}, bad, {}, {}, bad)
  expect(limitsOf(run)).toEqual([40, 20, 10, 10])
})

test('a reduced limit grows again by a twentieth of the time that passes', async () => {
  const clock = { ms: 0 }
  const run = await startLua(failing('while true do end'), { time_limit: '40ms' }, clock)
  const bad = { bad: true }
  run.records(bad)
  clock.ms = 200
  run.records(bad)
  clock.ms = 10_000
  run.records(bad)
  expect(limitsOf(run)).toEqual([40, 30, 40])
})

test('a reduced limit leaves the time that other calls have needed lately', async () => {
  const code = `function cb(tag, ts, r)
    if r.bad then while true do end end
    local from = os.clock() while os.clock() - from < 0.06 do end
    r.ok = 1 return 2, ts, r
  end`
  const run = await startLua(code, { time_limit: '200ms' })
  const bad = { bad: true }
  expect(run.records({}, bad, bad, bad, bad, {})).toEqual([{ ok: 1 }, { ok: 1 }])
  expect(limitsOf(run)[3]).toBeGreaterThan(25)
})

test('a call is ended in time when each of its instructions takes long', async () => {
  const body = 'while true do local x = text:gsub("a", "b") end'
  const run = await startLua(failing(body, 'local text = ("a"):rep(2e5)'), { time_limit: '50ms' })
  const { user } = process.cpuUsage()
  run.records(...BAD)
  expect(limitsOf(run)).toEqual([50])
  expect(process.cpuUsage().user - user).toBeLessThan(2_000_000)
})

test.each([
  ['newproxy', 'local p = newproxy(true) getmetatable(p).__gc = function() while true do end end'],
  ['the metatable of files', 'getmetatable(io.stdout).__gc = function() while true do end end'],
  ['debug.getmetatable', 'debug.getmetatable(io.stdout).__gc = function() while true do end end'],
  ['debug.setmetatable', 'debug.setmetatable(io.stdout, {__gc = function() while true do end end})'],
  ['the registry', 'debug.getregistry()["FILE*"].__gc = function() while true do end end'],
])('a script gets no finalizer by %s: nothing could end it', async (_, body) => {
  const run = await startLua(failing(body))
  run.records({ bad: true })
  expect(run.rejected).toHaveLength(1)
})

test.each([
  ['string.format("%d", "x")', "code:1: bad argument #2 to 'format' (number expected, got string)"],
  ['string.format("%d")', "code:1: bad argument #2 to 'format' (no value)"],
  ['string.rep({}, 2)', "code:1: bad argument #1 to 'rep' (string expected, got table)"],
  ['string.rep("y", 2 ^ 31)', 'code:1: resulting string too large'],
  ['string.rep("y", 2 ^ 31, ",")', 'code:1: resulting string too large'],
])('the error of %s names the place in the script, and the function by its name', async (body, message) => {
  const run = await startLua(failing(body))
  run.records(...BAD)
  expect(run.rejected.map((one) => one.message)).toEqual([message])
})

test('a script may replace the libraries before its function is called', async () => {
  const code = `local format, rep = string.format, string.rep
    string, table, math, pcall, error, loadstring, debug = nil
    function cb(tag, ts, group, metadata, r)
      r.format, r.rep, r.hex = format('%d', 2 ^ 40), rep('x', 2, '-'), bit.tohex(255)
      return 2, ts, metadata, r
    end`
  const run = await startLua(code)
  expect(run.records({})).toEqual([{ format: '1099511627776', rep: 'x-x', hex: '000000ff' }])
})

test('a state that is lost begins anew, one that is not goes on', async () => {
  const code = `local n = 0 function cb(tag, ts, r)
    n = n + 1
    if r.error then error("x") end
    if r.loop then while true do end end
    return 2, ts, {n = n}
  end`
  const run = await startLua(code, { time_limit: '20ms' })
  expect(run.records({}, { error: 1 }, {}, { loop: 1 }, {})).toEqual([{ n: 1 }, { n: 3 }, { n: 1 }])
})

test('a script that keeps all memory loses its state, one that drops it again keeps it', async () => {
  const grow = 'for i = 1, 1000 do t[#t + 1] = ("x"):rep(1e6) .. i end'
  const keeping = await startLua(failing(grow, 't = {}'))
  keeping.records(...BAD)
  expect(keeping.counters.get('restarts')).toBe(1)
  const dropping = await startLua(failing(`local t = {} ${grow}`))
  dropping.records(...BAD)
  expect([dropping.counters.get('restarts'), dropping.counters.get('failures', 'memory_limit')]).toEqual([
    0, 1,
  ])
})

test('On_Error decides what becomes of the record', async () => {
  const code = failing('error("no")')
  const passing = await startLua(code, { on_error: 'pass' })
  expect(passing.records(...BAD)).toEqual([
    { n: 1, ok: 1 },
    { n: 2, bad: true },
    { n: 3, ok: 1 },
  ])
  const dropping = await startLua(code, { on_error: 'drop' })
  expect(dropping.records(...BAD)).toEqual(REST)
  expect([passing.rejected, dropping.rejected]).toEqual([[], []])
  expect(passing.lines).toEqual(['warn a record passes unchanged: code:1: no'])
})

test('what was given up is the entry as it came', async () => {
  const run = await startLua('function cb(tag, ts, r) r.a = nil error("no") end')
  const chunk = chunkOf([{ a: 1, b: null }])
  const entry = chunk.entries().toString('hex')
  run.apply(chunk)
  expect(run.rejected).toEqual([{ message: 'code:1: no', entry }])
})

test('an error in the middle of a list of records writes none of them', async () => {
  const run = await startLua(
    'function cb(tag, ts, r) r.x = 1 if r.n == 2 then return 2, ts, {{a = 1}, {a = print}} end return 2, ts, r end',
  )
  expect(run.records({ n: 1 }, { n: 2 }, { n: 3 })).toEqual([
    { n: 1, x: 1 },
    { n: 3, x: 1 },
  ])
})

test('a record with more than 100 levels fails, one with 90 comes back', async () => {
  const nested = (levels: number): object => {
    let value: object = { leaf: 1 }
    for (let i = 0; i < levels; i++) value = i % 2 === 0 ? { k: value } : { k: [value] }
    return value
  }
  const run = await startLua('function cb(tag, ts, r) r.x = 1 return 2, ts, r end')
  const deep = Buffer.from(encode(nested(200), { maxDepth: 1000 })).toString('hex')
  run.apply(rawChunk(deep, run.buffers))
  expect(run.rejected.map(({ message }) => message)).toEqual([
    'code: the record has more than 100 levels of maps and lists',
  ])
  const fine = Buffer.from(encode(nested(50), { maxDepth: 1000 })).toString('hex')
  expect(mapHex(run.apply(rawChunk(fine, run.buffers)))).toBe(`82${fine.slice(2)}a17801`)
})

test('a script that spoils the libraries fails its records only', async () => {
  const run = await startLua(failing('string.rep = nil table.concat = nil pairs = nil cb = nil error("x")'))
  expect(run.records(...BAD)).toEqual([{ n: 1, ok: 1 }])
  expect(run.rejected.map(({ message }) => message)).toEqual([
    'code:1: x',
    'code: there is no function "cb" any more',
  ])
})

test.each([
  ['function cb( end', "the script cannot be loaded: code:1: <name> or '...' expected near 'end'"],
  ['x = nil + 1', 'the script cannot be loaded: code:1: attempt to perform arithmetic on a nil value'],
  ['local function cb() end', 'the script cannot be loaded: there is no function "cb"'],
  ['while true do end', 'the script cannot be loaded: code:1: the call has used 50 ms of CPU time'],
])('the script %s ends the start', async (code, message) => {
  await expect(startLua(code, { time_limit: '50ms' })).rejects.toThrow(message)
})

import { expect, test } from 'bun:test'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmp } from '../../../support/tmp.ts'
import { luaOf, startLua } from './run.ts'

/** Returns the value of an expression. */
async function resultOf(expression: string, before = ''): Promise<unknown> {
  const [record = {}] = await luaOf(
    `${before} function cb(tag, ts, r) return 2, ts, {v = ${expression}} end`,
    {},
  )
  return record.v
}

test.each([
  ['bit.band(12, 10)', 8],
  ['require("bit").bor(12, 10, 1)', 15],
  ['bit.bxor(12, 10)', 6],
  ['bit.bnot(0)', -1],
  ['bit.lshift(1, 31)', -2147483648],
  ['bit.rshift(-1, 28)', 15],
  ['bit.arshift(-256, 4)', -16],
  ['bit.rol(0x12345678, 8)', 0x34567812],
  ['bit.ror(0x12345678, 8)', 0x78123456],
  ['bit.bswap(0x12345678)', 0x78563412],
  ['bit.tohex(255)', '000000ff'],
  ['bit.tohex(-1, -4)', 'FFFF'],
  ['bit.tobit(0xffffffff)', -1],
  ['load("return 1 + 1")()', 2],
  ['select(2, load("return ("))', '[string "return ("]:1: unexpected symbol near \'<eof>\''],
  ['load("return x", "n", "t", {x = 5})()', 5],
  ['string.format("%d", 1700000000123)', '1700000000123'],
  ['string.format("%d", -3000000000)', '-3000000000'],
  [
    'string.format("%15d|%-15d|%015d", 3000000000, 3000000000, 3000000000)',
    '     3000000000|3000000000     |000003000000000',
  ],
  [
    'string.format("%x %X %#x", 0xdeadbeef, 0xdeadbeefcafe, 0x1ffffffff)',
    'deadbeef DEADBEEFCAFE 0x1ffffffff',
  ],
  ['string.format("%d %s", 3000000000, "x")', '3000000000 x'],
  ['string.format("%s %s %5s", nil, true, false)', 'nil true false'],
  ['string.format("%5.1f|%g|%q", 3e9, 3e9, "a")', '3000000000.0|3e+09|"a"'],
  ['string.format("100%% of %d", 3e9)', '100% of 3000000000'],
  ['("%d"):format(2.9)', '2'],
  ['string.rep("a", 3, ", ")', 'a, a, a'],
  ['string.rep("a", 3)', 'aaa'],
  ['math.log(8, 2)', 3],
  ['#table.move({1, 2, 3}, 2, 3, 1)', 3],
  ['select(2, xpcall(function(a) return a + 1 end, print, 5))', 6],
  ['tostring(5)', '5'],
  ['tostring(1e15)', '1e+15'],
  ['10 / 2 .. ""', '5'],
  ['table.concat({1, 2.5, "x"}, "-")', '1-2.5-x'],
  ['unpack({7})', 7],
  ['table.getn({1, 2})', 2],
  ['_VERSION', 'Lua 5.1'],
  ['"\\x41\\x7a\\\\x41"', 'Az\\x41'],
  ["'\\x22\\'\\x41'", '"\'A'],
  ['"a\\z \n  b"', 'ab'],
  ['[[\\x41]] .. [==[\\x41]]]==]', '\\x41\\x41]]'],
  ['os.date("!%c", 0)', 'Thu Jan  1 00:00:00 1970'],
  ['os.date("!*t", 86400).day', 2],
  ['os.date("!%A %B %j %p %y %Z %%", 1700000000)', 'Tuesday November 318 PM 23 GMT %'],
  [
    'os.time({year = 2023, month = 11, day = 14, hour = 22, min = 13, sec = 20}) - os.time({year = 2023, month = 11, day = 13, hour = 22, min = 13, sec = 20})',
    86_400,
  ],
  ['type(os.time()) .. type(os.clock()) .. type(os.tmpname)', 'numbernumberfunction'],
  ['os.getenv("NO_SUCH_VARIABLE_HERE") == nil', true],
  ['os.getenv("PATH") == FLB_ENV.PATH', true],
  ['pcall(os.execute, "true")', false],
  ['select(2, pcall(os.execute))', 'os.execute is not available'],
  ['pcall(io.popen, "true")', false],
  ['pcall(require, "ffi")', false],
  ['io.read() == nil', true],
] as const)('%s', async (expression, value) => {
  expect(await resultOf(expression)).toEqual(value as unknown)
})

test('escapes of LuaJIT leave comments and the numbers of lines as they are', async () => {
  const code = `-- "it's \\x41
--[[ ' \\x41 ]] local s = "a\\z
  b" function cb(tag, ts, r)
  error(s .. '\\x41')
end`
  const run = await startLua(code)
  run.records({})
  expect(run.rejected[0]?.message).toBe('code:4: abA')
})

test('os.date and os.time use the zone of TZ', async () => {
  const before = process.env.TZ
  process.env.TZ = 'Europe/Berlin'
  try {
    expect(await resultOf('os.date("%H:%M %z", 1700000000)')).toBe('23:13 +0100')
    expect(await resultOf('os.date("%H:%M %z", 1690000000)')).toBe('06:26 +0200')
    expect(await resultOf('os.time({year = 2023, month = 7, day = 22, hour = 6, min = 26, sec = 40})')).toBe(
      1690000000,
    )
    expect(await resultOf('os.date("*t", 1690000000).isdst')).toBe(true)
  } finally {
    if (before === undefined) delete process.env.TZ
    else process.env.TZ = before
  }
})

test('what a script prints goes to the log, a line at a time', async () => {
  const run = await startLua(
    'function cb(tag, ts, r) print("a", 1) io.write("b", "c\\n") io.stderr:write("bad\\27\\n") return 0 end',
  )
  run.records({})
  expect(run.lines).toEqual(['info a 1', 'info bc', 'warn bad\\x1b'])
})

test('a script that prints without end fills neither the log nor the memory', async () => {
  const run = await startLua(
    'function cb(tag, ts, r) for i = 1, 10000 do print(i) end io.write(("x"):rep(1e6)) return 0 end',
  )
  run.records({})
  expect(run.lines).toHaveLength(100)
})

test('a script reads and writes files, and loads modules beside it', async () => {
  const folder = tmp()
  mkdirSync(`${folder}/lib`)
  writeFileSync(`${folder}/table.txt`, 'cart shop\npay money\n')
  writeFileSync(`${folder}/lib/teams.lua`, 'return {prefix = "team "}')
  writeFileSync(
    `${folder}/s.lua`,
    `local teams, lib = {}, require("lib.teams")
for line in io.lines("${folder}/table.txt") do local k, v = line:match("(%S+) (%S+)") teams[k] = v end
function cb(tag, ts, r)
  local out = io.open("${folder}/out.txt", "a") out:write(r.app, "\\n") out:close()
  local again = io.open("${folder}/table.txt") again:seek("set", 5) local word = again:read(4) again:close()
  return 2, ts, {team = lib.prefix .. teams[r.app], word = word, missing = select(2, io.open("${folder}/none"))}
end`,
  )
  const run = await startLua(undefined, { script: `${folder}/s.lua` })
  expect(run.records({ app: 'cart' }, { app: 'pay' })).toEqual([
    { team: 'team shop', word: 'shop', missing: `${folder}/none: No such file or directory` },
    { team: 'team money', word: 'shop', missing: `${folder}/none: No such file or directory` },
  ])
  expect(readFileSync(`${folder}/out.txt`, 'utf8')).toBe('cart\npay\n')
})

test('a script may have 64 files open', async () => {
  const file = `${tmp()}/x`
  writeFileSync(file, 'x')
  const code = `function cb(tag, ts, r) local n, all = 0, {} for i = 1, 100 do local f = io.open("${file}") if f then n = n + 1 all[n] = f end end
    for _, f in ipairs(all) do f:close() end return 2, ts, {n = n} end`
  const run = await startLua(code)
  expect(run.records({}, {})).toEqual([{ n: 64 }, { n: 64 }])
})

/**
 * What scripts for LuaJIT use and Lua 5.1 does not have. Numbers of `%d` and `%x` are limited to 32 bits in the module, and `%s`
 * takes only text there.
 */
export const PRELUDE = String.raw`
local type, tostring, tonumber, select, floor, byte = type, tostring, tonumber, select, math.floor, string.byte
local original_load, original_format, original_rep, sub, find = load, string.format, string.rep, string.sub, string.find
local original_xpcall, unpack, getenv, pcall, error = xpcall, unpack, os.getenv, pcall, error
local loadstring, setfenv, concat, min, abs = loadstring, setfenv, table.concat, math.min, math.abs
local dump, getinfo, match, gsub = string.dump, debug.getinfo, string.match, string.gsub

function load(chunk, name, mode, env)
  local run, message
  if type(chunk) == 'string' then run, message = loadstring(chunk, name)
  else run, message = original_load(chunk, name) end
  if run and env ~= nil then setfenv(run, env) end
  return run, message
end

function xpcall(run, handler, ...)
  local n = select('#', ...)
  if n == 0 then return original_xpcall(run, handler) end
  local values = {...}
  return original_xpcall(function() return run(unpack(values, 1, n)) end, handler)
end

function string.rep(text, n, separator)
  local times = tonumber(n)
  if times and times >= 2147483648 then
    if text == '' and (separator == nil or separator == '') then return '' end
    error('resulting string too large', 2)
  end
  if separator == nil or separator == '' or n < 2 then
    local result = original_rep(text, n)
    return result
  end
  return original_rep(text .. separator, n - 1) .. text
end

local function whole(n) return n < 0 and -floor(-n) or floor(n) end

-- The digits of a whole number that has more than 32 bits, with the flags, the width and the precision of the format.
local function wide(flags, width, precision, kind, n)
  local digits
  if kind == 'd' or kind == 'i' or kind == 'u' then
    digits = original_format('%.0f', n < 0 and -n or n)
  else
    if n < 0 then n = n + 2 ^ 64 end
    local base = kind == 'o' and 8 or 16
    digits = ''
    repeat
      digits = original_format(kind == 'X' and '%X' or kind == 'o' and '%o' or '%x', n % base) .. digits
      n = floor(n / base)
    until n == 0
    if find(flags, '#', 1, true) then digits = (kind == 'o' and '0' or '0' .. kind) .. digits end
  end
  if precision and #digits < precision then digits = original_rep('0', precision - #digits) .. digits end
  local sign = n < 0 and '-' or find(flags, '+', 1, true) and '+' or find(flags, ' ', 1, true) and ' ' or ''
  if kind ~= 'd' and kind ~= 'i' then sign = '' end
  local missing = (width or 0) - #digits - #sign
  if missing <= 0 then return sign .. digits end
  if find(flags, '-', 1, true) then return sign .. digits .. original_rep(' ', missing) end
  if find(flags, '0', 1, true) and not precision then return sign .. original_rep('0', missing) .. digits end
  return original_rep(' ', missing) .. sign .. digits
end

local function is_plain(...)
  for i = 1, select('#', ...) do
    local value = select(i, ...)
    local kind = type(value)
    if kind == 'number' then
      if value >= 2147483648 or value < -2147483648 or value ~= value then return false end
    elseif kind ~= 'string' then return false end
  end
  return true
end

local function format_one(spec, flags, width, precision, kind, value)
  if kind == 's' then
    if type(value) ~= 'string' then value = tostring(value) end
    return original_format(spec, value)
  end
  local n = find('diuoxX', kind, 1, true) and tonumber(value)
  if not n then return original_format(spec, value) end
  if n ~= n then n = -2 ^ 63 end
  n = whole(n)
  if n < 2147483648 and n >= -2147483648 and (n >= 0 or kind == 'd' or kind == 'i') then return original_format(spec, n) end
  return wide(flags, tonumber(width), tonumber(precision), kind, n)
end

function string.format(text, ...)
  if is_plain(...) then
    local result = original_format(text, ...)
    return result
  end
  local values, n, done = {...}, 0, {}
  local from = 1
  while true do
    local at, to, flags, width, precision, kind = find(text, '%%([-+ #0]*)(%d*)%.?(%d*)(.)', from)
    if not at then break end
    done[#done + 1] = sub(text, from, at - 1)
    if kind == '%' then done[#done + 1] = '%'
    else
      n = n + 1
      if n > select('#', ...) then error("bad argument #" .. n + 1 .. " to 'format' (no value)", 2) end
      local spec = sub(text, at, to)
      if find(spec, '.', 1, true) and precision == '' then precision = '0' end
      done[#done + 1] = format_one(spec, flags, width, precision, kind, values[n])
    end
    from = to + 1
  end
  done[#done + 1] = sub(text, from)
  return concat(done)
end

local original_log = math.log
function math.log(x, base)
  if base == nil then return original_log(x) end
  return original_log(x) / original_log(base)
end

function table.move(from, first, last, to, target)
  target = target or from
  if to > first and to <= last and target == from then
    for i = last - first, 0, -1 do target[to + i] = from[first + i] end
  else
    for i = 0, last - first do target[to + i] = from[first + i] end
  end
  return target
end

-- Operations on 32 bits.
local function tobit(n)
  n = (floor(n + 0.5)) % 4294967296
  return n >= 2147483648 and n - 4294967296 or n
end

local function fold(table_of_nibbles)
  local function two(a, b)
    a, b = a % 4294967296, b % 4294967296
    local result, place = 0, 1
    while a > 0 or b > 0 do
      local x, y = a % 16, b % 16
      result = result + table_of_nibbles[x * 16 + y] * place
      a, b, place = (a - x) / 16, (b - y) / 16, place * 16
    end
    return result
  end
  return function(first, ...)
    local result = tobit(first)
    for i = 1, select('#', ...) do result = two(result, tobit((select(i, ...)))) end
    return tobit(result)
  end
end

local function nibbles(of_bits)
  local result = {}
  for x = 0, 15 do
    for y = 0, 15 do
      local value, place, a, b = 0, 1, x, y
      for _ = 1, 4 do
        value = value + of_bits(a % 2, b % 2) * place
        a, b, place = floor(a / 2), floor(b / 2), place * 2
      end
      result[x * 16 + y] = value
    end
  end
  return result
end

local unsigned = function(n) return tobit(n) % 4294967296 end
bit = {
  tobit = tobit,
  band = fold(nibbles(function(a, b) return a * b end)),
  bor = fold(nibbles(function(a, b) return a + b > 0 and 1 or 0 end)),
  bxor = fold(nibbles(function(a, b) return (a + b) % 2 end)),
  bnot = function(n) return tobit(-1 - tobit(n)) end,
  lshift = function(n, by) return tobit(unsigned(n) % 2 ^ (32 - by % 32) * 2 ^ (by % 32)) end,
  rshift = function(n, by) return tobit(floor(unsigned(n) / 2 ^ (by % 32))) end,
  arshift = function(n, by) return tobit(floor(tobit(n) / 2 ^ (by % 32))) end,
  rol = function(n, by)
    n, by = unsigned(n), by % 32
    return tobit(n % 2 ^ (32 - by) * 2 ^ by + floor(n / 2 ^ (32 - by)))
  end,
  ror = function(n, by)
    n, by = unsigned(n), by % 32
    return tobit(floor(n / 2 ^ by) + n % 2 ^ by * 2 ^ (32 - by))
  end,
  bswap = function(n)
    n = unsigned(n)
    local b0, b1, b2 = n % 256, floor(n / 256) % 256, floor(n / 65536) % 256
    return tobit(b0 * 16777216 + b1 * 65536 + b2 * 256 + floor(n / 16777216))
  end,
  tohex = function(n, digits)
    digits = digits or 8
    local kind = digits < 0 and '%X' or '%x'
    digits = min(abs(digits), 8)
    n = unsigned(n)
    local text = ''
    for _ = 1, digits do
      text = original_format(kind, n % 16) .. text
      n = floor(n / 16)
    end
    return text
  end,
}
package.loaded.bit = bit

debug.sethook = function() error('debug.sethook is not available', 2) end
os.exit = function() error('os.exit is not available', 2) end
os.execute = function() error('os.execute is not available', 2) end
if __folder then package.path = __folder .. '/?.lua;' .. package.path end
__folder = nil
FLB_ENV = setmetatable({}, {__index = function(_, name) return getenv(name) end})

-- What a finalizer does has no limit, as Lua calls no hook within it: a script must not get at one.
newproxy = nil
getmetatable(io.stdout).__metatable = false
debug.getmetatable, debug.setmetatable = getmetatable, setmetatable
debug.getregistry = function() error('debug.getregistry is not available', 2) end

-- Returns the message of an error with the place in the script instead of the one in this text.
local function explain(message)
  if type(message) ~= 'string' then return message end
  local text = match(message, '^prelude:%d+: (.*)$') or match(message, '^bad argument .*$')
  if not text then return message end
  text = gsub(text, "'original_(%w+)'", "'%1'")
  for level = 2, 20 do
    local info = getinfo(level, 'Sl')
    if not info then break end
    if info.short_src ~= 'prelude' and info.currentline > 0 then
      return info.short_src .. ':' .. info.currentline .. ': ' .. text
    end
  end
  return text
end

-- The compiled form of a function has the number of its parameters behind name and lines.
local function count_parameters(counted)
  local ok, code = pcall(dump, counted)
  if not ok then return 0 end
  local b1, b2, b3, b4 = byte(code, 13, 16)
  return byte(code, 16 + b1 + b2 * 256 + b3 * 65536 + b4 * 16777216 + 4 + 4 + 2)
end

return explain, count_parameters
`

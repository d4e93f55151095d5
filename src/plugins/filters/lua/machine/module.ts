import { readFileSync } from 'node:fs'
import place from 'wasmoon-lua5.1/dist/liblua5.1.wasm'
import { compileSoon } from '../../../../lib/wasm/compile-policy.ts'
import { lazyShared } from '../../../../lib/wasm/instance.ts'

/**
 * The interpreter of Lua 5.1, compiled to WebAssembly. Only the module of the package is used: its JavaScript copies every value
 * into an object, brings a file system of its own, and needs lodash. What the module imports is in host.ts.
 */
const compiled = lazyShared(() => {
  const bytes = place.startsWith('data:')
    ? Buffer.from(place.slice(place.indexOf(',') + 1), 'base64')
    : readFileSync(place)
  return new WebAssembly.Module(bytes)
})

export function instantiateLua(imports: LuaImports): LuaExports {
  // A script runs for each record: it is worth compiling.
  compileSoon()
  return new WebAssembly.Instance(compiled(), imports as never).exports as unknown as LuaExports
}

/** Functions that the module imports. Numbers are 32-bit integers: addresses, lengths, descriptors, error numbers. */
export type LuaImports = Record<
  'env' | 'wasi_snapshot_preview1',
  Record<string, (...values: number[]) => number | void>
>

/** `L` is a lua_State, `index` one of its stack: 1 is the bottom, -1 the top. See the manual of Lua 5.1, 3.7. */
export interface LuaExports {
  readonly memory: WebAssembly.Memory
  readonly __indirect_function_table: WebAssembly.Table
  __wasm_call_ctors(): void
  emscripten_stack_init(): void
  stackSave(): number
  stackRestore(at: number): void
  setThrew(threw: number, value: number): void
  setTempRet0(value: number): void
  malloc(bytes: number): number
  realloc(at: number, bytes: number): number
  free(at: number): void
  luaL_newstate(): number
  luaL_openlibs(L: number): void
  luaL_loadbuffer(L: number, text: number, bytes: number, name: number): number
  luaL_where(L: number, level: number): void
  lua_checkstack(L: number, slots: number): number
  lua_createtable(L: number, items: number, pairs: number): void
  lua_gc(L: number, what: number, data: number): number
  lua_getfield(L: number, index: number, key: number): void
  lua_gettop(L: number): number
  lua_isnumber(L: number, index: number): number
  lua_next(L: number, index: number): number
  lua_pcall(L: number, values: number, results: number, handler: number): number
  lua_pushboolean(L: number, value: number): void
  lua_pushcclosure(L: number, fn: number, upvalues: number): void
  lua_pushlightuserdata(L: number, at: number): void
  lua_pushlstring(L: number, at: number, bytes: number): void
  lua_pushnil(L: number): void
  lua_pushnumber(L: number, value: number): void
  lua_pushvalue(L: number, index: number): void
  lua_rawget(L: number, index: number): void
  lua_rawgeti(L: number, index: number, n: number): void
  lua_rawset(L: number, index: number): void
  lua_rawseti(L: number, index: number, n: number): void
  lua_setfield(L: number, index: number, key: number): void
  lua_sethook(L: number, fn: number, mask: number, count: number): number
  lua_settop(L: number, index: number): void
  lua_toboolean(L: number, index: number): number
  lua_tolstring(L: number, index: number, length: number): number
  lua_tonumber(L: number, index: number): number
  lua_topointer(L: number, index: number): number
  lua_touserdata(L: number, index: number): number
  lua_type(L: number, index: number): number
}

export const NIL = 0
export const BOOLEAN = 1
export const LIGHT_USERDATA = 2
export const NUMBER = 3
export const STRING = 4
export const TABLE = 5
export const FUNCTION = 6
/** Names of the types above and of the two that follow, as `type` of Lua returns them. */
export const TYPE_NAMES = [
  'nil',
  'boolean',
  'userdata',
  'number',
  'string',
  'table',
  'function',
  'userdata',
  'thread',
]
/** Index that stands for the table of global variables. */
export const GLOBALS = -10002

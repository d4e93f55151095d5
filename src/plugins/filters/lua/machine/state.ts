import { LuaFailure } from '../failures.ts'
import { CallClock } from './call-clock.ts'
import { LuaEnd, LuaHost } from './host.ts'
import { FUNCTION, GLOBALS, instantiateLua, type LuaExports, STRING, TYPE_NAMES } from './module.ts'
import { PRELUDE } from './prelude.ts'

/** Slots at the bottom of the stack that this class keeps: functions of the prelude. */
export const RESERVED = 2
/** Function that is given the message of an error and returns it with the place in the script. */
const EXPLAIN = 1
/** Function that returns the number of parameters of a function. */
const COUNT_PARAMETERS = 2
const OUT_OF_MEMORY = 4
const COLLECT = 2
const COUNT_KB = 3
/** Memory for the length of a string, and for short texts. */
const LENGTH_BYTES = 8
const TEXT_BYTES = 1000
const FIRST_INPUT_BYTES = 65_536
const MAX_MESSAGE_BYTES = 1000
/** Part of the memory from which on an end of the interpreter is put down to the lack of it. */
const NEARLY = 0.9

export interface LuaLimits {
  /** CPU time of one call in milliseconds. */
  timeMs: number
  memoryBytes: number
}

/** A script, and its name in messages. */
export interface LuaSource {
  text: Buffer
  name: string
  /** Folder in which `require` looks for modules first. */
  folder?: string
}

/**
 * An interpreter with one script. Values are exchanged by its stack, with the functions of `lua`, which are those of Lua's C
 * interface; the slots of the stack up to RESERVED stay as they are. After a failure that is fatal it cannot be used.
 */
export class LuaState {
  readonly lua: LuaExports
  readonly L: number
  readonly #host: LuaHost
  readonly #limits: LuaLimits
  readonly #scratch: number
  #input: number
  #inputBytes = FIRST_INPUT_BYTES
  readonly #clock: CallClock
  #handler = 0

  /** Throws LuaFailure when the script does not load. */
  constructor(
    source: LuaSource,
    limits: LuaLimits,
    onPrint: (line: string, isError: boolean) => void,
    hasNull = false,
  ) {
    this.#limits = limits
    this.#host = new LuaHost(limits.memoryBytes, onPrint)
    this.lua = instantiateLua(this.#host.imports)
    this.#host.attach(this.lua)
    this.L = this.#guard(() => {
      this.lua.emscripten_stack_init()
      this.lua.__wasm_call_ctors()
      const L = this.lua.luaL_newstate()
      this.lua.luaL_openlibs(L)
      return L
    })
    this.#scratch = this.#host.allocate(Buffer.alloc(LENGTH_BYTES + TEXT_BYTES))
    this.#input = this.#host.allocate(Buffer.alloc(FIRST_INPUT_BYTES))
    this.#clock = new CallClock(this.lua, limits, (L) => this.#end(L))
    const { folder } = source
    if (folder !== undefined) this.#setGlobal('__folder', () => this.pushText(folder))
    this.#load({ text: Buffer.from(PRELUDE), name: '=prelude' }, RESERVED)
    this.#handler = EXPLAIN
    if (hasNull) this.#setGlobal('flb_null', () => this.lua.lua_pushlightuserdata(this.L, 0))
    this.#load(source)
  }

  /** The whole memory of the interpreter. Another object after each call by which it may have grown. */
  get memory(): Buffer {
    return this.#host.memory
  }

  /** Copies bytes to the memory and returns their address there; they stay until the next call. */
  input(from: Buffer, start: number, end: number): number {
    const bytes = end - start
    if (bytes > this.#inputBytes) {
      const at = this.lua.realloc(this.#input, bytes)
      if (at === 0) throw new LuaFailure('not enough memory for the record', 'memory_limit', false)
      this.#input = at
      this.#inputBytes = bytes
    }
    from.copy(this.#host.memory, this.#input, start, end)
    return this.#input
  }

  /** Pushes a text. For names, not for values of records. */
  pushText(text: string): void {
    const bytes = Buffer.from(text)
    const isLong = bytes.length > TEXT_BYTES
    const at = isLong ? this.#host.allocate(bytes) : this.#scratch + LENGTH_BYTES
    if (!isLong) bytes.copy(this.#host.memory, at)
    this.lua.lua_pushlstring(this.L, at, bytes.length)
    if (isLong) this.lua.free(at)
  }

  /** Returns the address of the string at `index`; `stringBytes` is then its length. */
  stringAt(index: number): number {
    return this.lua.lua_tolstring(this.L, index, this.#scratch)
  }

  get stringBytes(): number {
    return this.#host.memory.readUInt32LE(this.#scratch)
  }

  /** Replaces the function and the values on the top of the stack by its results. Throws LuaFailure. */
  call(values: number, results: number): void {
    this.#clock.begin(this.L)
    const status = this.#guard(() => this.lua.lua_pcall(this.L, values, results, this.#handler))
    if (status === 0) return
    const message = this.#message()
    this.lua.lua_settop(this.L, -2)
    throw new LuaFailure(
      message,
      status === OUT_OF_MEMORY ? 'memory_limit' : 'script',
      status === OUT_OF_MEMORY && this.#isFull(),
    )
  }

  /** Milliseconds that the last call has taken, to about one; 0 for a short one. */
  get usedMs(): number {
    return this.#clock.usedMs
  }

  /** Runs something that uses the stack outside of a call; what ends the interpreter there becomes a LuaFailure. */
  guard<T>(run: () => T): T {
    return this.#guard(run)
  }

  /** Pushes the global variable; returns false if it is no function. */
  pushFunction(name: string): boolean {
    this.pushText(name)
    this.lua.lua_rawget(this.L, GLOBALS)
    return this.lua.lua_type(this.L, -1) === FUNCTION
  }

  /** Returns the number of parameters of a global function. */
  parametersOf(name: string): number {
    this.lua.lua_pushvalue(this.L, COUNT_PARAMETERS)
    this.pushFunction(name)
    this.call(1, 1)
    const count = this.lua.lua_tonumber(this.L, -1)
    this.lua.lua_settop(this.L, -2)
    return count
  }

  close(): void {
    this.#host.close()
  }

  #setGlobal(name: string, push: () => void): void {
    this.pushText(name)
    push()
    this.lua.lua_rawset(this.L, GLOBALS)
  }

  /** Runs a chunk and leaves its results on the stack. */
  #load({ text, name }: LuaSource, results = 0): void {
    const { lua, L } = this
    const status = this.#guard(() => {
      const label = this.#host.allocate(Buffer.from(`${name}\0`))
      const at = this.#host.allocate(text)
      const result = lua.luaL_loadbuffer(L, at, text.length, label)
      lua.free(at)
      lua.free(label)
      return result
    })
    if (status !== 0) throw new LuaFailure(this.#message(), 'script', true)
    this.call(0, results)
  }

  /** Returns the error on the top of the stack as text. */
  #message(): string {
    const { lua, L } = this
    const type = lua.lua_type(L, -1)
    if (type !== STRING) return `the error is no text but of the type ${TYPE_NAMES[type]}`
    const at = this.stringAt(-1)
    return this.memory.toString('utf8', at, at + Math.min(this.stringBytes, MAX_MESSAGE_BYTES))
  }

  /** Collects garbage; returns true when more than half of the memory is still in use. */
  #isFull(): boolean {
    return this.#guard(() => {
      this.lua.lua_gc(this.L, COLLECT, 0)
      return this.lua.lua_gc(this.L, COUNT_KB, 0) * 2048 > this.#limits.memoryBytes
    })
  }

  /** Ends a call that has used its time. */
  #end(L: number): void {
    // A JavaScript error goes through every pcall; an error of Lua could be caught for ever.
    this.lua.luaL_where(L, 0)
    const at = this.lua.lua_tolstring(L, -1, 0)
    const where = this.memory.toString('utf8', at, this.memory.indexOf(0, at))
    throw new LuaFailure(
      `${where}the call has used ${this.#limits.timeMs} ms of CPU time`,
      'time_limit',
      true,
    )
  }

  /** A trap of the module, or an overflow of the stack, leaves the interpreter in the middle of something. */
  #guard<T>(run: () => T): T {
    try {
      return run()
    } catch (err) {
      const isEnd = err instanceof LuaEnd
      const isTrap = err instanceof WebAssembly.RuntimeError || err instanceof RangeError
      if (!isEnd && !isTrap) throw err
      const { message } = err as Error
      if (this.memory.length >= this.#limits.memoryBytes * NEARLY)
        throw new LuaFailure('not enough memory', 'memory_limit', true)
      throw new LuaFailure(isEnd ? message : `the interpreter stopped: ${message}`, 'script', true)
    }
  }
}

import { skip, writeArrayHead, writeMapHead, writeStrHead } from '../../../../core/msgpack/encode.ts'
import type { EntryOutput } from '../../../../lib/records/entry-output.ts'
import { ValueFailure } from '../failures.ts'
import { BOOLEAN, LIGHT_USERDATA, NIL, NUMBER, STRING, TABLE, TYPE_NAMES } from '../machine/module.ts'
import type { LuaState } from '../machine/state.ts'
import { Comparison, type KeyTypes } from './comparison.ts'
import { writeLuaNumber } from './numbers.ts'
import { CHANGED, type Pushed, SAME } from './pushed.ts'

const HEAD_BYTES = 9
const NULL_BYTE = 0xc0
const FALSE_BYTE = 0xc2
const EMPTY_LIST = 0x90
/** Bytes that one call of a script may return. */
const MAX_RETURNED_BYTES = 16_000_000
/** A list may have as many gaps as items, and a few. */
const FREE_GAPS = 8
const INT64_LIMIT = 2 ** 63

/**
 * Writes what a script returned as MessagePack. A table that was pushed is compared with what it was made of: pairs that are the
 * same are copied, in their place, and new ones follow in Lua's order.
 */
export class ReadBack {
  readonly #state: LuaState
  readonly #pushed: Pushed
  readonly #types: KeyTypes
  readonly #out: EntryOutput
  readonly #comparison: Comparison
  #limit = 0
  /** Of the table that was looked at last: the number of its keys, the largest whole one, and which kinds there are. */
  #keys = 0
  #largest = 0
  #hasText = false
  #hasOdd = false

  constructor(state: LuaState, pushed: Pushed, types: KeyTypes, out: EntryOutput) {
    this.#state = state
    this.#pushed = pushed
    this.#types = types
    this.#out = out
    this.#comparison = new Comparison(state, pushed, types)
  }

  /** Begins what one call returned. */
  begin(): void {
    this.#limit = this.#out.at + MAX_RETURNED_BYTES
  }

  /** Returns true when the table on the top of the stack is that of `node`, and nothing in it has changed. */
  isUnchanged(node: number): boolean {
    return this.#comparison.node() === node && this.#comparison.examine(node, 0)
  }

  /** Returns the number of items if the table on the top of the stack is a list, or -1. */
  listLength(): number {
    const node = this.#comparison.node()
    if (node >= 0 && this.#pushed.lists[node] === true && this.#comparison.examine(node, 0))
      return this.#pushed.lengths[node] as number
    this.#look()
    return this.#isList() ? this.#largest : -1
  }

  /** Writes the table on the top of the stack as a map. `like`: node whose order and numbers serve as a pattern for another. */
  writeRecord(like: number): void {
    const pushed = this.#pushed
    const node = this.#comparison.node()
    if (node >= 0 && pushed.lists[node] !== true) {
      this.#writeNode(node, 0)
      return
    }
    this.#look()
    this.#checkKeys()
    // A table around the record has nothing to compare, and the record in it is to stay as it is.
    if (pushed.verdicts[like] === 0 && !this.#comparison.holds(like)) this.#writeByPattern(like)
    else this.#writeMap(-1, 0)
  }

  #writeByPattern(like: number): void {
    const pushed = this.#pushed
    this.#comparison.pattern = like
    try {
      this.#comparison.examine(like, 0)
      this.#writeLike(like, false, 0)
    } finally {
      this.#comparison.pattern = -1
      pushed.forget(like)
    }
  }

  #writeNode(node: number, depth: number): void {
    const pushed = this.#pushed
    if (this.#comparison.examine(node, depth)) {
      const start = pushed.starts[node] as number
      this.#copy(start, this.#endOf(start))
      return
    }
    this.#look()
    const isList = pushed.lists[node] === true
    if ((this.#keys === 0 && isList) || (this.#isList() && depth > 0)) {
      this.#writeList(node, this.#nullsAfter(node, this.#largest), depth)
      return
    }
    this.#checkKeys()
    if (isList) this.#writeMap(-1, depth)
    else this.#writeLike(node, true, depth)
  }

  /** Returns the length of a list whose last items may be null, which Lua does not see. */
  #nullsAfter(node: number, length: number): number {
    const pushed = this.#pushed
    if (pushed.lists[node] !== true) return length
    const first = pushed.firsts[node] as number
    const before = pushed.lengths[node] as number
    for (let i = length; i < before; i++)
      if (pushed.src[pushed.valueAt(first + i)] !== NULL_BYTE) return length
    return Math.max(length, before)
  }

  /** Writes the value on the top of the stack. */
  #write(depth: number): void {
    const { lua, L } = this.#state
    const out = this.#out
    if (out.at > this.#limit)
      throw new ValueFailure(`the returned value has more than ${MAX_RETURNED_BYTES} bytes`)
    out.reserve(HEAD_BYTES)
    const type = lua.lua_type(L, -1)
    if (type === STRING) this.#writeText(-1)
    else if (type === NUMBER) out.at = writeLuaNumber(out.buf, out.at, lua.lua_tonumber(L, -1))
    else if (type === BOOLEAN) out.buf[out.at++] = FALSE_BYTE + lua.lua_toboolean(L, -1)
    else if (type === TABLE) this.#writeTable(depth)
    else if (type === NIL || (type === LIGHT_USERDATA && lua.lua_touserdata(L, -1) === 0))
      out.buf[out.at++] = NULL_BYTE
    else throw new ValueFailure(`a value of the type ${TYPE_NAMES[type]} cannot be in a record`)
  }

  #writeTable(depth: number): void {
    const node = this.#comparison.node()
    if (node >= 0) {
      this.#writeNode(node, depth)
      return
    }
    this.#comparison.enter(depth)
    this.#look()
    if (this.#isList()) this.#writeList(-1, this.#largest, depth)
    else {
      this.#checkKeys()
      this.#writeMap(-1, depth)
    }
  }

  #writeText(index: number): void {
    const out = this.#out
    const at = this.#state.stringAt(index)
    const bytes = this.#state.stringBytes
    if (bytes > MAX_RETURNED_BYTES)
      throw new ValueFailure(`the returned value has more than ${MAX_RETURNED_BYTES} bytes`)
    out.reserve(bytes + HEAD_BYTES)
    out.at = writeStrHead(out.buf, out.at, bytes)
    out.at += this.#state.memory.copy(out.buf, out.at, at, at + bytes)
  }

  #writeList(node: number, length: number, depth: number): void {
    this.#comparison.enter(depth)
    const { lua, L } = this.#state
    const pushed = this.#pushed
    this.#out.reserve(HEAD_BYTES)
    this.#out.at = writeArrayHead(this.#out.buf, this.#out.at, length)
    const known = node >= 0 && pushed.lists[node] === true ? (pushed.lengths[node] as number) : 0
    for (let i = 0; i < length; i++) {
      const slot = (pushed.firsts[node] as number) + i
      if (i < known && pushed.mark(slot) === SAME) this.#copySlot(slot)
      else {
        lua.lua_rawgeti(L, -1, i + 1)
        this.#write(depth + 1)
        lua.lua_settop(L, -2)
      }
    }
  }

  /**
   * Writes a map in the order of `node`, and then what is new. `isNode`: the table is that of the node, which keeps null and what
   * is hidden; otherwise it is a new one.
   */
  #writeLike(node: number, isNode: boolean, depth: number): void {
    this.#comparison.enter(depth)
    const pushed = this.#pushed
    const out = this.#out
    out.reserve(HEAD_BYTES)
    const head = out.at
    out.at += 5
    const first = pushed.firsts[node] as number
    let pairs = 0
    for (let slot = first; slot < first + (pushed.lengths[node] as number); slot++) {
      const mark = pushed.mark(slot)
      if (mark === SAME) this.#copy(pushed.keyAt(slot), this.#endOf(pushed.valueAt(slot)))
      else if (mark === CHANGED) this.#writeChanged(slot, depth)
      else if (isNode && this.#comparison.isAbsent(node, slot) && !pushed.isShadowed(node, slot))
        this.#copy(pushed.keyAt(slot), this.#endOf(pushed.valueAt(slot)))
      else continue
      pairs++
    }
    pairs += this.#writeNew(node, depth)
    this.#closeMap(head, pairs)
  }

  /** Writes the map on the top of the stack in Lua's order. */
  #writeMap(node: number, depth: number): void {
    this.#comparison.enter(depth)
    this.#out.reserve(HEAD_BYTES)
    const head = this.#out.at
    this.#out.at += 5
    this.#closeMap(head, this.#writeNew(node, depth))
  }

  /** Writes the head of a map into the five bytes before its pairs, which move to it. */
  #closeMap(head: number, pairs: number): void {
    const out = this.#out
    const body = writeMapHead(out.buf, head, pairs)
    if (body < head + 5) out.buf.copyWithin(body, head + 5, out.at)
    out.at -= head + 5 - body
  }

  /** Writes the pair of a slot with the value that the table on the top of the stack has now. */
  #writeChanged(slot: number, depth: number): void {
    const { lua, L } = this.#state
    const pushed = this.#pushed
    const at = pushed.keyAt(slot)
    this.#copy(at, pushed.valueAt(slot))
    pushed.pushKeyAt(slot)
    lua.lua_pushvalue(L, -1)
    lua.lua_rawget(L, -3)
    this.#writeValue(depth, pushed.hasNumberKey(slot))
    lua.lua_settop(L, -3)
  }

  /** Writes the pairs that `node` does not have and returns their number; -1: all. */
  #writeNew(node: number, depth: number): number {
    const { lua, L } = this.#state
    let pairs = 0
    lua.lua_pushnil(L)
    while (lua.lua_next(L, -2) !== 0) {
      if (node < 0 || this.#comparison.slotOfKey(node) < 0) {
        const isNumber = lua.lua_type(L, -2) === NUMBER
        if (isNumber) this.#writeNumberKey()
        else this.#writeText(-2)
        this.#writeValue(depth, isNumber)
        pairs++
      }
      lua.lua_settop(L, -2)
    }
    return pairs
  }

  /** Writes the whole number that is the key below the top of the stack as text. */
  #writeNumberKey(): void {
    const { lua, L } = this.#state
    const text = String(lua.lua_tonumber(L, -2))
    this.#state.pushText(text)
    lua.lua_rawget(L, -4)
    const isThere = lua.lua_type(L, -1) !== NIL
    lua.lua_settop(L, -2)
    if (isThere) throw new ValueFailure(`a table has the key ${text} as a number and as text`)
    const out = this.#out
    out.reserve(text.length + HEAD_BYTES)
    out.at = writeStrHead(out.buf, out.at, text.length)
    out.at += out.buf.write(text, out.at, 'latin1')
  }

  /** Writes the value on the top of the stack, whose key is below it. */
  #writeValue(depth: number, hasNumberKey: boolean): void {
    const { lua, L } = this.#state
    const { ints, lists } = this.#types
    if (!hasNumberKey && (ints.length > 0 || lists.length > 0)) {
      const type = lua.lua_type(L, -1)
      if (type === NUMBER && this.#comparison.isKeyOf(ints)) {
        const value = Math.trunc(lua.lua_tonumber(L, -1))
        if (Math.abs(value) < INT64_LIMIT) {
          this.#out.reserve(HEAD_BYTES)
          this.#out.at = writeLuaNumber(this.#out.buf, this.#out.at, value)
          return
        }
      }
      if (type === TABLE && this.#comparison.isKeyOf(lists) && this.isEmpty()) {
        this.#out.reserve(1)
        this.#out.buf[this.#out.at++] = EMPTY_LIST
        return
      }
    }
    this.#write(depth + 1)
  }

  /** Returns true when the table on the top of the stack has no pairs. */
  isEmpty(): boolean {
    const { lua, L } = this.#state
    lua.lua_pushnil(L)
    if (lua.lua_next(L, -2) === 0) return true
    lua.lua_settop(L, -3)
    return false
  }

  /** Finds out which keys the table on the top of the stack has. */
  #look(): void {
    const { lua, L } = this.#state
    this.#keys = this.#largest = 0
    this.#hasText = this.#hasOdd = false
    lua.lua_pushnil(L)
    while (lua.lua_next(L, -2) !== 0) {
      const type = lua.lua_type(L, -2)
      this.#keys++
      if (type === STRING) this.#hasText = true
      else {
        const key = type === NUMBER ? lua.lua_tonumber(L, -2) : Number.NaN
        if (!Number.isSafeInteger(key)) this.#hasOdd = true
        else if (key < 1) this.#hasText = true
        else if (key > this.#largest) this.#largest = key
      }
      lua.lua_settop(L, -2)
    }
  }

  #isList(): boolean {
    return this.#largest > 0 && !this.#hasText && !this.#hasOdd && this.#largest <= this.#keys * 2 + FREE_GAPS
  }

  #checkKeys(): void {
    if (this.#hasOdd) throw new ValueFailure('a table has a key that is neither a string nor an integer')
  }

  #endOf(at: number): number {
    return skip(this.#pushed.src, at, this.#pushed.src.length)
  }

  #copySlot(slot: number): void {
    const at = this.#pushed.valueAt(slot)
    this.#copy(at, this.#endOf(at))
  }

  #copy(start: number, end: number): void {
    this.#out.copy(this.#pushed.src, start, end)
  }
}

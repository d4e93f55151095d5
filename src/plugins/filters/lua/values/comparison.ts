import { numberAt } from '../../../../lib/values/number-at.ts'
import { ValueFailure } from '../failures.ts'
import { BOOLEAN, LIGHT_USERDATA, NUMBER, STRING, TABLE } from '../machine/module.ts'
import type { LuaState } from '../machine/state.ts'
import { isFloat } from './numbers.ts'
import { CHANGED, MAX_DEPTH, type Pushed, SAME, UNSEEN } from './pushed.ts'

/** Slots of the stack that one level of tables needs. */
const LEVEL_SLOTS = 5
const NULL_BYTE = 0xc0
const FALSE_BYTE = 0xc2
const EMPTY_MAP = 0x80
const NO_KEYS: readonly Buffer[] = []

export interface KeyTypes {
  /** Keys whose numbers become integers. */
  ints: readonly Buffer[]
  /** Keys whose empty tables become lists. */
  lists: readonly Buffer[]
}

/** Compares tables with the maps and lists that they were made of. */
export class Comparison {
  readonly #state: LuaState
  readonly #pushed: Pushed
  readonly #types: KeyTypes
  /** Node that serves as a pattern for another table at the moment, or -1: its own table then counts as a new one. */
  pattern = -1

  constructor(state: LuaState, pushed: Pushed, types: KeyTypes) {
    this.#state = state
    this.#pushed = pushed
    this.#types = types
  }

  /** Marks the slots of `node` that the table on the top of the stack has unchanged. Returns true when all is as it was. */
  examine(node: number, depth: number): boolean {
    const pushed = this.#pushed
    const known = pushed.verdicts[node] as number
    if (known !== 0) return known === SAME
    const isSame = this.#compare(node, depth)
    pushed.verdicts[node] = isSame ? SAME : CHANGED
    return isSame
  }

  #compare(node: number, depth: number): boolean {
    const { lua, L } = this.#state
    const pushed = this.#pushed
    this.enter(depth)
    let isSame = true
    lua.lua_pushnil(L)
    while (lua.lua_next(L, -2) !== 0) {
      const slot = this.slotOfKey(node)
      if (slot >= 0) {
        const isEqual = this.#equals(pushed.valueAt(slot), depth + 1) && !this.#needsType(slot)
        pushed.setMark(slot, isEqual ? SAME : CHANGED)
        if (!isEqual) isSame = false
      } else isSame = false
      lua.lua_settop(L, -2)
    }
    if (!isSame) return false
    const first = pushed.firsts[node] as number
    for (let slot = first; slot < first + (pushed.lengths[node] as number); slot++)
      if (pushed.mark(slot) === UNSEEN && !this.isAbsent(node, slot)) return false
    return true
  }

  /** Returns true for a slot of which the table cannot have anything although the script has removed nothing. */
  isAbsent(node: number, slot: number): boolean {
    const pushed = this.#pushed
    if (pushed.src[pushed.valueAt(slot)] === NULL_BYTE) return true
    return pushed.lists[node] !== true && (pushed.isHidden(slot) || pushed.isShadowed(node, slot))
  }

  /** Returns the slot of the key below the top of the stack, or -1. */
  slotOfKey(node: number): number {
    const { lua, L } = this.#state
    const pushed = this.#pushed
    const type = lua.lua_type(L, -2)
    if (pushed.lists[node] === true) {
      const index = type === NUMBER ? lua.lua_tonumber(L, -2) : 0
      return Number.isInteger(index) && index >= 1 && index <= (pushed.lengths[node] as number)
        ? (pushed.firsts[node] as number) + index - 1
        : -1
    }
    if (type === STRING) {
      const pointer = this.#state.stringAt(-2)
      return pushed.slotOfText(node, pointer, this.#state.stringBytes)
    }
    return type === NUMBER ? pushed.slotOfNumber(node, lua.lua_tonumber(L, -2)) : -1
  }

  /** Returns true when the value on the top of the stack is that at `at` of the source. */
  #equals(at: number, depth: number): boolean {
    const { lua, L } = this.#state
    const pushed = this.#pushed
    const t = pushed.src[at] as number
    switch (lua.lua_type(L, -1)) {
      case STRING: {
        const isText = (t >= 0xa0 && t <= 0xbf) || (t >= 0xc4 && t <= 0xc9) || (t >= 0xd4 && t <= 0xdb)
        if (!isText) return false
        const pointer = this.#state.stringAt(-1)
        const bytes = this.#state.stringBytes
        return pushed.bodyBytes(at) === bytes && pushed.hasBytes(pushed.bodyOf(at), pointer, bytes)
      }
      case NUMBER: {
        const number = numberAt(pushed.src, at)
        return number !== undefined && Object.is(number, lua.lua_tonumber(L, -1))
      }
      case BOOLEAN:
        return t === FALSE_BYTE + lua.lua_toboolean(L, -1)
      case LIGHT_USERDATA:
        return t === NULL_BYTE && lua.lua_touserdata(L, -1) === 0
      case TABLE: {
        const node = this.node()
        return node >= 0 && pushed.starts[node] === at && this.examine(node, depth)
      }
      default:
        return false
    }
  }

  /** Returns true when the value of a slot is to have another type, whatever the script has done. */
  #needsType(slot: number): boolean {
    const { ints, lists } = this.#types
    if (ints.length === 0 && lists.length === 0) return false
    const type = this.#pushed.src[this.#pushed.valueAt(slot)] as number
    const keys = isFloat(type) ? ints : type === EMPTY_MAP ? lists : NO_KEYS
    return keys.length > 0 && this.#state.lua.lua_type(this.#state.L, -2) === STRING && this.isKeyOf(keys)
  }

  /** Returns true when the key below the top of the stack, a string, is one of these. */
  isKeyOf(keys: readonly Buffer[]): boolean {
    if (keys.length === 0) return false
    const pointer = this.#state.stringAt(-2)
    const bytes = this.#state.stringBytes
    const { memory } = this.#state
    return keys.some(
      (key) => key.length === bytes && memory.compare(key, 0, bytes, pointer, pointer + bytes) === 0,
    )
  }

  enter(depth: number): void {
    if (depth > MAX_DEPTH)
      throw new ValueFailure(`a table contains itself, or there are more than ${MAX_DEPTH} levels`)
    const { lua, L } = this.#state
    if (depth > 0 && lua.lua_checkstack(L, LEVEL_SLOTS) === 0)
      throw new ValueFailure('the stack of the interpreter is full')
  }

  /** Returns the node of the table on the top of the stack, or -1. */
  node(): number {
    const node = this.#pushed.nodeOf(this.#state.lua.lua_topointer(this.#state.L, -1))
    return node === this.pattern ? -1 : node
  }

  /** Returns true when one of the values of the table on the top of the stack is the table of `node`. */
  holds(node: number): boolean {
    const { lua, L } = this.#state
    let isFound = false
    lua.lua_pushnil(L)
    while (lua.lua_next(L, -2) !== 0) {
      if (lua.lua_type(L, -1) === TABLE && this.node() === node) isFound = true
      lua.lua_settop(L, -2)
    }
    return isFound
  }
}

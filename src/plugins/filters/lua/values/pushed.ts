import { NIL, skip } from '../../../../core/msgpack/encode.ts'
import {
  arrayBody,
  arrayItems,
  mapBody,
  mapPairs,
  textHead,
  textLength,
} from '../../../../core/msgpack/record.ts'
import { numberAt } from '../../../../lib/values/number-at.ts'
import { ValueFailure } from '../failures.ts'
import type { LuaState } from '../machine/state.ts'

/** Levels of maps and lists in a record, and in what a script returns. */
export const MAX_DEPTH = 100
/** Stack slots that one level needs: the table, a key, a value, and one to look at. */
const LEVEL_SLOTS = 4
const FEW = 16
const FEW_TABLES = 8
/** Kinds of keys, in place of the address of their string in the interpreter. */
const HIDDEN = -1
const NUMBER_KEY = -2
const LIST_ITEM = -3
export const UNSEEN = 0
export const SAME = 1
export const CHANGED = 2
const MAX_KEPT_SLOTS = 100_000
const MAX_KEPT_ANCHORS = 64

/**
 * Pushes values from MessagePack, and keeps for each table that it made what it was made of: a node with the place of the map or
 * list, and a slot for each pair or item with the places of key and value. A pushed table stays alive until the next record, so its
 * address stands for it. The address of a key stands for it as long as a table has it: Lua has each string once.
 *
 * A script sees numbers as float64, bin and ext as strings, and no null, or the light userdata NULL as fluent-bit's `flb_null`.
 * Keys that are null, boolean, NaN, lists or maps stay hidden from it.
 */
export class Pushed {
  readonly #state: LuaState
  /** Index of the table that holds the pushed tables. */
  readonly #anchors: number
  readonly #pushNull: boolean
  #anchored = 0
  #src: Buffer = Buffer.alloc(0)
  /** What to add to an offset in the source for its address in the interpreter. */
  #shift = 0
  #end = 0
  nodes = 0
  readonly #pointers: number[] = []
  readonly starts: number[] = []
  readonly lists: boolean[] = []
  readonly firsts: number[] = []
  readonly lengths: number[] = []
  /** 0 until the table was compared with what it was made of, then SAME or CHANGED. */
  readonly verdicts: number[] = []
  slots = 0
  #keys: number[] = []
  #keyPlaces: number[] = []
  #valuePlaces: number[] = []
  #marks: number[] = []
  readonly #indexes = new Map<number, Map<number, number>>()
  #byPointer: Map<number, number> | undefined

  constructor(state: LuaState, anchors: number, pushNull: boolean) {
    this.#state = state
    this.#anchors = anchors
    this.#pushNull = pushNull
  }

  get src(): Buffer {
    return this.#src
  }

  /** Begins a record: values in src[start, end) can be pushed until the next. */
  begin(src: Buffer, start: number, end: number): void {
    this.#src = src
    this.#end = end
    this.#shift = this.#state.input(src, start, end) - start
    this.nodes = this.slots = 0
    if (this.#anchored > MAX_KEPT_ANCHORS) this.#clear()
    this.#anchored = 0
    if (this.#indexes.size > 0) this.#indexes.clear()
    this.#byPointer = undefined
    if (this.#keys.length > MAX_KEPT_SLOTS) {
      this.#keys = []
      this.#keyPlaces = []
      this.#valuePlaces = []
      this.#marks = []
    }
  }

  /** Pushes the value at `at` and returns the offset after it. */
  push(at: number, depth = 0): number {
    const { lua, L } = this.#state
    const src = this.#src
    const t = src[at] as number
    const number = numberAt(src, at)
    if (number !== undefined) lua.lua_pushnumber(L, number)
    else if ((t >= 0x80 && t <= 0x9f) || t >= 0xdc) return this.#pushTable(at, depth)
    else if (t === 0xc2 || t === 0xc3) lua.lua_pushboolean(L, t - 0xc2)
    else if (t === 0xc0) this.#pushNil()
    else {
      const start = this.bodyOf(at)
      const end = start + this.bodyBytes(at)
      lua.lua_pushlstring(L, start + this.#shift, end - start)
      return end
    }
    return skip(src, at, this.#end)
  }

  #pushNil(): void {
    const { lua, L } = this.#state
    if (this.#pushNull) lua.lua_pushlightuserdata(L, 0)
    else lua.lua_pushnil(L)
  }

  /** Returns the offset of the bytes of the str, bin or ext at `at`. */
  bodyOf(at: number): number {
    const head = textHead(this.#src, at)
    if (head >= 0) return at + head
    const t = this.#src[at] as number
    return at + (t >= 0xd4 ? 2 : t === 0xc7 ? 3 : t === 0xc8 ? 4 : 6)
  }

  /** Returns the number of those bytes. */
  bodyBytes(at: number): number {
    const src = this.#src
    const t = src[at] as number
    if (textHead(src, at) >= 0) return textLength(src, at)
    if (t >= 0xd4) return 1 << (t - 0xd4)
    return t === 0xc7
      ? (src[at + 1] as number)
      : t === 0xc8
        ? src.readUInt16BE(at + 1)
        : src.readUInt32BE(at + 1)
  }

  #pushTable(at: number, depth: number): number {
    if (depth >= MAX_DEPTH)
      throw new ValueFailure(`the record has more than ${MAX_DEPTH} levels of maps and lists`)
    const { lua, L } = this.#state
    const pairs = mapPairs(this.#src, at)
    const isList = pairs < 0
    const length = isList ? arrayItems(this.#src, at) : pairs
    const node = this.nodes++
    const first = this.slots
    this.slots += length
    this.starts[node] = at
    this.lists[node] = isList
    this.firsts[node] = first
    this.lengths[node] = length
    this.verdicts[node] = 0
    if (depth > 0 && lua.lua_checkstack(L, LEVEL_SLOTS) === 0)
      throw new ValueFailure('the stack of the interpreter is full')
    lua.lua_createtable(L, isList ? length : 0, isList ? 0 : length)
    this.#pointers[node] = lua.lua_topointer(L, -1)
    this.#anchor()
    return isList
      ? this.#pushItems(arrayBody(this.#src, at), first, length, depth)
      : this.#pushPairs(mapBody(this.#src, at), first, length, depth)
  }

  #pushItems(start: number, first: number, length: number, depth: number): number {
    const { lua, L } = this.#state
    let at = start
    for (let i = 0; i < length; i++) {
      this.#keys[first + i] = LIST_ITEM
      this.#valuePlaces[first + i] = at
      this.#marks[first + i] = UNSEEN
      at = this.push(at, depth + 1)
      lua.lua_rawseti(L, -2, i + 1)
    }
    return at
  }

  #pushPairs(start: number, first: number, length: number, depth: number): number {
    const { lua, L } = this.#state
    let at = start
    for (let slot = first; slot < first + length; slot++) {
      this.#keyPlaces[slot] = at
      this.#marks[slot] = UNSEEN
      at = this.#pushKey(slot, at)
      this.#valuePlaces[slot] = at
      if (this.#keys[slot] === HIDDEN) at = skip(this.#src, at, this.#end)
      else {
        // Nothing but this keeps the key of a null.
        if (this.#src[at] === NIL) this.#anchor()
        at = this.push(at, depth + 1)
        lua.lua_rawset(L, -3)
      }
    }
    return at
  }

  #pushKey(slot: number, at: number): number {
    const { lua, L } = this.#state
    const head = textHead(this.#src, at)
    if (head >= 0) {
      const bytes = textLength(this.#src, at)
      lua.lua_pushlstring(L, at + head + this.#shift, bytes)
      this.#keys[slot] = lua.lua_tolstring(L, -1, 0)
      return at + head + bytes
    }
    const number = numberAt(this.#src, at)
    const isVisible = number !== undefined && !Number.isNaN(number)
    this.#keys[slot] = isVisible ? NUMBER_KEY : HIDDEN
    if (isVisible) lua.lua_pushnumber(L, number)
    return skip(this.#src, at, this.#end)
  }

  /** Pushes the key of a slot that is not hidden. */
  pushKeyAt(slot: number): void {
    this.#pushKey(slot, this.keyAt(slot))
  }

  /** Forgets how the table of a node compares with what it was made of; that of the tables in it stays. */
  forget(node: number): void {
    this.verdicts[node] = 0
    const first = this.firsts[node] as number
    this.#marks.fill(UNSEEN, first, first + (this.lengths[node] as number))
  }

  /** Returns the node of a table by its address, or -1. */
  nodeOf(pointer: number): number {
    if (this.nodes > FEW_TABLES) {
      this.#byPointer ??= new Map(
        Array.from({ length: this.nodes }, (_, node) => [this.#pointers[node] as number, node]),
      )
      return this.#byPointer.get(pointer) ?? -1
    }
    for (let node = 0; node < this.nodes; node++) if (this.#pointers[node] === pointer) return node
    return -1
  }

  keyAt(slot: number): number {
    return this.#keyPlaces[slot] as number
  }

  valueAt(slot: number): number {
    return this.#valuePlaces[slot] as number
  }

  mark(slot: number): number {
    return this.#marks[slot] as number
  }

  setMark(slot: number, mark: number): void {
    this.#marks[slot] = mark
  }

  hasNumberKey(slot: number): boolean {
    return this.#keys[slot] === NUMBER_KEY
  }

  isHidden(slot: number): boolean {
    return this.#keys[slot] === HIDDEN
  }

  /** Returns the slot of a key that is a string, by its address and length; -1: none. The last of equal keys. */
  slotOfText(node: number, pointer: number, bytes: number): number {
    const slot = this.#slotOf(node, pointer)
    if (slot < 0) return -1
    // A string that is gone may have left its address to another.
    const at = this.keyAt(slot)
    if (textLength(this.#src, at) !== bytes) return -1
    return this.hasBytes(at + textHead(this.#src, at), pointer, bytes) ? slot : -1
  }

  /** Returns the slot of a key that is a number, or -1. */
  slotOfNumber(node: number, key: number): number {
    return this.#indexOf(~node, node).get(key) ?? -1
  }

  /** Returns true when a later slot of the map has the same key, which then counts. */
  isShadowed(node: number, slot: number): boolean {
    const key = this.#keys[slot] as number
    if (key === HIDDEN) return false
    if (key === NUMBER_KEY)
      return this.slotOfNumber(node, numberAt(this.#src, this.keyAt(slot)) as number) !== slot
    return this.#slotOf(node, key) !== slot
  }

  #slotOf(node: number, pointer: number): number {
    const first = this.firsts[node] as number
    const length = this.lengths[node] as number
    if (length > FEW) return this.#indexOf(node, node).get(pointer) ?? -1
    for (let slot = first + length - 1; slot >= first; slot--) if (this.#keys[slot] === pointer) return slot
    return -1
  }

  /** Returns the slots of a node by their keys: addresses, or with a negative name the keys that are numbers. */
  #indexOf(name: number, node: number): Map<number, number> {
    let index = this.#indexes.get(name)
    if (index === undefined) {
      index = new Map()
      const first = this.firsts[node] as number
      for (let slot = first; slot < first + (this.lengths[node] as number); slot++) {
        const key = this.#keys[slot] as number
        if (name >= 0) index.set(key, slot)
        else if (key === NUMBER_KEY) index.set(numberAt(this.#src, this.keyAt(slot)) as number, slot)
      }
      this.#indexes.set(name, index)
    }
    return index
  }

  /** Returns true when the bytes at `at` of the source are those at an address of the interpreter. */
  hasBytes(at: number, pointer: number, bytes: number): boolean {
    const src = this.#src
    const { memory } = this.#state
    if (bytes > 64) return memory.compare(src, at, at + bytes, pointer, pointer + bytes) === 0
    for (let i = 0; i < bytes; i++) if (src[at + i] !== memory[pointer + i]) return false
    return true
  }

  /** Keeps what is on the top of the stack alive. */
  #anchor(): void {
    const { lua, L } = this.#state
    lua.lua_pushvalue(L, -1)
    lua.lua_rawseti(L, this.#anchors, ++this.#anchored)
  }

  #clear(): void {
    const { lua, L } = this.#state
    for (let i = 1; i <= this.#anchored; i++) {
      lua.lua_pushnil(L)
      lua.lua_rawseti(L, this.#anchors, i)
    }
  }
}

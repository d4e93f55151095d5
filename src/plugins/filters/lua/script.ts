import { writeEntryHead } from '../../../core/msgpack/encode.ts'
import type { EntryOutput } from '../../../lib/records/entry-output.ts'
import { metadataAt } from '../../../lib/records/entry-parts.ts'
import { EventTime } from '../../../lib/records/event-time.ts'
import { ValueFailure } from './failures.ts'
import { NIL, TABLE, TYPE_NAMES } from './machine/module.ts'
import { type LuaLimits, type LuaSource, LuaState, RESERVED } from './machine/state.ts'
import type { KeyTypes } from './values/comparison.ts'
import { Pushed } from './values/pushed.ts'
import { ReadBack } from './values/read-back.ts'

/** Results of `run` besides the number of records that were written. */
export const KEPT = -1
export const DROPPED = 0
/** The script returned a code that means nothing, or no record: the record is kept. */
export const ODD = -2

const DROP_CODE = -1
const KEEP_CODE = 0
const ALL_CODE = 1
const RECORD_CODE = 2
/** Slots at the bottom of the stack after those of the state: the table of pushed tables, and the tag. */
const ANCHORS = RESERVED + 1
const BASE = ANCHORS + 1
/** Index of the first result, and with five parameters of the metadata. */
const FIRST = BASE + 1
const METADATA = FIRST + 2
const CALL_SLOTS = 40
const MAX_SECONDS = 2 ** 32
const NS = 1e9
const HEAD_BYTES = 12
const PAIR = 0x92

export interface ScriptOptions {
  call: string
  limits: LuaLimits
  keyTypes: KeyTypes
  hasTimeTable: boolean
  hasNull: boolean
}

/** A loaded script: calls its function with one record after another. */
export class Script {
  readonly #state: LuaState
  readonly #options: ScriptOptions
  readonly #pushed: Pushed
  readonly #back: ReadBack
  readonly #out: EntryOutput
  readonly #hasMetadata: boolean
  readonly #time = new EventTime()
  /** Node of the record: 0, or the first after those of its metadata. */
  #record = 0
  #tag: string | undefined
  #pushedTime = 0
  #newSec = 0
  #newNsec = 0
  #isNewTime = false
  #isNewMetadata = false
  /** What was odd about the result of the last call. */
  oddity = ''
  /** True when records with metadata were written. */
  wroteMetadata = false

  /** Throws LuaFailure when the script does not load, and ValueFailure when it lacks the function. */
  constructor(
    source: LuaSource,
    options: ScriptOptions,
    out: EntryOutput,
    onPrint: (line: string, isError: boolean) => void,
  ) {
    this.#options = options
    this.#out = out
    this.#state = new LuaState(source, options.limits, onPrint, options.hasNull)
    const { lua, L } = this.#state
    lua.lua_settop(L, RESERVED)
    lua.lua_checkstack(L, CALL_SLOTS)
    lua.lua_createtable(L, 0, 0)
    if (!this.#state.pushFunction(options.call))
      throw new ValueFailure(`there is no function "${options.call}"`)
    this.#hasMetadata = this.#state.parametersOf(options.call) >= 5
    this.#pushed = new Pushed(this.#state, ANCHORS, options.hasNull)
    this.#back = new ReadBack(this.#state, this.#pushed, options.keyTypes, out)
  }

  /**
   * Calls the function with the entry in buf[at, end), whose map is at `body`. Returns KEPT, DROPPED, ODD, or the number of
   * records that it has written; `onWrite` is called before the first. Throws LuaFailure and ValueFailure.
   */
  run(tag: string, buf: Buffer, at: number, body: number, end: number, onWrite: () => void): number {
    return this.#state.guard(() => {
      this.#push(tag, buf, at, body, end)
      if (this.#hasMetadata) this.#state.call(5, 4)
      else this.#state.call(3, 3)
      return this.#take(buf, at, body, onWrite)
    })
  }

  /** Milliseconds that the last call has taken, to about one; 0 for a short one. */
  get usedMs(): number {
    return this.#state.usedMs
  }

  close(): void {
    this.#state.close()
  }

  #push(tag: string, buf: Buffer, at: number, body: number, end: number): void {
    const { lua, L } = this.#state
    const { call, hasTimeTable } = this.#options
    if (tag !== this.#tag) {
      lua.lua_settop(L, ANCHORS)
      this.#state.pushText(tag)
      this.#tag = tag
    }
    lua.lua_settop(L, BASE)
    if (!this.#state.pushFunction(call)) throw new ValueFailure(`there is no function "${call}" any more`)
    this.#pushed.begin(buf, at, end)
    lua.lua_pushvalue(L, BASE)
    this.#time.read(buf, at)
    this.#pushedTime = this.#time.sec + this.#time.nsec / NS
    if (hasTimeTable) this.#pushTime()
    else lua.lua_pushnumber(L, this.#pushedTime)
    if (this.#hasMetadata) this.#pushMetadata(buf, at, end)
    this.#record = this.#pushed.nodes
    this.#pushed.push(body)
  }

  #pushTime(): void {
    const { lua, L } = this.#state
    lua.lua_createtable(L, 0, 2)
    this.#state.pushText('sec')
    lua.lua_pushnumber(L, this.#time.sec)
    lua.lua_rawset(L, -3)
    this.#state.pushText('nsec')
    lua.lua_pushnumber(L, this.#time.nsec)
    lua.lua_rawset(L, -3)
  }

  #pushMetadata(buf: Buffer, at: number, end: number): void {
    const { lua, L } = this.#state
    // Groups, which records of fluent-bit's input opentelemetry have, do not exist here.
    lua.lua_createtable(L, 0, 0)
    const metadata = metadataAt(buf, at, end)
    if (metadata >= 0) this.#pushed.push(metadata)
    else lua.lua_createtable(L, 0, 0)
  }

  /** Handles the results, which begin at FIRST: code, time, with five parameters metadata, record. */
  #take(buf: Buffer, at: number, body: number, onWrite: () => void): number {
    const { lua, L } = this.#state
    const code = lua.lua_isnumber(L, FIRST) === 0 ? KEEP_CODE : Math.trunc(lua.lua_tonumber(L, FIRST))
    if (code === KEEP_CODE) return KEPT
    if (code === DROP_CODE) return DROPPED
    if (code !== ALL_CODE && code !== RECORD_CODE)
      return this.#odd(`the code ${code}, which is none of -1, 0, 1 and 2`)
    this.#isNewTime = code === ALL_CODE && this.#takeTime()
    const type = lua.lua_type(L, -1)
    if (type === NIL) return this.#odd(`the code ${code} without a record`)
    if (type !== TABLE) throw new ValueFailure(`the record is no table but of the type ${TYPE_NAMES[type]}`)
    const isSame = this.#back.isUnchanged(this.#record)
    this.#isNewMetadata = this.#hasMetadata && this.#isMetadataChanged()
    if (isSame && !this.#isNewTime && !this.#isNewMetadata) return KEPT
    onWrite()
    this.#back.begin()
    const items = isSame ? -1 : this.#back.listLength()
    if (items >= 0) return this.#writeItems(items, buf, at, body)
    this.#writeHead(buf, at, body, -1)
    this.#back.writeRecord(this.#record)
    return 1
  }

  #odd(what: string): number {
    this.oddity = `the function returned ${what}`
    return ODD
  }

  /** Reads the time that was returned. Returns false when the record keeps its own. */
  #takeTime(): boolean {
    const { lua, L } = this.#state
    const type = lua.lua_type(L, FIRST + 1)
    if (type === NIL) return false
    if (type === TABLE) {
      this.#newSec = this.#field('sec')
      this.#newNsec = this.#field('nsec')
    } else {
      const time = lua.lua_isnumber(L, FIRST + 1) === 0 ? Number.NaN : lua.lua_tonumber(L, FIRST + 1)
      if (time === this.#pushedTime) return false
      this.#newSec = Math.floor(time)
      this.#newNsec = Math.trunc((time - this.#newSec) * NS)
    }
    const isTime = this.#newSec >= 0 && this.#newSec < MAX_SECONDS && this.#newNsec >= 0 && this.#newNsec < NS
    if (!isTime) throw new ValueFailure('the time is no number of seconds from 1970 to 2106')
    return this.#newSec !== this.#time.sec || this.#newNsec !== this.#time.nsec
  }

  /** Returns a whole number of the table that was returned as time; NaN if it is not there. */
  #field(name: string): number {
    const { lua, L } = this.#state
    this.#state.pushText(name)
    lua.lua_rawget(L, FIRST + 1)
    const value = lua.lua_isnumber(L, -1) === 0 ? Number.NaN : lua.lua_tonumber(L, -1)
    lua.lua_settop(L, -2)
    return Math.trunc(value)
  }

  /** Returns true when the metadata that was returned has to be written; what is no table leaves it as it was. */
  #isMetadataChanged(): boolean {
    const { lua, L } = this.#state
    if (lua.lua_type(L, METADATA) !== TABLE) return false
    lua.lua_pushvalue(L, METADATA)
    const isChanged = this.#record > 0 ? !this.#back.isUnchanged(0) : !this.#back.isEmpty()
    lua.lua_settop(L, -2)
    return isChanged
  }

  #writeItems(items: number, buf: Buffer, at: number, body: number): number {
    const { lua, L } = this.#state
    for (let i = 1; i <= items; i++) {
      lua.lua_rawgeti(L, FIRST + (this.#hasMetadata ? 3 : 2), i)
      if (lua.lua_type(L, -1) !== TABLE || this.#back.listLength() >= 0)
        throw new ValueFailure(`item ${i} of the list of records is no table with names`)
      this.#writeHead(buf, at, body, i)
      this.#back.writeRecord(this.#record)
      lua.lua_settop(L, -2)
    }
    return items
  }

  /** Writes what comes before the map of the record. `item`: its place in the list of records, or -1. */
  #writeHead(buf: Buffer, at: number, body: number, item: number): void {
    const out = this.#out
    if (!this.#isNewTime && !this.#isNewMetadata) {
      out.copy(buf, at, body)
      return
    }
    out.reserve(HEAD_BYTES)
    const metadata = metadataAt(buf, at, body)
    const sec = this.#isNewTime ? this.#newSec : this.#time.sec
    const nsec = this.#isNewTime ? this.#newNsec : this.#time.nsec
    if (!this.#isNewMetadata && metadata < 0) {
      out.at = writeEntryHead(out.buf, out.at, sec, nsec)
      return
    }
    out.buf[out.at++] = PAIR
    out.at = writeEntryHead(out.buf, out.at, sec, nsec)
    this.wroteMetadata = true
    if (this.#isNewMetadata) this.#writeMetadata(item)
    else out.copy(buf, metadata, body)
  }

  /** As in fluent-bit, a list with as many items as there are records has the metadata of each. */
  #writeMetadata(item: number): void {
    const { lua, L } = this.#state
    lua.lua_pushvalue(L, METADATA)
    const isOfEach = item > 0 && this.#back.listLength() >= 0
    if (isOfEach) lua.lua_rawgeti(L, -1, item)
    if (lua.lua_type(L, -1) !== TABLE) throw new ValueFailure('the metadata of a record is no table')
    this.#back.writeRecord(this.#record > 0 ? 0 : this.#record)
    lua.lua_settop(L, isOfEach ? -3 : -2)
  }
}

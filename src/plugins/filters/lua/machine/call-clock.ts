import { addFunction } from './hook.ts'
import type { LuaExports } from './module.ts'

const COUNT_HOOK = 8
/** Instructions of Lua before the first look at the time of a call: most calls are shorter and have none. */
const FIRST_LOOK = 100
/** Instructions between the first look and the second, by which the speed of the call is known. */
const SECOND_LOOK = 10
const MAX_INSTRUCTIONS = 1000
/** Wanted time between two looks in milliseconds. */
const PACE_MS = 1

/**
 * Looks at the time that calls of an interpreter take, by its hook after a number of instructions. One instruction may be a call of
 * a library function that takes milliseconds, so a fixed number would leave a call unobserved for minutes: the number follows the
 * time that the last instructions took, so that looks are about PACE_MS apart. A call with less than FIRST_LOOK instructions costs
 * a call of `lua_sethook`.
 */
export class CallClock {
  readonly #lua: LuaExports
  readonly #hook: number
  readonly #limits: { readonly timeMs: number }
  #firstMs = 0
  #lastMs = 0
  #looks = 0
  /** Instructions between the last look and the next. */
  #instructions = 0
  /** CPU time and time of the look from which on CPU time is counted; -1: not yet, as reading it takes long. */
  #cpuMs = -1
  #cpuSinceMs = 0

  /** `onOverdue` is called within a call that has used its time; `L` is the running thread. */
  constructor(lua: LuaExports, limits: { readonly timeMs: number }, onOverdue: (L: number) => void) {
    this.#lua = lua
    this.#limits = limits
    this.#hook = addFunction(lua.__indirect_function_table, (L) => {
      if (this.#isOverdue(L)) onOverdue(L)
    })
  }

  /** Begins a call on the thread `L`. */
  begin(L: number): void {
    this.#looks = 0
    this.#lua.lua_sethook(L, this.#hook, COUNT_HOOK, FIRST_LOOK)
  }

  /** Milliseconds between the first and the last look at the current call; 0 for a short one. */
  get usedMs(): number {
    return this.#looks === 0 ? 0 : this.#lastMs - this.#firstMs
  }

  #isOverdue(L: number): boolean {
    const nowMs = performance.now()
    if (this.#looks++ === 0) {
      this.#firstMs = this.#lastMs = nowMs
      this.#cpuMs = -1
      this.#next(L, SECOND_LOOK)
      return false
    }
    const paceMs = nowMs - this.#lastMs
    this.#lastMs = nowMs
    const instructions = paceMs > 0 ? (this.#instructions * PACE_MS) / paceMs : MAX_INSTRUCTIONS
    this.#next(L, Math.trunc(Math.min(Math.max(instructions, 1), MAX_INSTRUCTIONS)))
    return this.#hasUsedCpu(nowMs)
  }

  /** CPU time counts, not that of the clock: a process that was stopped for a while has done nothing wrong. */
  #hasUsedCpu(nowMs: number): boolean {
    if (this.#cpuMs < 0) {
      if (nowMs - this.#firstMs < PACE_MS) return false
      this.#cpuMs = cpuMs()
      this.#cpuSinceMs = nowMs
      return false
    }
    return nowMs - this.#cpuSinceMs >= this.#limits.timeMs && cpuMs() - this.#cpuMs >= this.#limits.timeMs
  }

  #next(L: number, instructions: number): void {
    this.#instructions = instructions
    this.#lua.lua_sethook(L, this.#hook, COUNT_HOOK, instructions)
  }
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

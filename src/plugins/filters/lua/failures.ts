/** What a script, or the interpreter, failed with. */
export class LuaFailure extends Error {
  readonly reason: 'script' | 'time_limit' | 'memory_limit'
  /** True when the state of the interpreter is lost: the script has to be loaded anew. */
  readonly isFatal: boolean

  constructor(message: string, reason: LuaFailure['reason'], isFatal: boolean) {
    super(message)
    this.reason = reason
    this.isFatal = isFatal
  }
}

/** Says that a record cannot be given to a script, or that what this returned cannot be a record. */
export class ValueFailure extends Error {}

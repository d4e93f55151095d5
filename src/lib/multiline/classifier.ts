import { beginsLikeLog } from './log-start.ts'
import { INDENT, type LineRole, NO_RECORD, type StateMachine } from './state-machine.ts'

/** A state machine that LineClassifier tries. */
export interface Candidate {
  machine: StateMachine
  /** True when it only sees lines that its own parser has read. */
  ownLinesOnly: boolean
}

/** A machine that follows an open record, with its state. */
export interface Follower {
  readonly machine: StateMachine | undefined
  readonly state: number
}

/** State of an open record that is kept from line to line. */
export interface FollowedRecord extends Follower {
  /**
   * Other machines for which the first line is also the head of a trace. The following lines show whose trace
   * it is.
   */
  readonly rivals: readonly Follower[] | undefined
}

/** Source of an expression that matches nothing. */
const NEVER = '(?!)'

/**
 * Classifies lines by several state machines: a record belongs to the first machine that starts one with its
 * first line.
 */
export class LineClassifier implements FollowedRecord {
  /** Machine of the last classified line, the state after it, and the remaining rivals. */
  machine: StateMachine | undefined
  state = NO_RECORD
  rivals: readonly Follower[] | undefined
  /** True when the record before the line keeps its held lines even though the line does not join it. */
  keepsHeld = false
  readonly #machines: readonly Candidate[]
  /** Matches every line that can begin a trace of some machine: one test instead of several per machine. */
  readonly #anyHead: RegExp

  constructor(machines: readonly Candidate[]) {
    this.#machines = machines
    const sources = machines.flatMap(({ machine }) => machine.headSource ?? [])
    this.#anyHead = new RegExp(sources.length === 0 ? NEVER : sources.join('|'))
  }

  get isEmpty(): boolean {
    return this.#machines.length === 0
  }

  /** Classifies a line without text: it is a record of its own. */
  classifyTextless(): LineRole {
    this.machine = undefined
    this.state = NO_RECORD
    this.rivals = undefined
    this.keepsHeld = false
    return 'alone'
  }

  /**
   * Returns the role of a line. `record`: the open record before it; `own`: the machine whose parser read the
   * line; `hasLineEnd`: the value ended with a newline, which `text` does not include.
   */
  classify(
    record: FollowedRecord | undefined,
    text: string,
    own?: StateMachine,
    hasLineEnd = false,
  ): LineRole {
    this.keepsHeld = false
    if (own?.startsByParser) return this.#set(own, own.state, undefined, 'start')
    let held = false
    if (record?.machine !== undefined && (own === undefined || own === record.machine)) {
      const role = this.#follow(record, text, hasLineEnd)
      if (role === 'join' || role === 'last') return role
      held = role === 'hold'
      if (held && INDENT.test(text)) return 'hold'
      this.keepsHeld = !held && record.machine.keepsHeld?.(record.state) === true && beginsLikeLog(text)
    }
    const isHead = this.#anyHead.test(text)
    for (let i = 0; i < this.#machines.length; i++) {
      const { machine, ownLinesOnly } = this.#machines[i] as Candidate
      if ((ownLinesOnly && machine !== own) || (machine.headSource !== undefined && !isHead)) continue
      const role = machine.next(NO_RECORD, seen(machine, text, hasLineEnd))
      if (role !== 'start') continue
      const { state } = machine
      const rivals = machine.headSource === undefined ? undefined : this.#rivalsFrom(i + 1, text)
      return this.#set(machine, state, rivals, role)
    }
    return held ? 'hold' : this.#set(undefined, NO_RECORD, undefined, 'alone')
  }

  /**
   * Passes the line to the machines that follow the record. Machines that would only hold it are dropped if
   * another one joins it.
   */
  #follow(record: FollowedRecord, text: string, hasLineEnd: boolean): LineRole {
    const first = record.machine as StateMachine
    const role = first.next(record.state, seen(first, text, hasLineEnd))
    if (record.rivals === undefined) return this.#set(first, first.state, undefined, role)
    let best = role
    let left: Follower[] = [{ machine: first, state: first.state }]
    for (const { machine, state } of record.rivals) {
      const next = (machine as StateMachine).next(state, text)
      if (rank(next) > rank(best)) {
        best = next
        left = []
      }
      if (rank(next) === rank(best)) left.push({ machine, state: (machine as StateMachine).state })
    }
    const [{ machine, state }, ...rivals] = left as [Follower, ...Follower[]]
    return this.#set(machine, state, rivals.length === 0 ? undefined : rivals, best)
  }

  #rivalsFrom(from: number, text: string): Follower[] | undefined {
    let rivals: Follower[] | undefined
    for (let i = from; i < this.#machines.length; i++) {
      const { machine } = this.#machines[i] as Candidate
      if (machine.headSource === undefined || machine.next(NO_RECORD, text) !== 'start') continue
      rivals ??= []
      rivals.push({ machine, state: machine.state })
    }
    return rivals
  }

  #set(
    machine: StateMachine | undefined,
    state: number,
    rivals: readonly Follower[] | undefined,
    role: LineRole,
  ): LineRole {
    this.machine = machine
    this.state = state
    this.rivals = rivals
    return role
  }
}

function seen(machine: StateMachine, text: string, hasLineEnd: boolean): string {
  return hasLineEnd && machine.seesLineEnd === true ? `${text}\n` : text
}

function rank(role: LineRole): number {
  return role === 'join' || role === 'last' ? 2 : role === 'hold' ? 1 : 0
}

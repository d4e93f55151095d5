import { type LineRole, NO_RECORD, type StateMachine } from './state-machine.ts'

/** A state machine that LineClassifier tries. */
export interface Candidate {
  machine: StateMachine
  /** True when it only sees lines that its own parser has read. */
  ownLinesOnly: boolean
}

/** Classifies lines by several state machines: a record belongs to the first machine that starts one with its first line. */
export class LineClassifier {
  /** Machine of the line classified last, and the state after it. */
  machine: StateMachine | undefined
  state = NO_RECORD
  readonly #machines: readonly Candidate[]

  constructor(machines: readonly Candidate[]) {
    this.#machines = machines
  }

  get isEmpty(): boolean {
    return this.#machines.length === 0
  }

  /** Classifies a line without text: it is a record of its own. */
  classifyTextless(): LineRole {
    this.machine = undefined
    this.state = NO_RECORD
    return 'alone'
  }

  /**
   * Returns the role of a line. `record`: machine and state of the open record before it; `own`: the machine whose parser
   * read the line.
   */
  classify(
    record: { machine: StateMachine | undefined; state: number } | undefined,
    text: string,
    own?: StateMachine,
  ): LineRole {
    if (own?.startsByParser) return this.#by(own, 'start')
    const alone = this.classifyTextless()
    if (record?.machine !== undefined && (own === undefined || own === record.machine)) {
      const role = record.machine.next(record.state, text)
      if (role === 'join' || role === 'last') return this.#by(record.machine, role)
    }
    for (const { machine, ownLinesOnly } of this.#machines) {
      if (ownLinesOnly && machine !== own) continue
      if (machine.next(NO_RECORD, text) === 'start') return this.#by(machine, 'start')
    }
    return alone
  }

  #by(machine: StateMachine, role: LineRole): LineRole {
    this.machine = machine
    this.state = machine.state
    return role
  }
}

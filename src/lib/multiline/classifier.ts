import { type LineRole, NO_GROUP, type StateMachine } from './state-machine.ts'

/** A machine, and whether it has a say only in lines that its own parser has read. */
export interface Decision {
  machine: StateMachine
  ownLinesOnly: boolean
}

/** Several machines at once: a group is of the one for which its first line begins one. */
export class LineClassifier {
  /** After `decide`: the machine that the line is of, and the state it leads to. */
  machine: StateMachine | undefined
  state = NO_GROUP
  readonly #machines: readonly Decision[]

  constructor(machines: readonly Decision[]) {
    this.#machines = machines
  }

  get isEmpty(): boolean {
    return this.#machines.length === 0
  }

  /** For a line that has no text. */
  alone(): LineRole {
    this.machine = undefined
    this.state = NO_GROUP
    return 'alone'
  }

  /** `group`: the machine and the state of the group before the line; `own`: the machine whose parser read the line. */
  decide(
    group: { machine: StateMachine | undefined; state: number } | undefined,
    text: string,
    own?: StateMachine,
  ): LineRole {
    if (own?.byParser) return this.#by(own, 'start')
    const alone = this.alone()
    if (group?.machine !== undefined && (own === undefined || own === group.machine)) {
      const verdict = group.machine.next(group.state, text)
      if (verdict === 'join' || verdict === 'last') return this.#by(group.machine, verdict)
    }
    for (const { machine, ownLinesOnly } of this.#machines) {
      if (ownLinesOnly && machine !== own) continue
      if (machine.next(NO_GROUP, text) === 'start') return this.#by(machine, 'start')
    }
    return alone
  }

  #by(machine: StateMachine, verdict: LineRole): LineRole {
    this.machine = machine
    this.state = machine.state
    return verdict
  }
}

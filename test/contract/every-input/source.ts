import type { Input, InputContext } from '../../../src/core/plugin.ts'
import type { InputBench, MadeRecord } from './bench.ts'

export type Texts = Record<string, string | string[]>

/** A real source for one input, on this machine: a file, a peer on loopback, a command, or a stand-in for a device. */
export interface Source {
  /** Options as a user writes them. */
  texts: Texts
  /** Tag that is configured; default `t`. */
  tag?: string
  /** What the engine offers besides, or instead. */
  services?: Partial<InputContext>
  /** Creates the input with a stand-in for what a test cannot have. */
  create?: (options: never, ctx: InputContext) => Input
  /** Resolves when the input reads, or listens. */
  ready?(bench: InputBench): Promise<void>
  /** Gives the input the records [from, to), as one message or request where the source has those. */
  give(from: number, to: number, bench: InputBench): Promise<void> | void
  /** Returns the number of a record. */
  numberOf?(record: MadeRecord['record']): number
  /** First numbers of the messages that were answered with success. */
  acknowledged?(): number[]
  /** First numbers of those that were answered with an error, or whose connection was closed. */
  refused?(): number[]
  /** Sends again what was refused for the time being. */
  resend?(): void
  /** Ends the side of the sender; `hasEnded` is true when the input has ended the other. */
  finish?(): void
  hasEnded?(): boolean
  /** Ends what the test has of the source: its connections and programs. */
  end?(): Promise<void> | void
  /** Gives one record that is larger than the input takes. */
  giveOversize?(bench: InputBench): Promise<void> | void
  /** Folder in which a look must change nothing. */
  folder?: string
  /** Number of times that the source was asked, or that something was run. */
  uses?(): number
}

/** What the input does while memory is used up: its source waits, or records are lost and counted, or there are none meanwhile. */
type WhenFull = { is: 'waits' } | { is: 'loses'; counter: string; reason: string } | { is: 'makes none' }

/** What becomes of a record that is too large. */
interface Oversize {
  texts?: Texts
  counter: string
  reason?: string
  /** Number of records that come of it. */
  records: number
}

/** How the claims of the contract apply to one input. A text instead of a fact is the reason why a claim does not apply. */
export interface InputCase {
  input: string
  /** Distinguishes several cases of one input. */
  what?: string
  open(texts?: Texts): Promise<Source>
  /** Time of the records: that of the clock of the run, or that of the source in Unix seconds. */
  time: 'clock' | number | string
  whenFull: WhenFull | string
  /** Memory limit in bytes, and the number of records that do not fit into it. */
  full?: { limit: number; records: number; batch?: number }
  /** What tells the source that records have settled: an answer to the sender, a position for the next run, or nothing. */
  settles: 'answer' | 'position' | string
  oversize: Oversize | string
  /** It listens on a port or socket. */
  listens?: true
  /** The end of the connection tells a sender that has ended its side that its records have settled. */
  endsAfterSender?: true
  /** Why its source cannot be had on this machine. */
  missingPeer?: string
  /** It makes records at an interval. */
  isSampled?: true
  /** Why it makes no records, or none on this machine. */
  noRecords?: string
}

import type { Input, InputContext, InputStatus } from '../../../core/plugin.ts'
import type { TimerHandle } from '../../../core/services.ts'
import { sleep } from '../../../lib/async/sleep.ts'
import { intervalMs } from '../../../lib/plugin/interval-input.ts'
import { durationText } from '../../../lib/text/duration.ts'
import { CommandRun, type RunEnd } from './command-run.ts'
import { LineRecords } from './line-records.ts'
import type { ExecOptions } from './options.ts'

/** Time after which the log says that a run goes on. */
const LONG_RUN_MS = 60_000
const LONGEST_SLEEP_MS = 3_600_000
/** Time between two looks at Time_Limit, at least: while there is no memory it does not come nearer. */
const MIN_CHECK_MS = 100
/** Time for which output is read before all others have a turn. */
const MAX_TURN_MS = 10

/** Runs a command at an interval or once. While a run goes on, no other is started. */
export class ExecInput implements Input {
  readonly finite: boolean
  readonly #options: ExecOptions
  readonly #ctx: InputContext
  readonly #lines: LineRecords
  #run: CommandRun | undefined
  #isWaiting = false
  #lastStatus: number | undefined

  constructor(options: ExecOptions, ctx: InputContext) {
    this.#options = options
    this.#ctx = ctx
    this.finite = options.exitAfterOneshot
    this.#lines = lineRecords(options, ctx)
  }

  /** While the command is silent, all that it has written was passed on. */
  get isWaiting(): boolean {
    return this.#isWaiting && !this.#lines.hasPartial
  }

  async run(signal: AbortSignal): Promise<void> {
    if (this.#options.oneshot || this.#options.exitAfterOneshot) await this.#runOnce(signal)
    else await this.#runAtInterval(signal)
  }

  async close(): Promise<void> {
    // Where the agent waits no longer for the run to end.
    this.#run?.kill()
    this.#lines.close()
  }

  status(): InputStatus {
    const { counters } = this.#ctx
    return {
      runs: counters.get('runs'),
      failed: counters.get('failed_runs'),
      ...(this.#run !== undefined && { pid: this.#run.pid }),
      ...(this.#lastStatus !== undefined && { last_status: this.#lastStatus }),
    }
  }

  async #runOnce(signal: AbortSignal): Promise<void> {
    const { status } = await this.#runCommand(signal)
    if (!this.#options.exitAfterOneshot) {
      while (!signal.aborted) await sleep(LONGEST_SLEEP_MS, this.#ctx.clock, signal)
      return
    }
    if (signal.aborted) return
    this.#ctx.sealAll()
    this.#ctx.finished(undefined, this.#options.propagateExitCode ? status : 0)
  }

  async #runAtInterval(signal: AbortSignal): Promise<void> {
    const { clock, counters, log } = this.#ctx
    const everyMs = intervalMs(this.#options)
    let nextMs = clock.nowMs() + everyMs
    while (!signal.aborted) {
      await sleep(Math.max(0, nextMs - clock.nowMs()), clock, signal)
      if (signal.aborted) return
      await this.#runCommand(signal)
      const skipped = Math.max(0, Math.floor((clock.nowMs() - nextMs) / everyMs))
      nextMs += (skipped + 1) * everyMs
      if (skipped === 0 || signal.aborted) continue
      counters.add('skipped_runs', skipped)
      log.warn(
        `a run took longer than the interval: ${skipped === 1 ? 'one run was' : `${skipped} runs were`} left out`,
        {
          hint: this.#options.timeLimit > 0 ? 'raise Interval_Sec' : 'raise Interval_Sec, or set Time_Limit',
        },
        'skipped runs',
      )
    }
  }

  /** Runs the command once, to its end, the time limit or the signal. */
  async #runCommand(signal: AbortSignal): Promise<RunEnd> {
    const { clock, counters, log } = this.#ctx
    counters.add('runs')
    const run = new CommandRun(this.#options.command, clock, log)
    this.#run = run
    const stop = (): void => run.stop()
    signal.addEventListener('abort', stop)
    const limit = this.#limitTime(run)
    const note = clock.after(LONG_RUN_MS, () => this.#noteLongRun(run))
    try {
      if (signal.aborted) run.stop()
      await this.#readOutput(run, signal)
      const end = run.finish()
      this.#lastStatus = end.status
      if (limit.isOverdue) {
        counters.add('failed_runs', 1, 'time_limit')
        log.warn(`the command was ended after Time_Limit, ${this.#options.timeLimit / 1000} s`)
      } else if (end.problem !== undefined && !signal.aborted) {
        counters.add('failed_runs', 1, 'status')
        log.warn(`the command ${end.problem}`)
      }
      return end
    } finally {
      clock.cancel(limit.timer)
      clock.cancel(note)
      signal.removeEventListener('abort', stop)
      this.#run = undefined
    }
  }

  /**
   * Stops the run when Time_Limit has passed. The time in which it waits because the agent does not read, for lack of memory, does
   * not count: the command can do nothing about it, and its output would be lost.
   */
  #limitTime(run: CommandRun): { isOverdue: boolean; timer: TimerHandle | undefined } {
    const { clock } = this.#ctx
    const { timeLimit } = this.#options
    const limit: { isOverdue: boolean; timer: TimerHandle | undefined } = {
      isOverdue: false,
      timer: undefined,
    }
    const startMs = clock.nowMs() - this.#lines.waitedMs
    const check = (): void => {
      const leftMs = startMs + timeLimit + this.#lines.waitedMs - clock.nowMs()
      if (leftMs > 0) limit.timer = clock.after(Math.max(MIN_CHECK_MS, leftMs), check)
      else {
        limit.isOverdue = true
        run.stop()
      }
    }
    if (timeLimit > 0) limit.timer = clock.after(timeLimit, check)
    return limit
  }

  async #readOutput(run: CommandRun, signal: AbortSignal): Promise<void> {
    let lost = 0
    let turnMs = performance.now()
    for (;;) {
      this.#isWaiting = true
      const piece = await run.read()
      this.#isWaiting = false
      if (piece === undefined) break
      // After a signal, memory that there is not now may never be there: what is left is read past.
      lost += lost > 0 ? piece.length : await this.#lines.push(piece, signal)
      if (performance.now() - turnMs < MAX_TURN_MS) continue
      // The next piece may be there at once, for as long as the command floods: timers, signals and peers have to have their turns.
      await new Promise(setImmediate)
      turnMs = performance.now()
    }
    lost += await this.#lines.end(signal)
    if (lost === 0) return
    this.#ctx.counters.add('lost_bytes', lost)
    this.#ctx.log.warn(
      `${lost} bytes of the output of the command are lost: at the stop there was no memory for them`,
    )
  }

  #noteLongRun(run: CommandRun): void {
    const { oneshot, exitAfterOneshot, timeLimit } = this.#options
    if (run.hasExited) {
      this.#ctx.log.warn(
        'the command has ended, but a process that it has started goes on and holds its output: the run ends with it',
        { hint: 'send the output of what runs in the background elsewhere, e.g. `>/dev/null`' },
        'held output',
      )
      return
    }
    if (oneshot || exitAfterOneshot || timeLimit > 0) return
    this.#ctx.log.warn(
      `the command has run for ${durationText(LONG_RUN_MS)}: it is not started again before it ends`,
      { hint: 'Time_Limit ends a command that hangs' },
      'long run',
    )
  }
}

function lineRecords(options: ExecOptions, ctx: InputContext): LineRecords {
  const parser = options.parser === undefined ? undefined : ctx.parser(options.parser)
  return new LineRecords(options.bufSize - 1, parser, ctx)
}

const LINE_FEED = Buffer.from('\n')

/** Makes records of sample lines as of the output of a command, see `InputSpec.readSample`. */
export async function readSample(
  options: ExecOptions,
  ctx: InputContext,
  lines: readonly Buffer[],
): Promise<void> {
  const records = lineRecords(options, ctx)
  await records.push(Buffer.concat(lines.flatMap((line) => [line, LINE_FEED])), new AbortController().signal)
  records.close()
}

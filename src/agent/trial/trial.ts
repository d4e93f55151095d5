import { hostname } from 'node:os'
import { setImmediate as turn } from 'node:timers/promises'
import { ShipperError } from '../../core/error.ts'
import { INPUT_OPTIONS } from '../../core/options/common.ts'
import { parseOptions } from '../../core/options/parse.ts'
import type { InputPlan, Plan } from '../../core/plan.ts'
import type { Input, InputContext, InputSpec } from '../../core/plugin.ts'
import type { Logger } from '../../core/services.ts'
import { Assembly } from '../../engine/assembly.ts'
import type { Keeper } from '../../engine/dead-letters/dead-letters.ts'
import { loadParts } from '../../engine/parts.ts'
import { openOffsets } from '../../store/open.ts'
import { discardAssembly } from '../dry-run.ts'
import { entriesOf, type SampleEntry } from './sample-lines.ts'
import { recordOf, type Trace, Tracer } from './trace.ts'
import { type Given, tracedPlan } from './traced-stages.ts'
import { TrialClock } from './trial-clock.ts'
import { addUnmetConditions } from './unmet-conditions.ts'

interface TrialOptions {
  /** Sample lines, without line ends. */
  lines: readonly Buffer[]
  tag: string
  /** Input as which the lines come; undefined: a line is the field `log`. */
  input: InputPlan | undefined
  /** True when each line is a JSON object that is the record. */
  isJson: boolean
  /** Time of reading, in Unix milliseconds. */
  nowMs: number
  version: string
  /** What is given instead of what filters would ask other machines for. */
  given?: Given
}

interface TrialResult {
  traces: Trace[]
  /** What the operator should know, each once. */
  notes: string[]
  /** What would end a run, as clauses. */
  ends: string[]
}

/** Most timers that are run to have what filters hold sent on. */
const MAX_TIMERS = 10_000
/** Turns of the event loop in which an output takes what it was given. */
const TURNS_PER_RECORD = 2
/** Room for the sample in memory: more than the largest sample, and its records after filters that add to them. */
const MEMORY_BYTES = 512_000_000
const MAX_NOTES = 100

/**
 * Sends sample lines through the filters and to the outputs of a plan, one record after the other, and returns what each
 * stage made of them. Inputs do not run, except that the one with the lines reads them; outputs are not created, and filters
 * that ask other machines do without. Throws the first problem of a stage that cannot be created.
 */
export async function runTrial(plan: Plan, options: TrialOptions): Promise<TrialResult> {
  const clock = new TrialClock(options.nowMs)
  const tracer = new Tracer()
  const notes = new Set<string>()
  const ends = new Set<string>()
  const note = (text: string): void => void (notes.size < MAX_NOTES && notes.add(text))
  const log = (name: string): Logger => ({
    error: (message) => note(`${name}: ${message}`),
    warn: (message) => note(`${name}: ${message}`),
    info() {},
    debug() {},
  })
  const traced = trialPlan(plan, options, tracer)
  // Its counterpart has processors that record what passes.
  const input = options.input === undefined ? undefined : traced.inputs[plan.inputs.indexOf(options.input)]
  const feeding = feedingInput({ ...options, input }, tracer, note)
  const stop = new AbortController()
  const assembly = new Assembly(
    { ...traced, inputs: [feeding] },
    {
      parts: await loadParts(traced),
      clock,
      log,
      agent: { version: options.version, id: 'trial', hostname: hostname() },
      // Sample lines are read without a database: positions are kept in memory.
      openOffsets: (_path, database, ctxLog) => openOffsets(undefined, database, { log: ctxLog }),
      finished() {},
      endRun: (name, status, reason) => {
        if (ends.size < MAX_NOTES) ends.add(`${name} would end the run with status ${status}: ${reason}`)
      },
      signal: stop.signal,
      deadLetters: () => NOTHING_KEPT,
    },
  )
  try {
    await assembly.start()
    await assembly.inputs[0]?.input.run(stop.signal)
    await settle(assembly, clock, note)
  } finally {
    await discardAssembly(assembly, stop)
  }
  addUnmetConditions(tracer.traces, options.input, plan.outputs)
  return { traces: tracer.traces, notes: [...notes], ends: [...ends] }
}

/** Returns the plan with stages that record what passes, and with memory for all of the sample. */
function trialPlan(plan: Plan, { given = {} }: TrialOptions, tracer: Tracer): Plan {
  const traced = tracedPlan(plan, tracer, given)
  return { ...traced, service: { ...plan.service, memoryLimit: MEMORY_BYTES, flush: 3_600_000 } }
}

const NOTHING_KEPT: Keeper = {
  isOff: true,
  hasFile: false,
  fate: 'not written, since this is a trial',
  keep() {},
  sync: async () => {},
}

/** Lets filters send on what they hold, as time would. */
async function settle(assembly: Assembly, clock: TrialClock, note: (text: string) => void): Promise<void> {
  let isSettled = false
  void assembly.settled().then(() => {
    isSettled = true
  })
  for (let i = 0; i < MAX_TIMERS; i++) {
    await turn()
    if (isSettled || (!clock.runNext() && i > TURNS_PER_RECORD)) break
  }
  if (!isSettled) note('some records are still held by a filter')
}

/** Returns the plan of the only input of a trial: it has the place of the input as which the lines come. */
function feedingInput(options: TrialOptions, tracer: Tracer, note: (text: string) => void): InputPlan {
  const { input, tag, lines, isJson } = options
  const name = input?.name ?? 'sample'
  const spec: InputSpec = {
    kind: 'input',
    name: input?.spec.name ?? name,
    summary: '',
    description: '',
    example: '',
    options: {},
    counters: input?.spec.counters ?? {},
    create: (_options, ctx): Input => ({
      run: async () => {
        const entries = await entriesOf(lines, { input, isJson, note }, ctx)
        for (const entry of entries) await feed(entry, ctx, tracer)
      },
      close: () => Promise.resolve(),
    }),
  }
  const common = input?.common ?? parseOptions(INPUT_OPTIONS, {})
  return {
    name,
    location: { file: '' },
    optionLocations: new Map(),
    ...input,
    spec,
    options: {},
    tag,
    common: { ...common, tag, memBufLimit: MEMORY_BYTES },
  }
}

/** Sends one entry on as a chunk of its own. */
async function feed({ bytes, tag }: SampleEntry, ctx: InputContext, tracer: Tracer): Promise<void> {
  const appender = ctx.appender(tag)
  if (!appender.reserve(bytes.length))
    throw new ShipperError('E_CLI_USAGE', 'the sample does not fit into memory', { hint: 'use fewer lines' })
  const origin = tracer.begin(ctx.name, tag, recordOf(bytes, tag))
  bytes.copy(appender.buf, appender.end)
  appender.end += bytes.length
  appender.addRecords(1, bytes.length)
  appender.addContributor({ closeRange: () => ({ identity: `trial:${origin.offset}`, settle() {}, origin }) })
  appender.seal()
  for (let i = 0; i < TURNS_PER_RECORD; i++) await turn()
}

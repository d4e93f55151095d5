import { expect, test } from 'bun:test'
import type { Family } from '../../src/core/metric-family.ts'
import type { InputContext } from '../../src/core/plugin.ts'
import type { LoggedLine } from '../../src/core/services.ts'
import { Assembly } from '../../src/engine/assembly.ts'
import { systemClock } from '../../src/engine/clock.ts'
import { CollectingOutput } from '../support/engine/assembled.ts'
import { listLog } from '../support/engine/chunks.ts'
import { Lines, planOf } from '../support/engine/plan.ts'
import { atEnd } from '../support/tmp.ts'

const LINE = { timeMs: 0, level: 'info', text: '' } as const
const FAMILIES: Family[] = [{ name: 'n', help: '', type: 'gauge', samples: [] }]

function assembled(): {
  ctx: InputContext
  say(instance: string): void
  taps: number
  finished: unknown[][]
} {
  let ctx: InputContext | undefined
  const taps = new Set<(line: LoggedLine) => void>()
  const finished: unknown[][] = []
  const plan = planOf({
    inputs: [
      {
        name: 'in.0',
        create: (from) => {
          ctx = from
          return new Lines(from, [])
        },
      },
      { name: 'in.1', create: (from) => new Lines(from, []) },
    ],
    filters: [{ name: 'f.0', create: () => ({ apply() {} }) }],
    outputs: [{ name: 'out.0', create: () => new CollectingOutput() }],
  })
  const assembly = new Assembly(plan, {
    parts: {},
    clock: systemClock,
    log: () => listLog().log,
    agent: { version: '1', id: 'id', hostname: 'leaf' },
    openOffsets: () => Promise.reject(new Error('none')),
    finished: (...about) => finished.push(about),
    tapLog: (take) => {
      taps.add(take)
      return () => taps.delete(take)
    },
    agentMetrics: async () => FAMILIES,
    signal: new AbortController().signal,
  })
  atEnd(() => assembly.stop())
  return {
    ctx: ctx as InputContext,
    say: (instance) => {
      for (const take of taps) take({ ...LINE, instance })
    },
    get taps() {
      return taps.size
    },
    finished,
  }
}

test('a tap of the log gets the lines of all others, and what is said by the engine, filters and outputs is marked', () => {
  const agent = assembled()
  const taken: string[] = []
  const untap = agent.ctx.tapLog?.(({ instance }, isOnWay) => taken.push(`${instance} ${isOnWay}`))
  for (const instance of ['in.0', 'in.1', 'shipper', 'engine', 'f.0', 'out.0']) agent.say(instance)
  expect(taken).toEqual(['in.1 false', 'shipper false', 'engine true', 'f.0 true', 'out.0 true'])
  untap?.()
  expect(agent.taps).toBe(0)
})

test('metrics are shown to no output that does not print them', async () => {
  const { ctx } = assembled()
  expect(await ctx.agentMetrics?.()).toBe(FAMILIES)
  let isAsked = false
  const shown = ctx.showMetrics?.('in.0', () => {
    isAsked = true
    return FAMILIES
  })
  expect([shown, isAsked]).toEqual([false, false])
})

test('the exit status of a finished input is passed on', () => {
  const { ctx, finished } = assembled()
  ctx.finished(undefined, 3)
  expect(finished).toEqual([['in.0', undefined, 3]])
})

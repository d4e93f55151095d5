import { expect, test } from 'bun:test'
import type { Output } from '../../src/core/plugin.ts'
import { assemble, CollectingOutput } from '../support/engine/assembled.ts'
import { Lines, planOf } from '../support/engine/plan.ts'
import { unreachable } from '../support/engine/queue-bench.ts'
import { until } from '../support/until.ts'

const down: Output = { flush: () => Promise.reject(unreachable()), close: async () => {} }

function* endless() {
  for (;;) yield { text: 'x'.repeat(1000) }
}

test('an output that gets nothing because another one is down is named, once per outage', async () => {
  const keep = new CollectingOutput()
  const plan = planOf({
    inputs: [
      { name: 'in.0', create: (ctx) => new Lines(ctx, endless()), common: { mem_buf_limit: '50K' } },
      { name: 'quiet.0', create: (ctx) => new Lines(ctx, []) },
    ],
    outputs: [
      { name: 'far.0', create: () => down },
      { name: 'file.0', create: () => keep },
      { name: 'other.0', create: () => new CollectingOutput(), common: { match: 'quiet.*' } },
    ],
    service: { 'scheduler.base': '0.02', 'scheduler.cap': '0.02', flush: '0.01' },
  })
  const { assembly, logged, stop } = assemble(plan)
  const run = assembly.inputs[0]?.input.run(stop.signal)
  const line = 'warn file.0 waits for far.0: in.0 reads nothing more until far.0 takes what both get'
  await until(() => logged.lines.includes(line), { what: () => logged.lines.join('\n') })
  await until(() => (assembly.snapshot().outputs[0]?.down?.attempts ?? 0) > 20)
  expect(logged.lines.filter((text) => text.includes('waits for'))).toEqual([line])
  expect(keep.texts.length).toBeGreaterThan(0)
  stop.abort()
  await run
})

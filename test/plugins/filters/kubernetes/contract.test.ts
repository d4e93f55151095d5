import { parseOptions } from '../../../../src/core/options/parse.ts'
import type { FilterContext } from '../../../../src/core/plugin.ts'
import { systemClock } from '../../../../src/engine/clock.ts'
import { CounterMap } from '../../../../src/engine/counters.ts'
import { spec } from '../../../../src/plugins/filters/kubernetes/index.ts'
import { filterContract } from '../../../contract/filter.ts'
import { listLog } from '../../../support/engine/chunks.ts'

/** The pairs for the contract's chunks, whose tag names no container. */
const added = { kubernetes: {} }

function create(texts: Record<string, string>): (ctx: FilterContext) => ReturnType<typeof spec.create> {
  return ({ buffers }) => {
    const options = parseOptions(spec.options, { use_tag_for_meta: 'on', ...texts })
    const counters = new CounterMap()
    const ctx = { name: 'kubernetes.0', log: listLog().log, clock: systemClock, counters, buffers }
    return spec.create(options, ctx as unknown as FilterContext)
  }
}

filterContract({ name: 'kubernetes', create: create({}), expected: (record) => record, added })
filterContract({
  name: 'kubernetes, Merge_Log',
  create: create({ merge_log: 'on', keep_log: 'off' }),
  // Lines that are not JSON objects are kept; hardly any line of the contract's records is one.
  expected: (record) => record,
  added,
})

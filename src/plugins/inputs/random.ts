import { randomBytes } from 'node:crypto'
import { defineOptions } from '../../core/options/option.ts'
import { defineInput } from '../../core/plugin.ts'
import { INTERVAL_OPTIONS, IntervalInput, intervalMs } from '../../lib/plugin/interval-input.ts'
import { RecordBuilder } from '../../lib/records/record-builder.ts'

const OPTIONS = defineOptions({
  samples: {
    type: 'int',
    default: '-1',
    min: -1,
    help: 'Number of records after which the input makes no more; -1: unlimited.',
  },
  ...INTERVAL_OPTIONS,
})

export const spec = defineInput({
  kind: 'input',
  name: 'random',
  summary: 'Generates random numbers.',
  description:
    'Each record is `{"rand_value": N}` with an unsigned integer of 64 bits from the random source of the system. For tests: many ' +
    'programs read such a number as a float, and lose its last digits.',
  options: OPTIONS,
  example: '[INPUT]\n    Name    random\n    Tag     random\n    Samples 10\n',
  create(options, ctx) {
    let left = options.samples < 0 ? Number.POSITIVE_INFINITY : options.samples
    return new IntervalInput(ctx, intervalMs(options), () =>
      left-- > 0 ? new RecordBuilder().uint64('rand_value', randomBytes(8)).bytes() : undefined,
    )
  },
})

import { ShipperError } from '../../../core/error.ts'
import { type InvalidValue, invalidIfThrows } from '../../../core/options/checks.ts'
import { defineOptions } from '../../../core/options/option.ts'
import { Template } from '../../../lib/records/template.ts'

export const THROTTLE_OPTIONS = defineOptions({
  rate: {
    type: 'double',
    default: '1',
    min: 0.001,
    max: 1_000_000_000,
    help: 'Average number of records that may pass in an Interval.',
  },
  window: {
    type: 'int',
    default: '5',
    min: 1,
    max: 3600,
    help: 'Number of Intervals over which the average is taken: Rate times Window records may pass at once.',
  },
  interval: { type: 'time', default: '1s', min: 10, max: 86_400_000, help: 'Time for which Rate holds.' },
  print_status: {
    type: 'bool',
    default: 'false',
    help: 'Log limit and current rate, once for each Interval in which there are records.',
  },
  key: {
    type: 'string',
    check: (text) =>
      invalidIfThrows(KEY_FORM, () => readKey(text as string)) satisfies InvalidValue | undefined,
    help: "Text with record accessors, such as `$kubernetes['pod_name']` or `$TAG`: Rate holds for each of its values. Default: for all records together.",
  },
  action: {
    type: 'enum',
    values: ['drop', 'delay'],
    default: 'drop',
    help: 'What is done above Rate. `drop`: the record is discarded and counted. `delay`: the lines wait in their file, and nothing is dropped.',
  },
})

const KEY_FORM = 'a string with record accessors'

/** Reads Key; throws E_CONFIG_BAD_VALUE. */
export function readKey(text: string): Template {
  const template = Template.parse(text, { option: 'key' })
  if (template.hasVariable) return template
  throw new ShipperError('E_CONFIG_BAD_VALUE', `"${text}" is the same for all records`, {
    hint: `for the field write $${text}; leave Key out for one limit for all records`,
    option: 'key',
  })
}

import { defineOptions, type OptionsOf } from '../../../core/options/option.ts'
import { ON_ERROR_OPTIONS } from '../../../lib/plugin/on-error-options.ts'

export const SCRIPT_OPTIONS = defineOptions({
  script: {
    type: 'string',
    required: true,
    help: 'File with the function: an ES module (`export function cb`) or a CommonJS module (`module.exports = { cb }`), in JavaScript or TypeScript. It may import other files. A relative path is looked for in the working folder, then beside the configuration file.',
  },
  call: { type: 'string', default: 'cb', help: 'Name of the exported function.' },
  time_as: {
    type: 'enum',
    values: ['seconds', 'nanoseconds'],
    default: 'seconds',
    help: 'Form of the time that the function gets. `seconds`: a number, exact to about 200 ns. `nanoseconds`: a BigInt, exact.',
  },
  ...ON_ERROR_OPTIONS,
})

export type ScriptOptions = OptionsOf<typeof SCRIPT_OPTIONS>

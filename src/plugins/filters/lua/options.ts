import { defineOptions, type OptionsOf } from '../../../core/options/option.ts'
import { ON_ERROR_OPTIONS } from '../../../lib/plugin/on-error-options.ts'

export const LUA_OPTIONS = defineOptions({
  script: {
    type: 'string',
    help: 'File with the script. A relative path is looked for in the working folder, then in the folder of the configuration file.',
  },
  code: {
    type: 'string',
    help: 'The script itself, instead of Script, which is then not used.',
  },
  call: {
    type: 'string',
    required: true,
    help: 'Name of the global function that is called with each record.',
  },
  type_int_key: {
    type: 'slist',
    help: 'Keys whose numbers become integers, their fraction cut off: `Type_int_key status size`. On every level of the record.',
  },
  type_array_key: {
    type: 'slist',
    help: 'Keys whose tables become a list when they are empty; without it an empty table that the script has made is a map.',
  },
  time_as_table: {
    type: 'bool',
    default: 'false',
    help: 'Give the time to the function as a table `{sec=..., nsec=...}`, which is exact, instead of a number, which is exact to about 0.2 microseconds.',
  },
  enable_flb_null: {
    type: 'bool',
    default: 'false',
    help: 'Give null to the function as the value of the global variable `flb_null`. Without it a script does not see null; where the script leaves the table, null stays.',
  },
  time_limit: {
    type: 'time',
    default: '1s',
    min: 10,
    max: 60_000,
    help: 'CPU time of one call. A call that needs more is ended and counts as failed; the script is then loaded anew, and what it kept in variables is lost.',
  },
  memory_limit: {
    type: 'size',
    default: '64M',
    min: 20_000_000,
    max: 2_000_000_000,
    help: 'Memory of the interpreter, about 17 MB of which are its own. A call that needs more fails.',
  },
  protected_mode: {
    type: 'bool',
    default: 'true',
    ignored: 'an error in the script never ends the agent',
    help: 'Whether errors of the script are caught.',
  },
  ...ON_ERROR_OPTIONS,
})

export type LuaOptions = OptionsOf<typeof LUA_OPTIONS>

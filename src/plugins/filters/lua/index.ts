import { defineFilter } from '../../../core/plugin.ts'
import { FAILED_RECORDS } from '../../../lib/plugin/failed-records.ts'
import { DESCRIPTION } from './description.ts'
import { LuaFilter } from './lua-filter.ts'
import { LUA_OPTIONS } from './options.ts'

export const spec = defineFilter({
  kind: 'filter',
  name: 'lua',
  summary: 'Calls a function of a Lua script with each record.',
  description: DESCRIPTION,
  options: LUA_OPTIONS,
  example: `[FILTER]
    Name   lua
    Match  *
    Call   cb
    Code   function cb(tag, timestamp, record) record.level = record.level or "info" return 2, timestamp, record end
`,
  counters: {
    ...FAILED_RECORDS,
    failures: {
      help: 'calls that failed',
      reasons: {
        script: 'the script raised an error, or the interpreter stopped',
        result: 'the result cannot be a record, or the record cannot be given to the script',
        time_limit: 'Time_Limit was reached',
        memory_limit: 'Memory_Limit was reached',
      },
    },
    odd_results: 'results with an unknown code, or without a record; the record passes unchanged',
    restarts: 'how often the script was loaded anew because its state was lost',
  },
  memory: ({ memoryLimit }) => ({ bytes: memoryLimit, what: 'Memory_Limit of its interpreter' }),
  create: (options, ctx) => new LuaFilter(options, ctx),
})

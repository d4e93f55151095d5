import { ROWS, testTable } from '../../support/tail/rotations/suite.ts'
import type { TableOptions } from '../../support/tail/rotations/table.ts'

/** Options with which the complete table must hold, too. */
const SETTINGS: [string, TableOptions][] = [
  ['large files', { many: 1000 }],
  ['Read_From_Head off', { read_from_head: 'off' }],
  ['a search every 5 s', { refresh_interval: 5 }],
  ['without inotify', { inotify_watcher: 'off' }],
]

for (const [setting, options] of SETTINGS) {
  for (const mode of ['live', 'burst', 'stopped', 'killed', 'killed later'] as const)
    testTable(`every line arrives once, ${mode}, with ${setting}:`, ROWS, mode, options)
}

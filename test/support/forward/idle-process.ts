import { parseOptions } from '../../../src/core/options/parse.ts'
import { systemClock } from '../../../src/engine/clock.ts'
import { Forward } from '../../../src/plugins/outputs/forward/forward.ts'
import { FORWARD_OUTPUT_OPTIONS } from '../../../src/plugins/outputs/forward/options.ts'
import { makeChunk, unlimitedAccount } from '../engine/chunks.ts'

// Runs as a process: delivers one chunk to the port in its argument, and ends when nothing keeps it running.
const noop = () => {}
const output = new Forward(parseOptions(FORWARD_OUTPUT_OPTIONS, { port: process.argv[2] ?? '' }), {
  name: 'forward.0',
  log: { error: noop, warn: noop, info: noop, debug: noop },
  counters: { add: noop, get: () => 0 },
  clock: systemClock,
  agent: { version: '0', id: 'test', hostname: 'test' },
  signal: new AbortController().signal,
  buffers: unlimitedAccount(),
  reject: noop,
  isOverdue: () => false,
})
await output.flush(makeChunk('c1'))
process.stdout.write('delivered\n')

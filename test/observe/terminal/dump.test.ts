import { expect, test } from 'bun:test'
import { localTime } from '../../../src/observe/log/format.ts'
import { formatDump } from '../../../src/observe/terminal/dump.ts'
import {
  sampleBuffer,
  sampleFile,
  sampleInput,
  sampleOutput,
  sampleSnapshot,
} from '../../support/engine/snapshot.ts'

test('shows every input, file, offset, lag, queue and retry, aligned', () => {
  const snapshot = sampleSnapshot()
  expect(formatDump(snapshot)).toBe(`\
--- shipper 0.1.0 on leaf-1, ${localTime(snapshot.nowMs)}, up 1:00:00
memory  1.5 MB of 16.0 MB

input   tail.0  12 records, 2.4 KB
  memory 1.0 KB of 50.0 MB
  files_opened 2, files_rotated 1
  2 files, lag 500 B
    STATE      LAG  SIZE  READ  ACKED  DEV:INODE  PATH
    following  500   900   700    400  2049:43    /var/log/b.log
    following    0  2000  2000   2000  2049:42    /var/log/a.log

filter  grep.0  12 records, 2.4 KB, dropped 3, added 0

output  forward.0  9 records, 1.8 KB
  chunks waiting 2, in flight 1, retrying 1, next retry in 3.2 s
  errors 1, retries 2 (4 records), retries exhausted for 0 chunks, dropped 0 records
  last delivery 1 min ago
  last error: cannot reach 10.0.0.5:24224: ECONNREFUSED
  connections_opened 3
---
`)
})

test('shows an outage with its age, attempts and the last delivery', () => {
  const { nowMs } = sampleSnapshot()
  const down = { sinceMs: nowMs - 65_000, attempts: 26, reason: 'refused' }
  const outputs = [sampleOutput({ down, lastDeliveryMs: undefined })]
  expect(formatDump(sampleSnapshot({ outputs }))).toContain(
    '\n  DOWN for 1 min 5 s, 26 attempts; last delivery never\n',
  )
})

test('shows what an output has taken over and not delivered, and where that is', () => {
  const held = { records: 1040, bytes: 20_000, where: 'in 1 open object: it fills' }
  expect(formatDump(sampleSnapshot({ outputs: [sampleOutput({ held })] }))).toContain(
    '\n  1,040 records, 20.0 KB, in 1 open object: it fills\n',
  )
})

test('lists the 200 files with the largest lag and counts the others', () => {
  const files = Array.from({ length: 300 }, (_, i) => sampleFile({ path: `/f${i}`, lag: i }))
  const text = formatDump(sampleSnapshot({ inputs: [sampleInput({ status: { files } })] }))
  expect(text).toContain('  300 files, lag 44.9 KB\n')
  expect(text).toContain('/f100\n')
  expect(text).not.toContain('/f99\n')
  expect(text).toContain('    100 more with no more lag: see /api/v1/files\n')
})

test('shows the reasons of a counter, without those that did not occur', () => {
  const lost = {
    counters: { lost: 7, gone: 0 },
    counterReasons: { lost: { cut: 7, old: 0 }, gone: { away: 0 } },
  }
  const text = formatDump(sampleSnapshot({ inputs: [sampleInput(lost)] }))
  expect(text).toContain('\n  lost 7 (cut 7)\n')
})

test('shows that an input is paused, and the plugin of an alias', () => {
  const text = formatDump(sampleSnapshot({ inputs: [sampleInput({ name: 'web', paused: true })] }))
  expect(text).toContain('input   web (tail)')
  expect(text).toContain(', PAUSED at its limit\n')
})

test('shows that what is given up cannot be kept, with what to do, before anything else that fails', () => {
  const { nowMs } = sampleSnapshot()
  const unkept = { sinceMs: nowMs - 12_000, reason: '/d/x.jsonl is full', hint: 'replay it' }
  const down = { sinceMs: nowMs - 13_000, attempts: 2, reason: 'refused' }
  expect(formatDump(sampleSnapshot({ outputs: [sampleOutput({ unkept, down })] }))).toContain(
    '\n  DEAD LETTERS cannot be kept for 12 s, records wait: /d/x.jsonl is full\n    replay it\n  DOWN for 13 s',
  )
})

test('a retry that is overdue is shown as due now', () => {
  const outputs = [sampleOutput({ retryAtMs: 0 })]
  expect(formatDump(sampleSnapshot({ outputs }))).toContain('next retry in 0.0 s')
})

test('a file name cannot control the terminal or add a line', () => {
  const files = [sampleFile({ path: '/a\x1b[2J\nb' })]
  const text = formatDump(sampleSnapshot({ inputs: [sampleInput({ status: { files } })] }))
  expect(text).toContain('/a\\x1b[2J\\nb\n')
  expect(text).not.toContain('\x1b')
})

test('an agent without files or stages is shown too', () => {
  const inputs = [sampleInput({ status: { files: [] } }), sampleInput({ name: 'cpu.0', status: undefined })]
  expect(formatDump(sampleSnapshot({ inputs }))).toContain('  0 files, lag 0 B\n\ninput   cpu.0 (tail)')
  expect(formatDump(sampleSnapshot({ inputs: [], filters: [], outputs: [] })).split('\n')).toHaveLength(4)
})

test('shows what waits on disk for each output, and why nothing can be written', () => {
  const { nowMs } = sampleSnapshot()
  expect(formatDump(sampleSnapshot({ buffer: sampleBuffer() }))).toContain(`
memory  1.5 MB of 16.0 MB

buffer  /var/lib/shipper/buffer  17.0 MB in 2 files
  for forward.0: 30 records, 6.0 KB, in 3 chunks, 3 in memory
  for kafka.0: 90,000 records, 15.0 MB of 20.0 MB, in 60 chunks, 4 in memory, DROPPED 70 records at the limit

input `)
  const problem = { sinceMs: nowMs - 65_000, reason: 'no space', hint: 'free space' }
  const stuck = sampleBuffer({
    segments: 1,
    problem,
    unwrittenChunks: 2,
    unwrittenBytes: 5000,
    lostRecords: 9,
  })
  expect(formatDump(sampleSnapshot({ buffer: stuck }))).toContain(`
buffer  /var/lib/shipper/buffer  17.0 MB in 1 file
  NOT WRITABLE for 1 min 5 s, records wait: no space
    free space
  2 chunks, 5.0 KB, not on disk yet
  LOST 9 records in damaged files
`)
})

test('shows what the buffer keeps for outputs that the configuration does not have', () => {
  const unknownOutputs = [{ name: 'old', chunks: 2, records: 34_200, bytes: 5_000_000 }]
  expect(formatDump(sampleSnapshot({ buffer: sampleBuffer({ unknownOutputs }) }))).toContain(
    '\n  for old: 34,200 records, 5.0 MB, KEPT: no output in the configuration has this name\n',
  )
})

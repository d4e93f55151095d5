import { expect, test } from 'bun:test'
import { StatusSentence } from '../../src/agent/status-sentence.ts'
import { ManualClock } from '../support/engine/manual-clock.ts'
import { sampleBuffer } from '../support/engine/snapshot.ts'

const INPUT = { name: 'tail.0', files: 1, paused: false }
const OUTPUT = { name: 'out.0', waiting: 2, delivered: 0, failures: 0, lastError: undefined }

test.each([
  [[INPUT], [OUTPUT], 'sending; 1 file open; 2 chunks waiting'],
  [[INPUT], [], 'idle: there is no output, nothing is read'],
  [[], [], 'idle: there is no output, nothing is read'],
  [[], [OUTPUT], 'idle: there is no input'],
])('an agent says whether it sends, or why it does not', (inputs, outputs, sentence) => {
  expect(new StatusSentence(new ManualClock()).of({ inputs, outputs })).toBe(sentence)
})

test('the buffer on disk has what waits for the output that is furthest behind, and why it cannot be written', () => {
  const sentence = new StatusSentence(new ManualClock())
  const buffer = sampleBuffer()
  expect(sentence.of({ inputs: [INPUT], outputs: [OUTPUT], buffer })).toBe(
    'sending; 1 file open; 2 chunks waiting; 15.0 MB on disk',
  )
  const sinceMs = new Date(2026, 10, 21, 5, 4).getTime()
  const problem = { sinceMs, reason: 'no space left on /var/lib/shipper/buffer', hint: 'free space' }
  expect(
    sentence.of({ inputs: [INPUT], outputs: [OUTPUT], buffer: sampleBuffer({ problem, outputs: [] }) }),
  ).toBe(
    'the buffer on disk has not been writable since 11-21 05:04 (no space left on /var/lib/shipper/buffer); 1 file open; 2 chunks waiting',
  )
})

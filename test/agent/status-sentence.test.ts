import { expect, test } from 'bun:test'
import { StatusSentence } from '../../src/agent/status-sentence.ts'
import { ManualClock } from '../support/engine/manual-clock.ts'

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

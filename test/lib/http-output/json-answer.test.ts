import { expect, test } from 'bun:test'
import type { Answer } from '../../../src/lib/http-output/api.ts'
import { readJsonAnswer } from '../../../src/lib/http-output/json-answer.ts'

function answerOf(text: string): Answer {
  return {
    status: 202,
    header: () => undefined,
    body: (async function* () {
      for (const byte of Buffer.from(text)) yield Buffer.from([byte])
    })(),
  }
}

test.each([
  '{}',
  '{"status":"ok"}',
  '{"errors":[]}',
  '{"errors":null,"error":""}',
  '{"x":{"error":"y"}}',
  '{"error":false}',
])('%s is an answer without an error', async (text) => {
  expect(await readJsonAnswer(answerOf(text))).toBe(true)
})

test('an empty answer is none', async () => {
  expect(await readJsonAnswer(answerOf(''))).toBe(false)
})

test.each([
  ['{"errors":["Payload too big"]}', 'Payload too big'],
  ['{"errors":[{"status":"400","detail":"no"}]}', '400'],
  ['{"errors":[{"code":5,"detail":"no room"}]}', 'no room'],
  ['{"errors":[{}]}', 'it has an error'],
  ['{"errors":true}', 'it has an error'],
  ['{"error":{"reason":"x"}}', 'x'],
  ['{"ok":1,"error":"disk full"}', 'disk full'],
  ['{"ok":1', 'ends before its end'],
  ['<html>', 'not JSON'],
])('%s leaves open what became of the records', async (text, reason) => {
  await expect(readJsonAnswer(answerOf(text))).rejects.toThrow(reason)
})

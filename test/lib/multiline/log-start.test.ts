import { expect, test } from 'bun:test'
import { beginsLikeLog } from '../../../src/lib/multiline/log-start.ts'

test('recognizes the lines of common logs by their beginning', () => {
  const lines = [
    '2026-11-21T06:00:00.123Z INFO x',
    '2026-11-21 06:00:00,123 [main] INFO x',
    '[2026-11-21 06:00:00] production.INFO: x',
    '2026/11/21 06:00:00 x',
    '21-Nov-2026 06:00:00.123 INFO [main] x',
    '[21/Nov/2026 06:00:00] "GET / HTTP/1.1" 200',
    '06:00:00.123 [main] DEBUG x',
    '1795240800.123 x',
    'Nov 21, 2026 6:00:00 AM com.example.A run',
    'Nov 21 06:00:00 host app[1]: x',
    'Sat Nov 21 06:00:00 2026 x',
    '<14>Nov 21 06:00:00 x',
    'I1121 06:00:00.123456       1 main.go:3] x',
    'E, [2026-11-21T06:00:00.000000 #1] ERROR -- : x',
    '{"level":"info","ts":1}',
    '{"message":"x","severity":"INFO"}',
    'INFO:root:x',
    'WARN x',
    '[INFO] x',
    '[info] x',
    'info: x',
    'time="2026-11-21T06:00:00Z" level=info msg=x',
    '10.0.0.1 - - [21/Nov/2026:06:00:00 +0000] "GET / HTTP/1.1" 200 1',
    '::1 - - [21/Nov/2026:06:00:00 +0000] "GET / HTTP/1.1" 200 1',
    '\x1b[32mINFO\x1b[0m x',
  ]
  expect(lines.filter((line) => !beginsLikeLog(line))).toEqual([])
})

test('does not mistake lines of messages for log lines', () => {
  const lines = [
    '  Detail: Key (id)=(1) already exists.',
    'second line',
    '{"error":"not found","message":"x"}',
    'Information about x',
    'error: cannot compile',
    '42 is not a date',
    '[SQL: INSERT INTO a VALUES (1)]',
    '(Background on this error at: https://example.com)',
    '',
  ]
  expect(lines.filter(beginsLikeLog)).toEqual([])
})

import { expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { OtlpApi } from '../support/doubles/otlp.ts'
import { decodeOtlp } from '../support/doubles/protobuf.ts'
import { StoreDouble } from '../support/doubles/store-double.ts'
import { section } from '../support/kafka/agent.ts'
import { keyValue, message } from '../support/otlp.ts'
import { freePorts } from '../support/ports.ts'
import { start } from '../support/process.ts'
import { tmp } from '../support/tmp.ts'
import { until, untilReaches } from '../support/until.ts'

const text = (value: string) => [[1, value]] as const

/** A request with all fields of a log record, of two scopes of a resource and of another resource. */
const REQUEST = message([
  [
    1,
    [
      [
        1,
        [
          [1, keyValue('service.name', text('shop'))],
          [2, 3],
        ],
      ],
      [
        2,
        [
          [
            1,
            [
              [1, 'lib'],
              [2, '1.0'],
              [3, keyValue('a', [[3, 5]])],
            ],
          ],
          [
            2,
            [
              [1, { fixed64: 1_700_000_000_123_456_789n }],
              [2, 17],
              [3, 'error'],
              [5, text('failed')],
              [6, keyValue('k', [[4, { double: 1.5 }]])],
              [
                6,
                keyValue('l', [
                  [
                    5,
                    [
                      [1, [[2, 1]]],
                      [1, text('x')],
                    ],
                  ],
                ]),
              ],
              [7, 2],
              [8, { fixed32: 1 }],
              [9, Buffer.from('0102030405060708090a0b0c0d0e0f10', 'hex')],
              [10, Buffer.from('0102030405060708', 'hex')],
              [11, { fixed64: 1_700_000_001_000_000_000n }],
              [12, 'event'],
            ],
          ],
          [3, 'https://schema/scope'],
        ],
      ],
      [
        2,
        [
          [1, [[1, 'other']]],
          [
            2,
            [
              [1, { fixed64: 1_700_000_002_000_000_000n }],
              [5, [[6, [[1, keyValue('m', text('v'))]]]]],
            ],
          ],
        ],
      ],
      [3, 'https://schema/resource'],
    ],
  ],
  [
    1,
    [
      [1, [[1, keyValue('service.name', text('web'))]]],
      [
        2,
        [
          [1, []],
          [
            2,
            [
              [1, { fixed64: 1_700_000_003_000_000_000n }],
              [5, text('plain')],
            ],
          ],
        ],
      ],
    ],
  ],
])

test('what the input opentelemetry takes, the output opentelemetry sends with every field, resource and scope', async () => {
  const double = await StoreDouble.start(new OtlpApi())
  const dir = tmp()
  const [port = 0] = await freePorts(1)
  const conf = join(dir, 'agent.conf')
  writeFileSync(
    conf,
    [
      section('SERVICE', { flush: 0.1 }),
      section('INPUT', { name: 'opentelemetry', listen: '127.0.0.1', port }),
      section('OUTPUT', { name: 'opentelemetry', match: '*', host: '127.0.0.1', port: double.port }),
    ].join('\n'),
  )
  const agent = start(['-c', conf])
  const post = (): Promise<number> =>
    fetch(`http://127.0.0.1:${port}/v1/logs`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-protobuf' },
      body: REQUEST,
    }).then(
      ({ status }) => status,
      () => 0,
    )
  let status = 0
  await until(
    async () => {
      status = await post()
      return status > 0
    },
    { everyMs: 50, what: () => agent.stderr.slice(-2000) },
  )
  expect(status).toBeLessThan(300)
  await untilReaches(1, () => double.requests.length, { what: () => agent.stderr.slice(-2000) })
  await agent.stop()
  const records = (body: Buffer): unknown[] =>
    decodeOtlp(body).resourceLogs.flatMap(({ resource, scopeLogs, ...more }) =>
      scopeLogs.flatMap(({ scope, logRecords, ...others }) =>
        logRecords.map((record) => ({ resource, more, scope, others, record })),
      ),
    )
  const sent = double.requests.flatMap(({ content }) => records(content))
  expect(JSON.stringify(sent)).toBe(JSON.stringify(records(REQUEST)))
})

import { expect, test } from 'bun:test'
import { parseOptions } from '../../../../src/core/options/parse.ts'
import { spec } from '../../../../src/plugins/outputs/es/index.ts'
import { EsApi } from '../../../support/doubles/es.ts'
import { StoreDouble } from '../../../support/doubles/store-double.ts'
import { OutputBench } from '../../../support/http-output/output-bench.ts'
import { until } from '../../../support/until.ts'

test('a server without types is a fault of the configuration, for which no record is given up', async () => {
  const double = await StoreDouble.start(new EsApi())
  const options = parseOptions(spec.options, {
    port: String(double.port),
    type: '_doc',
    suppress_type_name: 'off',
  })
  const b = new OutputBench((ctx) => spec.create(options, ctx))
  await b.output.start?.()
  b.push([{ n: 1 }, { n: 2 }])
  await until(async () => {
    await b.turns(5)
    return b.logged.lines.length > 0
  })
  b.stop.abort()
  await b.output.close?.()
  expect(b.logged.lines.join('\n')).toContain('the server does not support Type: illegal_argument_exception')
  expect(b.logged.fields[0]?.hint).toStartWith('remove Type, or set Suppress_Type_Name on')
  expect(b.rejected).toEqual([])
})

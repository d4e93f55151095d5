import { expect, test } from 'bun:test'
import { missingNames } from '../../src/config/fluent-bit-plugins.ts'
import { missingText } from '../../src/config/missing-plugins.ts'
import { registry } from '../../src/registry.ts'
import { load, OUT } from './loading.ts'

test('no plugin is listed as missing that the registry has', () => {
  for (const kind of ['input', 'filter', 'output'] as const) {
    const own = registry.names(kind)
    expect([kind, missingNames(kind).filter((name) => own.includes(name))]).toEqual([kind, []])
  }
})

test('the list of missing plugins is sorted, and in lower case', () => {
  for (const kind of ['input', 'filter', 'output', 'processor'] as const) {
    const names = missingNames(kind)
    expect(names).toEqual(names.map((name) => name.toLowerCase()).toSorted())
  }
})

test('a plugin of fluent-bit is reported once with all its places, what stands in for it, and counts', async () => {
  const wasm = '[FILTER]\n    Name wasm\n    Match *\n    wasm_path a.wasm\n    function_name f\n'
  const { problems, reported, missing } = await load(
    `[INPUT]\n    Name clock\n${wasm}${wasm}${OUT}[OUTPUT]\n    Name  Stackdriver\n    Match *\n`,
  )
  expect(reported).toEqual([
    'a.conf:4:10: unknown filter "wasm": fluent-bit has it, shipper does not (also at line 9)',
    'a.conf:17:11: unknown output "Stackdriver": fluent-bit has it, shipper does not',
  ])
  expect(problems[1]?.hint).toContain('`forward`')
  expect(missingText(missing)).toBe('missing: filter wasm (2 sections), output Stackdriver (1 section)')
})

test('the advice for the output prometheus_exporter says where the metrics of log_to_metrics are', async () => {
  const text = `[INPUT]\n    Name clock\n${OUT}[OUTPUT]\n    Name prometheus_exporter\n    Match metrics\n`
  const [problem] = (await load(text)).problems
  expect(problem?.hint).toContain('remove the section and set HTTP_Server on in [SERVICE]')
  expect(problem?.hint).toContain('log_to_metrics')
})

test('a name that nobody knows is no plugin of fluent-bit, and may be meant as one', async () => {
  const { reported, missing } = await load(
    `[INPUT]\n    Name clock\n[OUTPUT]\n    Name stackdirver\n    Match *\n`,
  )
  expect(reported).toEqual(['a.conf:4:10: unknown output "stackdirver" (did you mean stackdriver?)'])
  expect(missing).toEqual([])
})

test('an output by the name of its store, or of another agent, is suggested', async () => {
  const of = async (name: string) =>
    (await load(`[INPUT]\n    Name clock\n[OUTPUT]\n    Name ${name}\n    Match *\n`)).problems[0]
  expect((await of('elastic_search'))?.message).toBe('unknown output "elastic_search" (did you mean es?)')
  expect((await of('splunk_hec'))?.message).toContain('(did you mean splunk?)')
  expect((await of('logstash'))?.hint).toContain('use the output http')
  expect((await of('grafana-loki'))?.message).toBe(
    'unknown output "grafana-loki": Grafana’s plugin for fluent-bit has it, shipper does not',
  )
})

import { expect, test } from 'bun:test'
import type { Flags } from '../../src/config/flags.ts'
import { registry } from '../../src/registry.ts'
import { type Given, load } from './loading.ts'

function toOutput(name: string, ...more: [string, string][]): Given {
  const flags = (flags: Flags): void => {
    flags.begin('input', 'dummy')
    flags.begin('output', name)
    for (const [key, value] of more) flags.property(`${key}=${value}`)
  }
  return { registry, flags }
}

async function optionsOf(name: string): Promise<Record<string, unknown>> {
  const { plan, problems } = await load(undefined, toOutput(name))
  expect(problems).toEqual([])
  return plan?.outputs[0]?.options as Record<string, unknown>
}

// es_conf.c of fluent-bit: the first field of the URI is the index and the second the type, when there are two at least.
for (const name of ['es', 'opensearch', 'elasticsearch'])
  test(`the path of ${name}://HOST:PORT/INDEX/TYPE names the index and the type`, async () => {
    const options = await optionsOf(`${name}://10.0.0.1:9201/my_index/my_type`)
    expect(options).toMatchObject({
      host: '10.0.0.1',
      port: 9201,
      index: 'my_index',
      type: 'my_type',
      path: '',
    })
    expect(await optionsOf(`${name}://h:9200//a/b/c`)).toMatchObject({ index: 'a', type: 'b', path: '' })
    expect(await optionsOf(`${name}://h:9200/`)).toMatchObject({ index: 'fluent-bit', path: '' })
  })

test('a path of one part is without effect for es, as in fluent-bit, with a warning', async () => {
  const { plan, problems, warnings } = await load(undefined, toOutput('es://h:9200/my_index'))
  expect(problems).toEqual([])
  expect(plan?.outputs[0]?.options).toMatchObject({ index: 'fluent-bit', path: '' })
  expect(warnings).toEqual([
    'command line, -o es://h:9200/my_index: the path "/my_index" has no effect, as in fluent-bit: an address of es is es://HOST:PORT/INDEX/TYPE; set index instead',
  ])
})

test('the path of http://HOST:PORT/URI is the one of requests', async () => {
  expect(await optionsOf('http://10.0.0.1:8080/a/b')).toMatchObject({
    host: '10.0.0.1',
    port: 8080,
    uri: '/a/b',
  })
})

test('the output https is http with tls', async () => {
  const { problems } = await load(undefined, toOutput('https://h:443/a'))
  expect(problems.map(({ message, hint }) => [message, hint])).toEqual([
    [
      'unknown output "https" (did you mean http?)',
      'the output is http, and the option tls=on makes it use TLS',
    ],
  ])
})

test("Grafana's plugin for fluent-bit is said to be loki", async () => {
  const { problems } = await load(undefined, toOutput('grafana-loki'))
  expect(problems.map(({ hint }) => hint)).toEqual([
    'use the output `loki`: Url becomes host, port, uri and tls, and Labels {job="x"} becomes labels job=x',
  ])
})

import { expect, test } from 'bun:test'
import { type Given, load, OUT } from './loading.ts'

const warningsOf = async (text: string, given?: Given): Promise<string[]> => {
  const { reported, warnings } = await load(text, given)
  expect(reported).toEqual([])
  return warnings
}

test('a warning is given for options without effect, whatever their value', async () => {
  const text = `[INPUT]\n    Name follow\n    Path a\n    Buffer_Chunk_Size lots\n${OUT}    Workers 4\n`
  expect(await warningsOf(text)).toEqual([
    'a.conf:4:5: [follow] "buffer_chunk_size" has no effect: one buffer for all',
    'a.conf:8:5: [send] "workers" has no effect: the agent is single-threaded',
  ])
})

test('no warning is given for an ineffective option with its default value', async () => {
  const text = `[SERVICE]\n    Daemon Off\n    storage.metrics off\n[INPUT]\n    Name clock\n    threaded no\n${OUT}    Workers 1\n`
  expect(await warningsOf(text)).toEqual([])
})

test('a warning is given for options that fluent-bit silently ignores', async () => {
  const text = `[SERVICE]\n    HTTP_Monitor On\n    net.dns.resolver LEGACY\n[CUSTOM]\n    Name x\n[INPUT]\n    Name clock\n${OUT}`
  expect((await warningsOf(text)).toSorted()).toEqual([
    'a.conf:2:5: [service] unknown option "HTTP_Monitor": it has no effect',
    'a.conf:3:5: [service] "dns.resolver" has no effect: the system resolves names',
    'a.conf:4:1: unknown section [CUSTOM]: it has no effect',
  ])
})

test('a warning is given for a limit that is replaced', async () => {
  expect(
    await warningsOf(`[SERVICE]\n    Chunk_Size 5GB\n[INPUT]\n    Name clock\n${OUT}    Retry_Limit 0\n`),
  ).toEqual([
    'a.conf:2:16: [service] "chunk_size" must be a size like 32K or 5M from 4096 to 2M, not "5GB": using 2M',
    'a.conf:8:17: [send] "retry_limit" must be a number from 1, no_limits or no_retries, not "0": retries are unlimited',
  ])
})

test('a warning is given for an option that is set twice; the last value is used', async () => {
  const text = `[INPUT]\n    Name listen\n    Port 1\n    port 2\n${OUT}`
  const { plan, warnings } = await load(text)
  expect(warnings).toEqual(['a.conf:3:5: [listen] "port" is set again below: this value is ignored'])
  expect(plan?.inputs[0]?.options).toMatchObject({ port: 2 })
})

test('a warning is given for a parser option that is set twice; the first value is used', async () => {
  const parser = '[PARSER]\n    Name p\n    Format plain\n    Time_Key a\n    Time_Key b\n'
  const { plan, warnings } = await load(`[INPUT]\n    Name clock\n${OUT}${parser}`)
  expect(warnings).toEqual(['a.conf:10:5: [parser p] "time_key" is already set above: this value is ignored'])
  expect(plan?.parsers[0]?.options).toMatchObject({ timeKey: 'a' })
})

test('a warning is given for outputs and filters that cannot get records', async () => {
  const text =
    '[INPUT]\n    Name clock\n    Tag app\n[FILTER]\n    Name keep\n    Match sys.*\n' +
    '[OUTPUT]\n    Name send\n[OUTPUT]\n    Name send\n    Match_Regex ^b\n[OUTPUT]\n    Name send\n    Match a*p\n'
  expect(await warningsOf(text)).toEqual([
    'a.conf:4:1: [keep] Match sys.* does not match the tag app: it gets no records',
    'a.conf:7:1: [send] has no Match: it gets no records',
    'a.conf:9:1: [send] Match_Regex ^b does not match the tag app: it gets no records',
  ])
})

test('records that bring their tags with them are expected under these, unless a Tag is set', async () => {
  const text = (tag: string, match: string): string =>
    `[INPUT]\n    Name listen\n    Port 1\n${tag}[OUTPUT]\n    Name send\n    Match ${match}\n`
  expect(await warningsOf(text('', 'host.app'))).toEqual([])
  expect(await warningsOf(text('', 'app'))).toEqual([
    'a.conf:4:1: [send] Match app does not match the tag host.*: it gets no records',
  ])
  expect(await warningsOf(text('    Tag app\n', 'host.app'))).toEqual([
    'a.conf:5:1: [send] Match host.app does not match the tag app: it gets no records',
  ])
})

test('no warning is given when the tag depends on the files', async () => {
  const text = (tag: string, match: string): string =>
    `[INPUT]\n    Name follow\n    Path a\n    Tag ${tag}\n[OUTPUT]\n    Name send\n    ${match}\n`
  expect(await warningsOf(text('kube.*', 'Match kube.var.log.*'))).toEqual([])
  expect(await warningsOf(text('<pod>.x', 'Match web.x'))).toEqual([])
  expect(await warningsOf(text('kube.*', 'Match_Regex ^x'))).toEqual([])
  expect(await warningsOf(text('kube.*', 'Match host.*'))).toHaveLength(1)
})

test('a warning is given for an alias that is already taken', async () => {
  const text = `[INPUT]\n    Name clock\n    Alias a\n[INPUT]\n    Name clock\n    Alias a\n${OUT}`
  const { plan, warnings } = await load(text)
  expect(warnings).toEqual(['a.conf:6:11: alias "a" is already taken: using the name clock.1'])
  expect(plan?.inputs.map((i) => i.name)).toEqual(['a', 'clock.1'])
})

test('an input and an output may have the same name, as in fluent-bit; their log lines name the kind', async () => {
  const text = `[INPUT]\n    Name clock\n    Alias a\n[OUTPUT]\n    Name send\n    Match *\n    Alias a\n`
  const { plan, warnings } = await load(text)
  expect(warnings).toEqual([])
  expect(
    [...(plan?.inputs ?? []), ...(plan?.outputs ?? [])].map(({ name, logName }) => [name, logName]),
  ).toEqual([
    ['a', 'a'],
    ['a', 'output:a'],
  ])
})

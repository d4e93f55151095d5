import { expect, test } from 'bun:test'
import { registry } from '../../src/registry.ts'
import { type Given, load, OUT } from './loading.ts'

const warningsOf = async (text: string, given?: Given): Promise<string[]> => {
  const { reported, warnings } = await load(text, given)
  expect(reported).toEqual([])
  return warnings
}

test('a warning is given for options without effect, whatever their value', async () => {
  const text = `[INPUT]\n    Name follow\n    Path a\n    Buffer_Chunk_Size lots\n${OUT}    Workers 4\n`
  expect(await warningsOf(text)).toEqual([
    'a.conf:4:5: [follow] "Buffer_Chunk_Size" has no effect: one buffer for all',
    'a.conf:8:5: [send] "Workers" has no effect: the agent is single-threaded',
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
    'a.conf:3:5: [service] "net.dns.resolver" has no effect: the system resolves names',
    'a.conf:4:1: section [CUSTOM] has no effect: plugins of this kind report to other services',
  ])
})

test('sections in the plural are read, with a warning', async () => {
  const text = `[INPUTS]\n    Name clock\n[Customs]\n    Name x\n[OUTPUTS]\n    Name send\n    Match *\n`
  const { plan, warnings } = await load(text)
  expect(plan?.inputs.map(({ name }) => name)).toEqual(['clock.0'])
  expect(plan?.outputs.map(({ name }) => name)).toEqual(['send.0'])
  expect(warnings).toEqual([
    'a.conf:1:1: section [INPUTS] is read as [INPUT], as by fluent-bit',
    'a.conf:3:1: section [Customs] is read as [CUSTOM], as by fluent-bit',
    'a.conf:3:1: section [CUSTOM] has no effect: plugins of this kind report to other services',
    'a.conf:5:1: section [OUTPUTS] is read as [OUTPUT], as by fluent-bit',
  ])
})

test.each([
  ['IN', 'INPUT'],
  ['out', 'OUTPUT'],
  ['MULTILINE', 'MULTILINE_PARSER'],
  ['STREAM', 'STREAM_PROCESSOR'],
  ['PARSERS', 'PARSER'],
])('the section [%s], which fluent-bit may read, is not passed over', async (name, whole) => {
  const { reported } = await load(`[INPUT]\n    Name clock\n${OUT}[${name}]\n    Name x\n`)
  expect(reported).toEqual([`a.conf:6:1: unknown section [${name}] (did you mean ${whole}?)`])
})

test.each(['STREAM_TASK', 'stream_processor'])(
  'a warning says what [%s] means for the data',
  async (name) => {
    const text = `[INPUT]\n    Name clock\n${OUT}[${name}]\n    Name x\n    Exec CREATE STREAM x;\n`
    expect(await warningsOf(text)).toEqual([
      `a.conf:6:1: section [${name}] has no effect: there is no stream processor, so the records that it would make are missing`,
    ])
  },
)

test('a warning is given for a limit that is replaced', async () => {
  expect(
    await warningsOf(`[SERVICE]\n    Chunk_Size 5GB\n[INPUT]\n    Name clock\n${OUT}    Retry_Limit 0\n`),
  ).toEqual([
    'a.conf:2:16: [service] "Chunk_Size" must be a size like 32K or 5M from 4096 to 2M, not "5GB": using 2M',
    'a.conf:8:17: [send] "Retry_Limit" must be a number from 1, no_limits or no_retries, not "0": retries are unlimited',
  ])
})

test('a warning is given for an option that is set twice; the last value is used', async () => {
  const text = `[INPUT]\n    Name listen\n    Port 2\n    port 2\n    Tag a\n    tag b\n${OUT}`
  const { plan, warnings } = await load(text)
  expect(warnings).toEqual([
    'a.conf:3:5: [listen] "Port" is set again below: this value is ignored',
    'a.conf:5:5: [listen] "Tag" is set again below: this value is ignored',
  ])
  expect(plan?.inputs[0]?.tag).toBe('b')
})

test('two values of an option of a plugin are a problem, as in fluent-bit', async () => {
  const { reported } = await load(`[INPUT]\n    Name listen\n    Port 1\n    port 2\n${OUT}`)
  expect(reported).toEqual(['a.conf:4:5: [listen] "port" has another value at line 3'])
})

test('a warning is given for a parser option that is set twice; the first value is used', async () => {
  const parser = '[PARSER]\n    Name p\n    Format plain\n    Time_Key a\n    Time_Key b\n'
  const { plan, warnings } = await load(`[INPUT]\n    Name clock\n${OUT}${parser}`)
  expect(warnings).toEqual(['a.conf:10:5: [parser p] "Time_Key" is already set above: this value is ignored'])
  expect(plan?.parsers[0]?.options).toMatchObject({ timeKey: 'a' })
})

test('a warning is given for outputs and filters that cannot get records', async () => {
  const text =
    '[INPUT]\n    Name clock\n    Tag app\n[FILTER]\n    Name keep\n    Match sys.*\n' +
    '[FILTER]\n    Name keep\n[OUTPUT]\n    Name send\n    Match_Regex ^b\n[OUTPUT]\n    Name send\n    Match a*p\n'
  expect(await warningsOf(text)).toEqual([
    'a.conf:6:11: [keep] Match sys.* does not match the tag app: it gets no records',
    'a.conf:7:1: [keep] has no Match: the filter has no effect',
    'a.conf:11:17: [send] Match_Regex ^b does not match the tag app: it gets no records',
  ])
})

test('records that bring their tags with them are expected under these, unless a Tag is set', async () => {
  const text = (tag: string, match: string): string =>
    `[INPUT]\n    Name listen\n    Port 1\n${tag}[OUTPUT]\n    Name send\n    Match ${match}\n`
  expect(await warningsOf(text('', 'host.app'))).toEqual([])
  expect(await warningsOf(text('', 'app'))).toEqual([
    'a.conf:6:11: [send] Match app does not match the tag host.*: it gets no records',
  ])
  expect(await warningsOf(text('    Tag app\n', 'host.app'))).toEqual([
    'a.conf:7:11: [send] Match host.app does not match the tag app: it gets no records',
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

test('the only output gets everything without a Match, as in fluent-bit, and a warning says so', async () => {
  const { plan, reported, warnings } = await load(
    '[INPUT]\n    Name clock\n[INPUT]\n    Name clock\n[OUTPUT]\n    Name send\n',
  )
  expect(reported).toEqual([])
  expect(plan?.outputs[0]?.common.match).toBe('*')
  expect(warnings).toEqual(['a.conf:5:1: [send] has no Match: as the only output it gets all records'])
})

test('one of several outputs without a Match is a problem', async () => {
  const { reported } = await load(`[INPUT]\n    Name clock\n${OUT}[OUTPUT]\n    Name send\n`)
  expect(reported).toEqual(['a.conf:6:1: [send] has no Match: it would get no records'])
})

test('an option in [SERVICE] that belongs elsewhere is a warning that names where', async () => {
  const text = `[SERVICE]\n    Mem_Buf_Limit 1M\n    retry_limit 3\n    Refresh_Interval 9\n    Trace on\n    storage.check on\n`
  expect(await warningsOf(`${text}[INPUT]\n    Name follow\n    Path a\n${OUT}`)).toEqual([
    'a.conf:2:5: [service] unknown option "Mem_Buf_Limit", an option of [INPUT]: it has no effect here',
    'a.conf:3:5: [service] unknown option "retry_limit", an option of [OUTPUT]: it has no effect here',
    'a.conf:4:5: [service] unknown option "Refresh_Interval", an option of input follow: it has no effect here',
    'a.conf:5:5: [service] unknown option "Trace": it has no effect',
    'a.conf:6:5: [service] unknown option "storage.check" (did you mean storage.checksum?): it has no effect',
  ])
})

test('a suggestion knows the other names of an option', async () => {
  const { reported } = await load(`[INPUT]\n    Name follow\n    Path a\n    form_head on\n${OUT}`)
  expect(reported).toEqual(['a.conf:4:5: [follow] unknown option "form_head" (did you mean from_head?)'])
})

test('a number is read up to what follows it, as in fluent-bit, with a warning', async () => {
  const text = `[SERVICE]\n    Grace 30s\n[INPUT]\n    Name listen\n    Port 5140 tcp\n${OUT}    Retry_Limit 5 # then give up\n`
  const { plan, warnings } = await load(text)
  expect(plan?.service.grace).toBe(30)
  expect(plan?.inputs[0]?.options).toMatchObject({ port: 5140 })
  expect(plan?.outputs[0]?.common.retryLimit).toBe('5')
  expect(warnings).toEqual([
    'a.conf:2:11: [service] "Grace" is 30: the text after the number is ignored',
    'a.conf:5:10: [listen] "Port" is 5140: the text after the number is ignored',
    'a.conf:9:17: [send] "Retry_Limit" is 5: a comment needs a line of its own',
  ])
})

test('a fraction where a whole number belongs is at least the minimum', async () => {
  const { plan, warnings } = await load(
    `[INPUT]\n    Name clock\n[OUTPUT]\n    Name send\n    Match *\n    Port .01\n`,
  )
  expect(plan?.outputs[0]?.options).toMatchObject({ port: 1 })
  expect(warnings).toEqual(['a.conf:6:10: [send] "Port" is 1: it must be an integer'])
})

test('a comment in a path, an address or a match is part of it, and a warning says so', async () => {
  const text = `[INPUT]\n    Name follow\n    Path /a/b # mine\n[OUTPUT]\n    Name send\n    Match *\n    Host h # theirs\n`
  const { plan, warnings } = await load(text)
  expect(plan?.outputs[0]?.options).toMatchObject({ host: 'h # theirs' })
  const part = 'is part of the value: a comment needs a line of its own'
  expect(warnings).toEqual([
    `a.conf:3:10: [follow] "Path" contains " #", so " # mine" ${part}`,
    `a.conf:7:10: [send] "Host" contains " #", so " # theirs" ${part}`,
  ])
})

test('a key that a blank follows has an empty value: it is left out where it cannot be empty', async () => {
  const { plan, warnings } = await load(
    `[SERVICE]\n    Detail  \n    Grace  \n[INPUT]\n    Name clock\n${OUT}    Host  \n`,
  )
  expect(plan?.service.grace).toBe(5)
  expect(warnings).toEqual([
    'a.conf:2:5: [service] unknown option "Detail": it has no effect',
    'a.conf:3:5: [service] "Grace" has no value: it is ignored',
  ])
})

test('an indented @INCLUDE is an option without effect in [SERVICE], and a problem elsewhere', async () => {
  const service = `[SERVICE]\n    Flush 1\n    @INCLUDE x.conf\n[INPUT]\n    Name clock\n${OUT}`
  expect(await warningsOf(service)).toEqual([
    'a.conf:3:5: @INCLUDE must begin in column 1: it has no effect here',
  ])
  const { reported } = await load(`[INPUT]\n    Name clock\n    @INCLUDE x.conf\n${OUT}`)
  expect(reported).toEqual(['a.conf:3:5: @INCLUDE must begin in column 1'])
})

test('the same warning at several places is one that names them', async () => {
  const out = '[OUTPUT]\n    Name send\n    Match *\n    Workers 4\n'
  expect(await warningsOf(`[INPUT]\n    Name clock\n${out.repeat(8)}`)).toEqual([
    'a.conf:6:5: [send] "Workers" has no effect: the agent is single-threaded (also at line 10, line 14, line 18, line 22, line 26 and 2 more)',
  ])
})

test('an option that fluent-bit takes in every plugin with a use for it or not is a warning', async () => {
  const text = `[INPUT]\n    Name clock\n    Host h\n    Listen ::\n    tls off\n${OUT}    net.keepalive on\n`
  expect(await warningsOf(text)).toEqual([
    'a.conf:3:5: [clock] "Host" has no effect in this plugin',
    'a.conf:4:5: [clock] "Listen" has no effect in this plugin',
    'a.conf:5:5: [clock] "tls" has no effect in this plugin',
    'a.conf:9:5: [send] "net.keepalive" has no effect in this plugin',
  ])
  const { reported } = await load(`[INPUT]\n    Name clock\n    tls on\n${OUT}`)
  expect(reported).toEqual(['a.conf:3:5: [clock] unknown option "tls"'])
})

test('a word in [SERVICE] that is no switch is off, as in fluent-bit, with a warning', async () => {
  const { plan, warnings } = await load(`[SERVICE]\n    HTTP_Server 1\n[INPUT]\n    Name clock\n${OUT}`)
  expect(plan?.service.httpServer).toBe(false)
  expect(warnings).toEqual([
    'a.conf:2:17: [service] "HTTP_Server" must be true, on or yes, or false, off or no, not "1": it is off, as in fluent-bit',
  ])
})

test('warnings stand in the order of the file', async () => {
  const text = `[SERVICE]\n    Colour red\n[INPUT]\n    Name follow\n    Buffer_Chunk_Size 1\n    Path /a # b\n    Match x\n${OUT}`
  const { reported, warnings } = await load(text.replace('    Match x\n', ''))
  expect(reported).toEqual([])
  expect(warnings.map((warning) => warning.split(':')[1])).toEqual(['2', '5', '6'])
})

test('a misspelt option of TLS is named with the one that it may be meant as', async () => {
  const text = '[INPUT]\n    Name dummy\n[OUTPUT]\n    Name es\n    Match *\n    tls.verfy off\n'
  expect((await load(text, { registry })).warnings).toEqual([
    'a.conf:6:5: [es] "tls.verfy" has no effect in this plugin (did you mean tls.verify?)',
  ])
})

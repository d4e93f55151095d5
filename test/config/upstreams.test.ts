import { expect, test } from 'bun:test'
import { NODE_OPTIONS } from '../../src/lib/http-output/upstream-options.ts'
import { upstreamNodes } from '../../src/lib/http-output/upstream-value.ts'
import { ES_NODE_OPTIONS } from '../../src/plugins/outputs/es/options.ts'
import { registry } from '../../src/registry.ts'
import { load } from './loading.ts'

const MAIN = '[INPUT]\n    Name clock\n[OUTPUT]\n    Name send\n    Match *\n    Upstream up.conf\n'
const node = (name: string): string => `[NODE]\n    Name ${name}\n    Host \${H}.${name}\n    Port 24300\n`

test('the only node of an upstream is the peer of the output', async () => {
  const { plan, warnings } = await load(MAIN, {
    files: { 'up.conf': `[UPSTREAM]\n    Name x\n${node('a')}` },
    env: { H: 'h' },
  })
  expect(warnings).toEqual([])
  expect(plan?.outputs[0]?.options).toMatchObject({ host: 'h.a', port: 24300 })
})

test('several nodes are a problem that names them', async () => {
  const { reported } = await load(MAIN, {
    files: { 'up.conf': `[UPSTREAM]\n    Name x\n${node('a')}${node('b')}` },
  })
  expect(reported).toEqual(['a.conf:6:14: several nodes are not supported yet, and up.conf has 2: a, b'])
})

test('several nodes of es and http are its servers, with options of their own', async () => {
  const main = MAIN.replace('clock', 'dummy').replace('send', 'es')
  const files = {
    'up.conf': `[UPSTREAM]\n    Name x\n${node('a')}    Tls on\n    Tls.Verify off\n${node('b')}    HTTP_User u\n    HTTP_Passwd \${P}\n`,
  }
  const { plan, warnings, reported } = await load(main, { files, env: { H: 'h', P: 'secret' }, registry })
  expect([warnings, reported]).toEqual([[], []])
  const { upstream, host } = (plan?.outputs[0]?.options ?? {}) as { upstream: string; host: string }
  expect(host).toBe('h.a')
  expect(upstreamNodes(upstream, NODE_OPTIONS)).toEqual([
    { name: 'a', options: { host: 'h.a', port: 24_300, tls: true, tlsVerify: false } },
    { name: 'b', options: { host: 'h.b', port: 24_300, httpUser: 'u', httpPasswd: 'secret' } },
  ])
})

test('a node of es may have what es has, in place of what the output has', async () => {
  const main = MAIN.replace('clock', 'dummy').replace('send', 'es')
  const files = {
    'up.conf': `[UPSTREAM]\n    Name x\n${node('a')}    Index one\n    AWS_Service_Name aoss\n    Trace_Error on\n`,
  }
  const { plan, warnings, reported } = await load(main, { files, env: { H: 'h' }, registry })
  expect(reported).toEqual([])
  expect(warnings).toEqual([
    'up.conf:8:5: [NODE] "AWS_Service_Name" has no effect without `aws_auth on`',
    'up.conf:9:5: [NODE] "Trace_Error" has no effect: refused records are in the dead letters, with the reason',
  ])
  const { upstream } = (plan?.outputs[0]?.options ?? {}) as { upstream: string }
  expect(upstreamNodes(upstream, ES_NODE_OPTIONS)).toEqual([
    {
      name: 'a',
      options: { host: 'h.a', port: 24_300, index: 'one', awsService: 'aoss', traceError: true },
    },
  ])
})

test('options of the only node of other outputs replace those of the output, and unknown ones are a problem', async () => {
  const main = `${MAIN.replace('clock', 'dummy').replace('send', 'forward')}    Host other\n`
  const upstream = `[UPSTREAM]\n    Name x\n${node('a')}`
  const good = await load(main, { files: { 'up.conf': upstream }, env: { H: 'h' }, registry })
  expect(good.plan?.outputs[0]?.options).toMatchObject({ host: 'h.a', port: 24_300 })
  const files = { 'up.conf': `${upstream}    Shared_Kye x\n` }
  const { reported } = await load(main, { files, env: { H: 'h' }, registry })
  expect(reported).toEqual([expect.stringContaining('up.conf:7:5: [forward] unknown option "Shared_Kye"')])
})

test('what is wrong with one of several nodes is a problem where it stands', async () => {
  const main = MAIN.replace('clock', 'dummy').replace('send', 'http')
  const files = {
    'up.conf': `[UPSTREAM]\n    Name x\n${node('a')}    Format json\n[NODE]\n    Name b\n    Port x\n`,
  }
  const { reported } = await load(main, { files, env: { H: 'h' }, registry })
  expect(reported).toEqual([
    'up.conf:7:5: [http] a [NODE] cannot set "Format"',
    'up.conf:8:1: [http] a [NODE] has no Host',
    'up.conf:10:10: [NODE] "Port" must be an integer from 1 to 65535, not "x"',
  ])
})

test('a file that is no upstream is a problem where it is named', async () => {
  expect((await load(MAIN)).reported).toEqual([
    'a.conf:6:14: cannot read up.conf: ENOENT: no such file or directory',
  ])
  expect((await load(MAIN, { files: { 'up.conf': node('a') } })).reported).toEqual([
    'a.conf:6:14: up.conf has no [UPSTREAM]',
  ])
  expect((await load(MAIN, { files: { 'up.conf': '[UPSTREAM]\n    Name x\n' } })).reported).toEqual([
    'a.conf:6:14: up.conf has no [NODE]',
  ])
})

test('options of a node have the conditions of those of the output, which has what the node has not', async () => {
  const plain = MAIN.replace('clock', 'dummy').replace('send', 'es')
  const own = `${node('a')}    Tls.Verify off\n    HTTP_Passwd p\n${node('b')}    HTTP_User u\n`
  const files = { 'up.conf': `[UPSTREAM]\n    Name x\n${own}` }
  const alone = await load(plain, { files, env: { H: 'h' }, registry })
  expect(alone.warnings).toEqual([
    'up.conf:7:5: [NODE] "Tls.Verify" has no effect without `tls on`',
    'up.conf:8:5: [NODE] "HTTP_Passwd" has no effect without `http_user`',
  ])
  const main = `${plain}    tls on\n    HTTP_User v\n`
  const both = await load(main, { files, env: { H: 'h' }, registry })
  expect([both.warnings, both.reported]).toEqual([[], []])
})

test('Host and Port beside Upstream have no effect, and say so', async () => {
  const main = `${MAIN.replace('clock', 'dummy').replace('send', 'es')}    Host other\n    Port 1\n`
  const files = { 'up.conf': `[UPSTREAM]\n    Name x\n${node('a')}${node('b')}` }
  const { warnings, plan } = await load(main, { files, env: { H: 'h' }, registry })
  expect(warnings).toEqual([
    'a.conf:7:5: [es] "Host" has no effect beside Upstream',
    'a.conf:8:5: [es] "Port" has no effect beside Upstream',
  ])
  expect(plan?.outputs[0]?.options).toMatchObject({ host: 'h.a', port: 24_300 })
})

test('two nodes of one name are a problem: messages could not tell which is meant', async () => {
  const main = MAIN.replace('clock', 'dummy').replace('send', 'es')
  const files = { 'up.conf': `[UPSTREAM]\n    Name x\n${node('a')}${node('b')}${node('a')}` }
  const { reported } = await load(main, { files, env: { H: 'h' }, registry })
  expect(reported).toEqual(['up.conf:12:10: a [NODE] with the name a is at up.conf:4:5 already'])
})

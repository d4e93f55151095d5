import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { type Running, start } from './process.ts'
import { debianProgram } from './release/debian.ts'
import { peerOrSkip } from './skip.ts'
import { tmp } from './tmp.ts'

const LIBRARIES = `lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`
const WHY = 'neither on PATH nor in packages of Debian that can be had'
const SHARED_BY_RSYSLOG = { 'libestr.so.0': 'libestr0', 'libfastjson.so.4': 'libfastjson4' }
const SHARED_BY_SYSLOG_NG = {
  'libivykis.so.0': 'libivykis0',
  'libnet.so.1': 'libnet1',
  'libjson-c.so.5': 'libjson-c5',
  'libwrap.so.0': 'libwrap0',
  'libglib-2.0.so.0': 'libglib2.0-0',
  'libpcre.so.3': 'libpcre3',
}

const rsyslogd = debianProgram('rsyslogd', 'rsyslog', 'usr/sbin/rsyslogd')
const syslogNg = debianProgram('syslog-ng', 'syslog-ng-core', 'usr/sbin/syslog-ng')

/** Returns a variable with the folders of libraries that packages have, by the names of these; installed ones are found anyway. */
function libraryPath(names: Record<string, string>, ...more: string[]): string {
  const folders = Object.entries(names).flatMap(([name, packageName]) => {
    const path =
      debianProgram(name, packageName, `usr/${LIBRARIES}/${name}`) ??
      debianProgram(name, packageName, `${LIBRARIES}/${name}`)
    return path === undefined ? [] : [dirname(path)]
  })
  return `LD_LIBRARY_PATH=${[...new Set([...folders, ...more])].join(':')}`
}

/** Returns true when the program and its libraries are there. */
function canRun(program: string | undefined, variable: string, flag: string): boolean {
  return program !== undefined && spawnSync('env', [variable, program, flag]).status === 0
}

/** Folder of the modules and libraries of an unpacked syslog-ng. */
const OWN_OF_SYSLOG_NG = resolve(dirname(syslogNg ?? ''), '../lib/syslog-ng')

/** `test` for cases that run rsyslog. */
export const testWithRsyslog = peerOrSkip(
  'rsyslogd',
  canRun(rsyslogd, libraryPath(SHARED_BY_RSYSLOG), '-v'),
  WHY,
  'nowhere',
)
/** `test` for cases that run syslog-ng. */
export const testWithSyslogNg = peerOrSkip(
  'syslog-ng',
  canRun(syslogNg, libraryPath(SHARED_BY_SYSLOG_NG, OWN_OF_SYSLOG_NG), '-V'),
  WHY,
  'nowhere',
)

/** Returns the folder of rsyslog's module for TLS, if it can be had. */
function driverFolders(): string[] {
  const driver = debianProgram('lmnsd_ossl.so', 'rsyslog-openssl', `usr/${LIBRARIES}/rsyslog/lmnsd_ossl.so`)
  return driver === undefined ? [] : [dirname(driver)]
}

/** `test` for cases that run rsyslog with TLS. */
export const testWithRsyslogTls =
  driverFolders().length > 0
    ? testWithRsyslog
    : peerOrSkip('rsyslog-openssl', false, 'no such package of Debian can be had', 'nowhere')

/** Starts rsyslog, which follows a file; `action`: the module and the action that send its lines. */
export function startRsyslog(file: string, action: string): Running {
  const input = `module(load="imfile")\ninput(type="imfile" File="${file}" Tag="app[7]:" Facility="local3" Severity="warning")\n`
  return runRsyslog(input + action)
}

/** How a daemon listens. */
export interface Listening {
  port: number
  mode: 'udp' | 'tcp' | 'tls'
  /** `newline` where it takes nothing else. */
  framing: 'newline' | 'octet_counting'
  format: 'rfc3164' | 'rfc5424'
  /** Paths of the certificate and its key, for `tls`. */
  cert: string
  key: string
}

/** Starts rsyslog, which writes what it receives to a file, as `application|text`. It finds out framing and format by itself. */
export function receiveByRsyslog(file: string, { port, mode, cert, key }: Listening): Running {
  const isTls = mode === 'tls'
  const module = mode === 'udp' ? 'imudp' : 'imtcp'
  const stream = isTls ? ' StreamDriver.Name="ossl" StreamDriver.Mode="1" StreamDriver.AuthMode="anon"' : ''
  const files = `DefaultNetstreamDriverCAFile="${cert}" DefaultNetstreamDriverCertFile="${cert}" DefaultNetstreamDriverKeyFile="${key}"`
  const driver = isTls ? `global(DefaultNetstreamDriver="ossl" ${files})\n` : ''
  const input = `${driver}module(load="${module}"${stream})\ninput(type="${module}" address="127.0.0.1" port="${port}")\n`
  const form = 'template(name="t" type="string" string="%app-name%|%msg%\\n")\n'
  return runRsyslog(`${input}${form}*.* action(type="omfile" file="${file}" template="t")`)
}

/** Starts syslog-ng, which writes what it receives to a file, as `application|text`. */
export function receiveBySyslogNg(file: string, listening: Listening): Running {
  const { port, mode, framing, format, cert, key } = listening
  const isCounted = framing === 'octet_counting'
  const flags = !isCounted && format === 'rfc5424' ? ' flags(syslog-protocol)' : ''
  const tls =
    mode === 'tls' ? ` tls(key-file("${key}") cert-file("${cert}") peer-verify(optional-untrusted))` : ''
  const source = `${isCounted ? 'syslog' : 'network'}(ip(127.0.0.1) port(${port}) transport("${mode}")${tls}${flags})`
  return runSyslogNg(source, `file("${file}" template("$PROGRAM|$MESSAGE\\n"));`)
}

function runRsyslog(text: string): Running {
  const dir = tmp()
  const conf = join(dir, 'rsyslog.conf')
  writeFileSync(conf, `global(workDirectory="${dir}")\n${text}\n`)
  const program = rsyslogd ?? ''
  const own = resolve(dirname(program), '..', LIBRARIES, 'rsyslog')
  const folders = [existsSync(own) ? own : `/usr/${LIBRARIES}/rsyslog`, ...driverFolders()]
  const modules = ['-M', folders.join(':')]
  const variable = libraryPath(SHARED_BY_RSYSLOG)
  return start([variable, program, '-n', '-f', conf, '-i', join(dir, 'pid'), ...modules], {
    command: ['env'],
  })
}

/** Starts syslog-ng, which follows a file; `destination`: the driver that sends its lines. */
export function startSyslogNg(file: string, destination: string): Running {
  const source = `file("${file}" follow-freq(0.1) read-old-records(yes) flags(no-parse) program-override("app") default-facility(local3) default-priority(warning))`
  return runSyslogNg(source, destination)
}

function runSyslogNg(source: string, destination: string): Running {
  const dir = tmp()
  const conf = join(dir, 'syslog-ng.conf')
  const program = syslogNg ?? ''
  const own = OWN_OF_SYSLOG_NG
  const version = (existsSync(own) ? readdirSync(own) : []).find((name) => /^\d+\.\d+$/.test(name)) ?? ''
  writeFileSync(
    conf,
    `@version: ${version === '' ? 'current' : version}\noptions { stats-freq(0); };\nsource s { ${source}; };\ndestination d { ${destination} };\nlog { source(s); destination(d); flags(flow-control); };\n`,
  )
  const files = ['-f', conf, '-p', join(dir, 'pid'), '-R', join(dir, 'persist'), '-c', join(dir, 'control')]
  const modules = version === '' ? [] : [`--module-path=${join(own, version)}`]
  const variable = libraryPath(SHARED_BY_SYSLOG_NG, own)
  return start([variable, program, '-F', '--no-caps', ...files, ...modules], { command: ['env'] })
}

import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { debianProgram } from '../test/support/release/debian.ts'

const LIBRARIES = `usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`

/**
 * Returns a function that makes the command of rsyslog from a file to Kafka; undefined if Debian's packages are neither
 * installed nor available.
 */
export function rsyslog():
  | ((job: { file: string; bootstrap: string; topic: string; directory: string }) => string[])
  | undefined {
  const program = debianProgram('rsyslogd', 'rsyslog', 'usr/sbin/rsyslogd')
  const library = (name: string, from: string) => debianProgram(name, from, `${LIBRARIES}/${name}`)
  const omkafka = library('rsyslog/omkafka.so', 'rsyslog-kafka')
  const imfile = library('rsyslog/imfile.so', 'rsyslog')
  const libraries = [library('libestr.so.0', 'libestr0'), library('libfastjson.so.4', 'libfastjson4')]
  libraries.push(library('librdkafka.so.1', 'librdkafka1'))
  if (program === undefined || omkafka === undefined || imfile === undefined) return undefined
  const path = libraries.flatMap((library) => (library === undefined ? [] : [dirname(library)])).join(':')
  return (job) => {
    const conf = join(job.directory, 'rsyslog.conf')
    writeFileSync(conf, configuration(job))
    const modules = `${dirname(imfile)}:${dirname(omkafka)}`
    const pid = join(job.directory, 'pid')
    return ['env', `LD_LIBRARY_PATH=${path}`, program, '-n', '-M', modules, '-i', pid, '-f', conf]
  }
}

function configuration(job: { file: string; bootstrap: string; topic: string; directory: string }): string {
  const settings = ['acks=all', 'enable.idempotence=true', 'compression.codec=none']
  return `
global(workDirectory="${job.directory}" maxMessageSize="64k")
module(load="imfile")
module(load="omkafka")
template(name="line" type="string" string="%msg%")
input(type="imfile" File="${job.file}" Tag="app" ruleset="out")
ruleset(name="out") {
  action(type="omkafka" broker=["${job.bootstrap}"] topic="${job.topic}" template="line"
    partitions.number="1" confParam=[${settings.map((setting) => `"${setting}"`).join(',')}]
    closeTimeout="10000")
}
`
}

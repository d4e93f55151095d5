import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { debianProgram } from '../test/support/release/debian.ts'

const LIBRARIES = `usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`

/** What runs rsyslog from a file to Kafka; undefined where Debian's packages are neither installed nor to be had. */
export function rsyslog():
  | ((job: { file: string; bootstrap: string; topic: string; folder: string }) => string[])
  | undefined {
  const program = debianProgram('rsyslogd', 'rsyslog', 'usr/sbin/rsyslogd')
  const part = (name: string, from: string) => debianProgram(name, from, `${LIBRARIES}/${name}`)
  const kafka = part('rsyslog/omkafka.so', 'rsyslog-kafka')
  const own = part('rsyslog/imfile.so', 'rsyslog')
  const libraries = [part('libestr.so.0', 'libestr0'), part('libfastjson.so.4', 'libfastjson4')]
  libraries.push(part('librdkafka.so.1', 'librdkafka1'))
  if (program === undefined || kafka === undefined || own === undefined) return undefined
  const path = libraries.flatMap((library) => (library === undefined ? [] : [dirname(library)])).join(':')
  return (job) => {
    const conf = join(job.folder, 'rsyslog.conf')
    writeFileSync(conf, configuration(job))
    const modules = `${dirname(own)}:${dirname(kafka)}`
    const pid = join(job.folder, 'pid')
    return ['env', `LD_LIBRARY_PATH=${path}`, program, '-n', '-M', modules, '-i', pid, '-f', conf]
  }
}

function configuration(job: { file: string; bootstrap: string; topic: string; folder: string }): string {
  const settings = ['acks=all', 'enable.idempotence=true', 'compression.codec=none']
  return `
global(workDirectory="${job.folder}" maxMessageSize="64k")
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

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { accessSync, constants, mkdirSync, readFileSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'
import { peerOrSkip } from '../skip.ts'

const CACHE = resolve(import.meta.dirname, '../../../.cache')
const HERE = import.meta.dirname
const SOURCES = [join(HERE, 'Broker.java'), join(HERE, 'Tool.java')]
const NEEDED = ['java', 'javac', 'mvn', 'flock']

/** True where a broker can be started: it needs JDK 17 or newer and Maven, which downloads the jars once. */
export const isKafkaPresent = missing().length === 0

/** Runs a test where a broker can be started. */
export const testWithKafka = peerOrSkip('kafka', isKafkaPresent, `no ${missing().join(', ')} on PATH`)

function missing(): string[] {
  const folders = (process.env.PATH ?? '').split(delimiter)
  return NEEDED.filter((name) => !folders.some((folder) => executable(join(folder, name))))
}

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

let known: string | undefined

/**
 * Returns the class path of the brokers and the tool. The first process downloads and compiles under a file lock, which
 * the kernel releases however the process ends; unfinished folders have another name.
 */
export function kafkaClassPath(): string {
  if (known !== undefined) return known
  mkdirSync(CACHE, { recursive: true })
  const pom = join(HERE, 'pom.xml')
  const lib = join(CACHE, `kafka-jars-${digest([pom])}`)
  const classes = join(CACHE, `kafka-classes-${digest([pom, ...SOURCES])}`)
  const download = `mvn -B -q dependency:copy-dependencies -f ${q(pom)} -DincludeScope=runtime -DoutputDirectory=${q(`${lib}.new`)}`
  const compile = `javac -nowarn -cp ${q(`${lib}/*`)} -d ${q(`${classes}.new`)} ${SOURCES.map(q).join(' ')}`
  const script = `
    [ -d ${q(lib)} ] || { rm -rf ${q(`${lib}.new`)}; ${download}; mv ${q(`${lib}.new`)} ${q(lib)}; }
    [ -d ${q(classes)} ] || { rm -rf ${q(`${classes}.new`)}; ${compile}; mv ${q(`${classes}.new`)} ${q(classes)}; }`
  const args = [join(CACHE, 'kafka.lock'), 'sh', '-ec', script]
  const done = spawnSync('flock', args, { encoding: 'utf8', timeout: 600_000 })
  if (done.status !== 0) throw new Error(`no jars of Kafka: ${done.stdout}${done.stderr}`)
  known = `${classes}${delimiter}${lib}/*`
  return known
}

/** Quotes an argument for sh. */
function q(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

function digest(paths: string[]): string {
  const hash = createHash('sha1')
  for (const path of paths) hash.update(readFileSync(path))
  return hash.digest('hex').slice(0, 10)
}

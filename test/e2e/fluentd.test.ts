import { expect, test } from 'bun:test'
import { appendFileSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join, resolve } from 'node:path'
import { encode } from '@msgpack/msgpack'
import { freePorts } from '../support/ports.ts'
import { start } from '../support/process.ts'
import { tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

const SAMPLE = resolve(import.meta.dirname, '../../conf/fluentd-style.conf')

/** Sends one record by the forward protocol, as a program with a library of 2013 does. */
function send(port: number, tag: string, record: object): Promise<void> {
  return new Promise((done, fail) => {
    const socket = connect(port, '127.0.0.1', () => socket.end(encode([tag, 1_385_769_600, record]), done))
    socket.on('error', fail)
  })
}

test('conf/fluentd-style.conf prints the record of a sender', async () => {
  const [port = 0] = await freePorts(1)
  const file = join(tmp(), 'sample.conf')
  writeFileSync(file, readFileSync(SAMPLE, 'utf8').replace('24224', String(port)))
  const agent = start(['-c', file])
  await agent.waitForStderr('listening on 127.0.0.1:')
  await send(port, 'app.web', { user: 'ü', code: 200 })
  await until(() => agent.stdout.includes('\n'))
  expect(agent.stdout).toBe('[0] app.web: [[1385769600.000000000, {}], {"user"=>"ü", "code"=>200}]\n')
  expect(await agent.stop()).toEqual({ code: 0, signal: null })
})

const FILES = (dir: string): string => `
<source>
  @type tail
  path ${dir}/*.log
  pos_file ${dir}/td.pos
  tag files.*
  @label @FILES
  <parse>
    @type none
  </parse>
</source>
<label @FILES>
  <filter files.**>
    @type record_transformer
    <record>
      tag \${tag}
    </record>
  </filter>
  <match files.**.b.log>
    @type null
  </match>
  <match **>
    @type copy
    <store>
      @type stdout
      <format>
        @type json
      </format>
    </store>
    <store>
      @type relabel
      @label @COPY
    </store>
  </match>
</label>
<label @COPY>
  <match **>
    @type file
    path ${dir}/out/copy
    <format>
      @type single_value
    </format>
    <buffer>
      flush_mode immediate
    </buffer>
  </match>
</label>
<match **>
  @type null
</match>
`

test('a pos_file is continued by the binary, labels, filters, relabel and copy apply in their order', async () => {
  const dir = tmp()
  const [a, b] = [join(dir, 'a.log'), join(dir, 'b.log')]
  writeFileSync(a, 'read by fluentd\nnew\n')
  writeFileSync(b, 'taken by null\n')
  const entry = (path: string, offset: number): string =>
    `${path}\t${offset.toString(16).padStart(16, '0')}\t${statSync(path).ino.toString(16).padStart(16, '0')}\n`
  writeFileSync(join(dir, 'td.pos'), entry(a, 16) + entry(b, 0))
  const file = join(dir, 'fluent.conf')
  writeFileSync(file, FILES(dir))
  const agent = start(['-c', file])
  await until(() => agent.stdout.includes('new'))
  appendFileSync(a, 'later\n')
  await until(() => agent.stdout.includes('later'))
  const tag = `files.${a.slice(1).replaceAll('/', '.')}`
  const records = agent.stdout.trim().split('\n')
  expect(records.map((line) => JSON.parse(line))).toEqual([
    { message: 'new', tag },
    { message: 'later', tag },
  ])
  await until(() => readFileSync(join(dir, 'out/copy.log'), 'utf8').includes('later'))
  expect(readFileSync(join(dir, 'out/copy.log'), 'utf8')).toBe('new\nlater\n')
  expect(await agent.stop()).toEqual({ code: 0, signal: null })
})

const FAILING = (dir: string): string => `
<source>
  @type tail
  path ${dir}/app.log
  pos_file ${dir}/app.pos
  read_from_head true
  tag app
  <parse>
    @type json
  </parse>
</source>
<filter app>
  @type record_transformer
  enable_ruby true
  <record>
    level \${record["level"].upcase}
  </record>
</filter>
<match app>
  @type file
  path ${dir}/good
  <format>
    @type json
  </format>
</match>
<label @ERROR>
  <match **>
    @type file
    path ${dir}/failed
    <format>
      @type json
    </format>
  </match>
</label>
`

test('records on which an expression fails go to the label @ERROR unchanged, and the others to their match', async () => {
  const dir = tmp()
  const lines = Array.from({ length: 1000 }, (_, i) =>
    JSON.stringify(i % 2 === 0 ? { i, level: 'info' } : { i }),
  )
  writeFileSync(join(dir, 'app.log'), `${lines.join('\n')}\n`)
  writeFileSync(join(dir, 'fluent.conf'), FAILING(dir))
  const agent = start(['-c', join(dir, 'fluent.conf')])
  const read = (name: string): object[] => {
    const text = existsSync(join(dir, name)) ? readFileSync(join(dir, name), 'utf8') : ''
    // The last line may not be complete yet.
    return text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line))
  }
  await until(() => read('good.log').length >= 500 && read('failed.log').length >= 500)
  expect(await agent.stop()).toEqual({ code: 0, signal: null })
  const numbers = Array.from({ length: 500 }, (_, i) => 2 * i)
  expect(read('good.log')).toEqual(numbers.map((i) => ({ i, level: 'INFO' })))
  expect(read('failed.log')).toEqual(numbers.map((i) => ({ i: i + 1 })))
})

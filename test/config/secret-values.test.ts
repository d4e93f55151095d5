import { expect, test } from 'bun:test'
import { folderOf, shipper } from '../support/cli.ts'

const env = { DB_PASSWORD: 'hunter2' }
const SECRET = /hunter2|S3CRET/

async function said(files: Record<string, string>, args: string[], given: NodeJS.ProcessEnv = env) {
  const cwd = folderOf(files)
  const { code, stdout, stderr } = await shipper(args, { cwd, env: given as Record<string, string> })
  return { code, stdout, stderr, text: stdout + stderr }
}

const HEAD = '[INPUT]\n    Name dummy\n    Tag app\n'

test('the value of a variable with a secret name is in no message, of a run or a check', async () => {
  const text = `${HEAD}[OUTPUT]\n    Name forward\n    Match *\n    Port \${DB_PASSWORD}\n`
  for (const args of [
    ['-c', 'a.conf'],
    ['-D', '-c', 'a.conf'],
    ['explain', '-c', 'a.conf'],
  ]) {
    const { code, text: all } = await said({ 'a.conf': text }, args)
    expect(code).toBe(1)
    expect(all).not.toMatch(SECRET)
    expect(all).toContain('not "******"; the value comes from ${DB_PASSWORD}')
  }
})

test('the default of such a variable, and one that fluentd reads, are masked', async () => {
  const classic = `${HEAD}[OUTPUT]\n    Name forward\n    Match *\n    Port \${TOKEN:-S3CRET}\n`
  expect((await said({ 'a.conf': classic }, ['-D', '-c', 'a.conf'])).text).not.toMatch(SECRET)
  const fluentd =
    '<source>\n  @type forward\n  port "#{ENV[\'DB_PASSWORD\']}"\n</source>\n<match **>\n  @type stdout\n</match>\n'
  const { code, text } = await said({ 'a.conf': fluentd }, ['-D', '-c', 'a.conf'])
  expect(code).toBe(1)
  expect(text).not.toMatch(SECRET)
})

test('a tag from such a variable is not in the plan', async () => {
  const text = '[INPUT]\n    Name dummy\n    Tag ${DB_PASSWORD}\n[OUTPUT]\n    Name null\n    Match *\n'
  const { code, stdout, text: all } = await said({ 'a.conf': text }, ['-D', '-c', 'a.conf'])
  expect(code).toBe(0)
  expect(all).not.toMatch(SECRET)
  expect(stdout).toContain('tag ******\n')
})

test('the password before a host is not in the message about a broker', async () => {
  const text = `${HEAD}[OUTPUT]\n    Name kafka\n    Match *\n    Topics a\n    Brokers u:S3CRET@host:1\n`
  const { stderr } = await said({ 'a.conf': text }, ['-c', 'a.conf'])
  expect(stderr).toContain('"******@host:1" in brokers is not host:port')
})

const YAML = `pipeline:
  inputs:
    - name: dummy
      processors:
        logs:
          - name: content_modifier
            action: insert
            key: password
            value: S3CRET1
      routes:
        logs:
          - name: r
            condition:
              op: and
              rules:
                - field: "$api_key"
                  op: in
                  value: [S3CRET2, S3CRET3]
            to:
              outputs: [o]
  outputs:
    - name: kafka
      alias: o
      topics: a
      rdkafka.sasl.pasword: S3CRET4
    - name: es
      match: '*'
      Cloud_Auth: elastic:S3CRET5
`

test('values that belong to a secret name are neither in the plan nor in what explain prints', async () => {
  const plan = await said({ 'a.yaml': YAML }, ['-D', '-c', 'a.yaml'])
  expect(plan.text).not.toMatch(SECRET)
  expect(plan.stdout).toContain('route r: $api_key in ****** -> o')
  const { text, stdout } = await said({ 'a.yaml': YAML }, ['explain', '-c', 'a.yaml'])
  expect(text).not.toMatch(SECRET)
  for (const line of [/ value +\*{6}\n/, /rdkafka\.sasl\.pasword +\*{6} /, /Cloud_Auth +\*{6}\n/])
    expect(stdout).toMatch(line)
})

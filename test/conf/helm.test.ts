import { expect, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { registry } from '../../src/registry.ts'
import { schemaViolations } from '../support/kubernetes/schema.ts'
import { run } from '../support/process.ts'
import { HELM, testWithHelm } from '../support/release/helm.ts'
import { tmp } from '../support/tmp.ts'

const DOCUMENTS = /^---$/m
const BLANKS = /\s+/g
const CONF = resolve(import.meta.dirname, '../../conf')
const CHART = join(CONF, 'helm/shipper')

interface Manifest {
  kind: string
  metadata: { name: string; labels?: object }
  data?: Record<string, string>
  spec?: { selector: unknown; template: { metadata: unknown; spec: object } }
  rules?: unknown
}

function helm(...args: string[]): { status: number | null; out: string } {
  const { status, stdout, stderr } = spawnSync(HELM, args, {
    encoding: 'utf8',
    env: { ...process.env, HOME: tmp() },
  })
  return { status, out: `${stdout}${stderr}` }
}

function template(...args: string[]): Manifest[] {
  const { status, out } = helm('template', 'shipper', CHART, '--namespace', 'shipper', ...args)
  expect([status, status === 0 ? '' : out]).toEqual([0, ''])
  return parsed(out)
}

function parsed(text: string): Manifest[] {
  return text
    .split(DOCUMENTS)
    .map((document) => Bun.YAML.parse(document) as Manifest | null)
    .filter((manifest) => manifest !== null && manifest !== undefined)
}

function only(all: Manifest[], kind: string): Manifest {
  const found = all.filter((m) => m.kind === kind)
  expect(found).toHaveLength(1)
  return found[0] as Manifest
}

/** Returns the sections and options, without comments, blank lines and indentation. */
function linesOf(conf = ''): string[] {
  const lines = conf.split('\n').map((line) => line.trim().replace(BLANKS, ' '))
  return lines.filter((line) => line !== '' && !line.startsWith('#'))
}

testWithHelm('helm lint passes, and an API server accepts every field', () => {
  expect(helm('lint', '--strict', CHART)).toMatchObject({ status: 0 })
  const more = ['--set', 'nodeSelector.a=b,podLabels.c=d,podAnnotations.e=f,imagePullSecrets[0].name=g']
  for (const args of [
    [],
    more,
    ['--set', 'tolerations=null,serviceAccount.create=false,rbac.create=false,quota.create=false'],
  ]) {
    expect(template(...args).flatMap(schemaViolations)).toEqual([])
  }
})

testWithHelm('the default values produce the manifests of conf/kubernetes', () => {
  const rendered = template()
  const directory = join(CONF, 'kubernetes')
  const plain = readdirSync(directory).flatMap((name) => parsed(readFileSync(join(directory, name), 'utf8')))
  const [ours, theirs] = [plain, rendered].map((all) => only(all, 'DaemonSet').spec?.template.spec)
  const image = { containers: [{ imagePullPolicy: 'IfNotPresent' }] }
  expect(theirs).toMatchObject(ours as object)
  expect(theirs).toMatchObject(image)
  expect(only(rendered, 'ClusterRole').rules).toEqual(only(plain, 'ClusterRole').rules)
  expect(only(rendered, 'ResourceQuota').spec).toEqual(only(plain, 'ResourceQuota').spec)
  const [config, chart] = [plain, rendered].map((all) =>
    linesOf(only(all, 'ConfigMap').data?.['shipper.conf']),
  )
  expect(chart).toEqual(config)
})

/** Values that a test sets, as a file. */
function withValues(values: object): string[] {
  const file = join(tmp(), 'values.json')
  writeFileSync(file, JSON.stringify(values))
  return ['-f', file]
}

async function checkConfiguration(map: Manifest): Promise<void> {
  const dir = tmp()
  for (const [name, text] of Object.entries(map.data ?? {})) writeFileSync(join(dir, name), text)
  const { code, stderr } = await run(['-c', join(dir, 'shipper.conf'), '-D'])
  expect([code, code === 0 ? '' : stderr]).toEqual([0, ''])
}

testWithHelm('kmsg, docker_events and ports each have one value, and change nothing else', async () => {
  const plain = JSON.stringify(template())
  for (const name of [
    'privileged',
    '/dev/kmsg',
    'docker.sock',
    'NET_BIND_SERVICE',
    '"Service"',
    'StatefulSet',
  ])
    expect(plain).not.toContain(name)

  const ports = [
    { name: 'syslog', port: 514, protocol: 'UDP', hostPort: 514 },
    { name: 'in', port: 5170 },
  ]
  const rendered = template(...withValues({ dockerEvents: { enabled: true }, ports }))
  expect(rendered.flatMap(schemaViolations)).toEqual([])
  const socket = { name: 'docker-socket', hostPath: { path: '/var/run/docker.sock', type: 'Socket' } }
  expect(only(rendered, 'DaemonSet').spec?.template.spec).toMatchObject({
    volumes: expect.arrayContaining([socket]),
    containers: [
      {
        securityContext: {
          allowPrivilegeEscalation: false,
          capabilities: { drop: ['ALL'], add: ['NET_BIND_SERVICE'] },
        },
        volumeMounts: expect.arrayContaining([{ name: 'docker-socket', mountPath: '/var/run/docker.sock' }]),
        ports: [
          { containerPort: 2020 },
          { containerPort: 514, protocol: 'UDP', hostPort: 514 },
          { containerPort: 5170, protocol: 'TCP' },
        ],
      },
    ],
  })
  expect(only(rendered, 'Service').spec).toEqual({
    selector: { 'app.kubernetes.io/name': 'shipper', 'app.kubernetes.io/instance': 'shipper' },
    internalTrafficPolicy: 'Local',
    ports: [
      { name: 'syslog', port: 514, targetPort: 514, protocol: 'UDP' },
      { name: 'in', port: 5170, targetPort: 5170, protocol: 'TCP' },
    ],
  } as never)
  await checkConfiguration(only(rendered, 'ConfigMap'))

  const kernel = template(...withValues({ kmsg: { enabled: true, options: { Prio_Level: 5 } } }))
  expect(kernel.flatMap(schemaViolations)).toEqual([])
  const { template: pod } = only(kernel, 'DaemonSet').spec as { template: { spec: { containers: object[] } } }
  const [container] = pod.spec.containers
  // An API server refuses a privileged container that may not escalate.
  expect(container).toMatchObject({ securityContext: { privileged: true, readOnlyRootFilesystem: true } })
  expect(JSON.stringify(container)).not.toContain('allowPrivilegeEscalation')
  expect(JSON.stringify(container)).toContain('"mountPath":"/dev/kmsg"')
  await checkConfiguration(only(kernel, 'ConfigMap'))
})

testWithHelm('kubernetesEvents.enabled produces the manifests of conf/kubernetes-events', async () => {
  const rendered = template('--set', 'kubernetesEvents.enabled=true')
  expect(rendered.flatMap(schemaViolations)).toEqual([])
  const directory = join(CONF, 'kubernetes-events')
  const plain = readdirSync(directory).flatMap((name) => parsed(readFileSync(join(directory, name), 'utf8')))
  expect(plain.flatMap(schemaViolations)).toEqual([])
  const ofEvents = rendered.filter(({ metadata }) => metadata.name.endsWith('-events'))
  const ours = only(plain, 'StatefulSet').spec as { template: { spec: object } }
  const chart = only(ofEvents, 'StatefulSet').spec as typeof ours
  expect(chart.template.spec).toMatchObject(ours.template.spec)
  expect({ ...chart, template: 0, selector: 0 }).toEqual({ ...ours, template: 0, selector: 0 } as never)
  expect(only(ofEvents, 'ClusterRole').rules).toEqual(only(plain, 'ClusterRole').rules)
  const [config, found] = [plain, ofEvents].map((all) =>
    linesOf(only(all, 'ConfigMap').data?.['shipper.conf']),
  )
  expect(found).toEqual(config)
  await checkConfiguration(only(ofEvents, 'ConfigMap'))

  const values = { enabled: true, storage: { size: '' }, options: { Kube_Namespace: 'prod' } }
  const small = template(...withValues({ kubernetesEvents: values, rbac: { create: false } }))
  expect(small.flatMap(schemaViolations)).toEqual([])
  expect(JSON.stringify(only(small, 'StatefulSet'))).toContain('"emptyDir":{}')
  expect(JSON.stringify(small)).not.toContain('volumeClaimTemplates')
  expect(JSON.stringify(small)).toContain('Kube_Namespace  prod')
})

testWithHelm('the agent accepts the configurations of the chart', async () => {
  const more = ['--set', 'extraConfig=[OUTPUT]\n    Name null\n    Match kube.*,tail.Skip_Empty_Lines=on']
  for (const args of [[], ['--set', 'output.kind=kafka'], more]) {
    const dir = tmp()
    const { data = {} } = only(template(...args), 'ConfigMap')
    for (const [name, text] of Object.entries(data)) writeFileSync(join(dir, name), text)
    const { code, stderr } = await run(['-c', join(dir, 'shipper.conf'), '-D'])
    expect([code, code === 0 ? '' : `${stderr}${data['shipper.conf']}`]).toEqual([0, ''])
  }
})

testWithHelm(
  'numbers of a values file are not written in exponent form, and secrets can be used',
  async () => {
    const dir = tmp()
    const values = `
tail: {Mem_Buf_Limit: 5242880}
service: {memoryLimit: 33554432, grace: 60}
image: {tag: 1.5}
output: {options: {Shared_Key: '\${KEY}', Retry_Limit: 1000000}}
env: [{name: KEY, valueFrom: {secretKeyRef: {name: forward, key: key}}}]
volumes: [{name: ca, secret: {secretName: ca}}]
volumeMounts: [{name: ca, mountPath: /etc/ca, readOnly: true}]
`
    writeFileSync(join(dir, 'values.yaml'), values)
    const rendered = template('-f', join(dir, 'values.yaml'))
    expect(rendered.flatMap(schemaViolations)).toEqual([])
    const conf = only(rendered, 'ConfigMap').data?.['shipper.conf'] ?? ''
    for (const line of [
      'Mem_Buf_Limit  5242880',
      'Memory_Limit  33554432',
      'Retry_Limit  1000000',
      'Grace         60',
    ])
      expect(conf).toContain(`${line}\n`)
    const text = JSON.stringify(only(rendered, 'DaemonSet'))
    for (const part of [
      '"secretKeyRef":{',
      '"secretName":"ca"',
      '"mountPath":"/etc/ca"',
      '"image":"shipper:1.5"',
    ])
      expect(text).toContain(part)
  },
)

testWithHelm('an option of the values replaces the option of the section, regardless of case', async () => {
  const dir = tmp()
  const values = `
tail: {path: /var/log/containers/*_prod_*.log, multiline.parser: 'docker, cri, java'}
kubernetes: {merge_log: off}
output: {options: {Match: kube.*}}
`
  writeFileSync(join(dir, 'values.yaml'), values)
  const { data = {} } = only(template('-f', join(dir, 'values.yaml')), 'ConfigMap')
  for (const [name, text] of Object.entries(data)) writeFileSync(join(dir, name), text)
  const { code, stderr } = await run(['-c', join(dir, 'shipper.conf'), '-D'])
  expect([code, stderr]).toEqual([0, ''])
  expect(data['shipper.conf']).not.toContain('/var/log/containers/*.log')
  expect(data['shipper.conf']).toContain('/var/log/containers/*_prod_*.log')
})

testWithHelm('the grace period includes preStopSleep, and the probes work on IPv6', async () => {
  const set = 'service.preStopSleep=15,service.grace=60,service.httpListen=::'
  const rendered = template('--set', set)
  expect(rendered.flatMap(schemaViolations)).toEqual([])
  expect(only(rendered, 'DaemonSet').spec?.template.spec).toMatchObject({
    terminationGracePeriodSeconds: 85,
    containers: [{ lifecycle: { preStop: { sleep: { seconds: 15 } } } }],
  })
  const conf = only(rendered, 'ConfigMap').data?.['shipper.conf'] ?? ''
  expect(conf).toContain('HTTP_Listen   ::\n')
  expect(JSON.stringify(template())).not.toContain('lifecycle')
})

testWithHelm('values that the chart does not know are rejected', () => {
  for (const [set, message] of [
    ['output.kind=elastic', "'/output/kind': value must be one of 'forward', 'kafka', 'es'"],
    ['outputs.kind=es', "additional properties 'outputs' not allowed"],
    ['output.kind=s3', 'output.options.bucket is missing: the output s3 requires it'],
    ['output.secretOptions.HTTP_Passwd.secret=a', "missing property 'key'"],
    ['aws.roleArn=logs', "'/aws/roleArn': 'logs' does not match pattern"],
  ] as const) {
    const { status, out } = helm('template', 'shipper', CHART, '--set', set)
    expect([set, status === 0]).toEqual([set, false])
    expect(out).toContain(message)
  }
})

/** Outputs of the machine itself: an agent in a container has nothing to write there. */
const LOCAL = ['stdout', 'file', 'null']

test('the schema of the values has every output, and every key of values.yaml', async () => {
  const schema = JSON.parse(readFileSync(join(CHART, 'values.schema.json'), 'utf8'))
  const { properties } = schema
  const outputs = registry.names('output').filter((name) => !LOCAL.includes(name))
  expect([...properties.output.properties.kind.enum].sort()).toEqual([...outputs].sort())
  const values = Bun.YAML.parse(readFileSync(join(CHART, 'values.yaml'), 'utf8')) as Record<string, object>
  expect(Object.keys(properties).filter((key) => key !== 'global')).toEqual(Object.keys(values))
  for (const key of ['output', 'aws', 'serviceAccount'])
    expect(Object.keys(properties[key].properties)).toEqual(Object.keys(values[key] as object))
})

test('the chart knows which options are required and which are secret', async () => {
  const helpers = readFileSync(join(CHART, 'templates/_helpers.tpl'), 'utf8')
  const defined = (name: string): unknown => {
    const text = new RegExp(`define "shipper.${name}" -}}\n([^{]*)`).exec(helpers)?.[1] ?? ''
    return Bun.YAML.parse(text)
  }
  const required: Record<string, string[]> = {}
  const secrets = new Set<string>()
  for (const name of registry.names('output')) {
    const { options = {} } = (await registry.find('output', name)) ?? {}
    const all = Object.entries(options)
    const own = all.filter(([, option]) => option.required === true).map(([option]) => option)
    if (own.length > 0) required[name] = own
    for (const [option, { secret }] of all) if (secret !== undefined) secrets.add(option)
  }
  expect(defined('required')).toEqual(required)
  expect(defined('secrets')).toEqual({ names: [...secrets].sort() })
})

testWithHelm('secrets, certificates and a role are there for the DaemonSet and for events', async () => {
  const rendered = template(
    ...withValues({
      output: {
        kind: 'opensearch',
        options: { Host: 'opensearch.logging.svc', HTTP_User: 'shipper' },
        secretOptions: { HTTP_Passwd: { secret: 'opensearch', key: 'password' } },
        tls: { caSecret: 'opensearch-ca', clientSecret: 'client' },
      },
      aws: { roleArn: 'arn:aws:iam::123456789012:role/logs' },
      kubernetesEvents: { enabled: true },
    }),
  )
  expect(rendered.flatMap(schemaViolations)).toEqual([])
  for (const map of rendered.filter(({ kind }) => kind === 'ConfigMap')) {
    const conf = linesOf(map.data?.['shipper.conf'])
    expect(conf.slice(conf.indexOf('[OUTPUT]'))).toEqual([
      '[OUTPUT]',
      'Name opensearch',
      'Match *',
      'tls on',
      'tls.ca_file /etc/shipper-ca/ca.crt',
      'tls.crt_file /etc/shipper-certificate/tls.crt',
      'tls.key_file /etc/shipper-certificate/tls.key',
      'HTTP_Passwd ${SHIPPER_HTTP_PASSWD}',
      'HTTP_User shipper',
      'Host opensearch.logging.svc',
    ])
  }
  for (const kind of ['DaemonSet', 'StatefulSet']) {
    const { spec } = only(rendered, kind) as unknown as {
      spec: {
        template: { spec: { containers: { env: object[]; volumeMounts: object[] }[]; volumes: object[] } }
      }
    }
    const { containers, volumes } = spec.template.spec
    expect(containers[0]?.env).toContainEqual({
      name: 'SHIPPER_HTTP_PASSWD',
      valueFrom: { secretKeyRef: { name: 'opensearch', key: 'password' } },
    })
    for (const [name, path] of [
      ['output-ca', '/etc/shipper-ca'],
      ['output-certificate', '/etc/shipper-certificate'],
    ])
      expect(containers[0]?.volumeMounts).toContainEqual({ name, mountPath: path, readOnly: true })
    expect(volumes).toContainEqual({ name: 'output-ca', secret: { secretName: 'opensearch-ca' } })
    expect(volumes).toContainEqual({ name: 'output-certificate', secret: { secretName: 'client' } })
  }
  const accounts = rendered.filter(({ kind }) => kind === 'ServiceAccount')
  expect(accounts).toHaveLength(2)
  for (const { metadata } of accounts)
    expect(metadata).toMatchObject({
      annotations: { 'eks.amazonaws.com/role-arn': 'arn:aws:iam::123456789012:role/logs' },
    })
})

testWithHelm('a secret among the options is refused unless it is a variable', () => {
  for (const [value, passes] of [
    ['hunter2', false],
    ['${A}hunter2', false],
    ['${A}', true],
  ] as const) {
    const options = { Splunk_Token: value }
    const { status, out } = helm(
      'template',
      'shipper',
      CHART,
      ...withValues({ output: { kind: 'splunk', options } }),
    )
    expect([value, status === 0]).toEqual([value, passes])
    expect(out.includes('use output.secretOptions.Splunk_Token')).toBe(!passes)
    if (!passes) expect(out).not.toContain('hunter2')
  }
})

import { expect, test } from 'bun:test'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { schemaViolations } from '../support/kubernetes/schema.ts'
import { run } from '../support/process.ts'
import { tmp } from '../support/tmp.ts'

const DOCUMENTS = /^---$/m
const GRACE = /Grace\s+(\d+)/
const DB_DIRECTORY = /DB\s+(\S+)\//
const DIRECTORY = resolve(import.meta.dirname, '../../conf/kubernetes')

interface PodSpec {
  priorityClassName: string
  terminationGracePeriodSeconds: number
  containers: { volumeMounts: { name: string; mountPath: string }[] }[]
  volumes: { name: string; hostPath?: object }[]
}

interface Manifest {
  kind: string
  metadata: { name: string; namespace?: string }
  data?: Record<string, string>
  spec?: { template: { spec: PodSpec } }
  rules?: { apiGroups: string[]; resources: string[]; verbs: string[] }[]
}

const all = readdirSync(DIRECTORY).flatMap((name) => {
  const documents = readFileSync(join(DIRECTORY, name), 'utf8').split(DOCUMENTS)
  return documents.map((text) => Bun.YAML.parse(text) as Manifest)
})

function only(kind: string): Manifest {
  const found = all.filter((m) => m.kind === kind)
  expect(found).toHaveLength(1)
  return found[0] as Manifest
}

test('the manifests have no field that an API server would reject', () => {
  expect(all.flatMap(schemaViolations)).toEqual([])
  expect(all.map((m) => m.kind).sort()).toEqual([
    'ClusterRole',
    'ClusterRoleBinding',
    'ConfigMap',
    'DaemonSet',
    'Namespace',
    'ResourceQuota',
    'ServiceAccount',
  ])
})

test('the check of manifests detects misspelled fields, wrong types and missing fields', () => {
  const good = only('DaemonSet')
  const text = JSON.stringify(good)
  const broken = (from: string, to: string): string[] => schemaViolations(JSON.parse(text.replace(from, to)))
  expect(broken('"volumeMounts"', '"volumesMounts"')).toEqual([
    'DaemonSet.spec.template.spec.containers[0].volumesMounts is not a field',
  ])
  expect(broken('"containerPort":2020', '"containerPort":"2020"')).toHaveLength(1)
  expect(broken('"image":', '"images":')).toHaveLength(2)
  expect(broken('apps/v1', 'apps/v1beta1')).toHaveLength(1)
})

test('the ClusterRole grants exactly the rights that the filter uses', () => {
  expect(only('ClusterRole').rules).toEqual([
    { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list', 'watch'] },
    { apiGroups: [''], resources: ['namespaces'], verbs: ['get'] },
  ])
})

test('the agent accepts the configuration of the manifests', async () => {
  const dir = tmp()
  for (const [name, text] of Object.entries(only('ConfigMap').data ?? {}))
    writeFileSync(join(dir, name), text)
  const { code, stderr } = await run(['-c', join(dir, 'shipper.conf'), '-D'])
  expect(stderr).not.toContain('no effect')
  expect(code).toBe(0)
})

test('terminationGracePeriodSeconds exceeds Grace, and the database is stored on the node', () => {
  const text = only('ConfigMap').data?.['shipper.conf'] ?? ''
  const grace = Number(GRACE.exec(text)?.[1])
  const pod = only('DaemonSet').spec?.template.spec as PodSpec
  expect(pod.terminationGracePeriodSeconds).toBeGreaterThan(grace + 5)
  const db = DB_DIRECTORY.exec(text)?.[1]
  const mounts = pod.containers[0]?.volumeMounts
  const name = mounts?.find((m) => m.mountPath === db)?.name
  const state = { path: '/var/lib/shipper', type: 'DirectoryOrCreate' }
  expect(pod.volumes.find((v) => v.name === name)?.hostPath).toEqual(state)
})

test('the quota allows the priority class of the pods', () => {
  const { spec } = only('ResourceQuota') as Manifest & { spec: object }
  const pod = only('DaemonSet').spec?.template.spec as PodSpec
  expect(spec).toMatchObject({
    scopeSelector: { matchExpressions: [{ scopeName: 'PriorityClass', values: [pod.priorityClassName] }] },
  })
})

/** Runs `shipper manifest` and returns its output. */
async function printed(...args: string[]): Promise<{ manifests: Manifest[]; config: string }> {
  const { code, stdout, stderr } = await run(['manifest', ...args])
  expect([code, stderr]).toEqual([0, ''])
  const manifests = stdout.split(DOCUMENTS).map((document) => Bun.YAML.parse(document) as Manifest)
  const map = manifests.find((m) => m.kind === 'ConfigMap')
  return { manifests, config: map?.data?.['shipper.conf'] ?? '' }
}

test('shipper manifest prints the manifests', async () => {
  const byKind = (list: Manifest[]) => Object.fromEntries(list.map((m) => [m.kind, m]))
  const { manifests } = await printed()
  expect(byKind(manifests)).toEqual(byKind(all))
})

test('shipper manifest prints how to apply its output, and no file name of the sources', async () => {
  const { stdout } = await run(['manifest'])
  expect(stdout).toStartWith('# By shipper manifest. To apply: kubectl apply -f FILE\napiVersion: v1\n')
  expect(stdout).not.toContain('conf/')
})

test('shipper manifest: an output without -m gets every record, as on the command line', async () => {
  for (const [args, expected] of [
    [[], 'name  kafka\n    match  *\n'],
    [['-m', 'kube.*'], 'name  kafka\n    match  kube.*\n'],
    [['-p', 'Match_Regex=^kube'], 'name  kafka\n    Match_Regex  ^kube\n'],
  ] as const) {
    const { config } = await printed('-o', 'kafka', ...args)
    expect(config).toEndWith(`[OUTPUT]\n    ${expected}`)
  }
})

test('shipper manifest takes output, image and namespace from its flags', async () => {
  const output = ['-o', 'kafka', '-p', 'brokers=a:9092,b:9092', '-p', 'topics=logs', '-m', '*']
  const { manifests, config } = await printed('--image', 'x/y:2', '--namespace', 'obs', ...output)
  expect(manifests.flatMap(schemaViolations)).toEqual([])
  const text = JSON.stringify(manifests)
  expect(text).toContain('"image":"x/y:2"')
  expect(text).not.toContain('"namespace":"shipper"')
  expect(config).toContain('[OUTPUT]\n    name  kafka\n    brokers  a:9092,b:9092\n')
  expect(config).not.toContain('forward')
  const dir = tmp()
  writeFileSync(join(dir, 'shipper.conf'), config)
  writeFileSync(join(dir, 'parsers.conf'), '')
  expect((await run(['-c', join(dir, 'shipper.conf'), '-D'])).code).toBe(0)
})

test('shipper manifest rejects invalid arguments', async () => {
  for (const [args, message] of [
    [['-o', 'kafka', '-p', 'borkers=a'], 'unknown option "borkers" (did you mean brokers?)'],
    [['-i', 'tail', '-p', 'path=a'], 'manifest takes one -o, and no [INPUT]'],
    [['--namespace', 'a b'], '--namespace "a b" is no name of a namespace'],
    [['--image', 'a: b'], '--image "a: b" is no name of an image'],
  ] as const) {
    const { code, stdout, stderr } = await run(['manifest', ...args])
    expect([code === 0, stdout]).toEqual([false, ''])
    expect(stderr).toContain(message)
  }
})

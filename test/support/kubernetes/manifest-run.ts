import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../../scripts/bootstrap.mjs'
import type { Guide } from '../guide.ts'
import { type Running, run, start } from '../process.ts'
import { HELM } from '../release/helm.ts'
import type { KubeApi } from './api-server.ts'
import type { KubeNode } from './node.ts'
import { NODE } from './pods.ts'
import { schemaViolations } from './schema.ts'

const DOCUMENTS = /^---$/m

export interface Manifest {
  kind: string
  data?: Record<string, string>
}

export function manifestsIn(yaml: string): Manifest[] {
  const all = yaml.split(DOCUMENTS).map((text) => Bun.YAML.parse(text) as Manifest | null)
  return all.filter((manifest) => manifest !== null && manifest !== undefined)
}

export interface ManifestRun {
  guide: Guide
  /** What `shipper manifest` has printed. */
  manifests: readonly Manifest[]
  node: KubeNode
  api: KubeApi
  /** Port of the HTTP server of the agent. */
  http: number
  /** Further texts of the configuration that are others here. */
  changes?: readonly (readonly [string, string])[]
  env?: Record<string, string>
}

/** Starts the agent with the configuration of the manifests, unchanged but for the node that it runs on. */
export function startManifest({
  guide,
  manifests,
  node,
  api,
  http,
  changes = [],
  env,
}: ManifestRun): Running {
  const logs = `${node.dir}/containers`
  const all: readonly (readonly [string, string])[] = [
    ['/var/log/containers/', `${logs}/`],
    ['/var/lib/shipper/', `${node.dir}/`],
    ['0.0.0.0', '127.0.0.1'],
    [' 2020', ` ${http}`],
    [
      'Match               kube.*\n',
      `Match kube.*\n    Kube_URL ${api.url}\n    Kube_Token_File ${node.dir}/account/token\n    Kube_Tag_Prefix kube${logs.replaceAll('/', '.')}.\n`,
    ],
    ...changes,
  ]
  const { data = {} } = manifests.find(({ kind }) => kind === 'ConfigMap') ?? {}
  for (const [name, text] of Object.entries(data)) {
    const ours = all.reduce((done, [from, to]) => done.replaceAll(from, to), text)
    writeFileSync(join(guide.dir, name), ours)
  }
  return start(['-c', join(guide.dir, 'shipper.conf')], { env: { NODE_NAME: NODE, ...env } })
}

/** Returns the manifests of a file in the folder of a guide. */
export function manifestsOf(guide: Guide, name: string): Manifest[] {
  return manifestsIn(readFileSync(join(guide.dir, name), 'utf8'))
}

/** What a guide is read with for `helmConfiguration`. */
export const HELM_REPLACEMENTS = { replacements: { 'conf/helm': join(ROOT, 'conf/helm') } }

/**
 * Runs `helm install` of a guide as `helm template`, checks its manifests against the API schema and the configuration in them with the
 * agent, and returns the configuration. `files`: contents of files that the pods would have.
 */
export async function helmConfiguration(
  guide: Guide,
  { files = {}, env = {} }: { files?: Record<string, string>; env?: Record<string, string> } = {},
): Promise<string> {
  let command = ''
  while (!command.startsWith('helm install')) command = guide.next('')
  const template = command.replace('helm install', `${HELM} template`).replace(' --create-namespace', '')
  const helm = guide.launch(template, { env: { HOME: guide.dir } })
  const { code } = await helm.ended()
  if (code !== 0) throw new Error(`${template} ended with ${code}: ${helm.stderr}`)
  const made = manifestsIn(helm.stdout)
  const violations = made.flatMap(schemaViolations)
  if (violations.length > 0) throw new Error(`the manifests do not fit the API: ${violations.join('\n')}`)
  const { data = {} } = made.find(({ kind }) => kind === 'ConfigMap') ?? {}
  const paths = Object.entries(files).map(([path, text], i) => [path, guide.file(`file-${i}`, text)] as const)
  for (const [name, text] of Object.entries(data))
    guide.file(
      name,
      paths.reduce((done, [from, to]) => done.replaceAll(from, to), text),
    )
  const checked = await run(['-c', join(guide.dir, 'shipper.conf'), '-D'], { env })
  if (checked.code !== 0) throw new Error(`the agent refuses the configuration: ${checked.stderr}`)
  return data['shipper.conf'] ?? ''
}

import configMap from '../../conf/kubernetes/config-map.yaml' with { type: 'text' }
import daemonSet from '../../conf/kubernetes/daemon-set.yaml' with { type: 'text' }
import namespaceYaml from '../../conf/kubernetes/namespace.yaml' with { type: 'text' }
import quota from '../../conf/kubernetes/quota.yaml' with { type: 'text' }
import rbac from '../../conf/kubernetes/rbac.yaml' with { type: 'text' }
import serviceAccount from '../../conf/kubernetes/service-account.yaml' with { type: 'text' }
import type { Section, Tree } from '../config/config-tree.ts'
import { ShipperError } from '../core/error.ts'

interface ManifestOptions {
  image: string
  /** Default: that of conf/kubernetes. */
  namespace: string | undefined
  /** Instead of the one in conf/kubernetes. */
  output: Section | undefined
}

/** In place of the first comment, which is of the folder. */
const HEAD = '# By shipper manifest. To apply: kubectl apply -f FILE\n'
const FOLDER_HEAD = /^#.*\n/
const IMAGE = /^( *image: ).*$/m
const NAMESPACE = /^( *namespace: )shipper$/gm
const NAMESPACE_NAME = /^( *name: )shipper$/m
/** From the section to the comment that is behind it, at the level of the other keys of the map. */
const OUTPUT = /^ {4}\[OUTPUT\]\n(?: {8}.*\n|\n)*/m
const MATCH = /^match(_regex)?$/i
const NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/
/** What would end the line, or the image's, in YAML or in the configuration. */
const ODD = /[\s#'"]/

/** The manifests of conf/kubernetes, which are in the program, with what the flags say. Throws E_CLI_USAGE. */
export function manifests({ image, namespace = 'shipper', output }: ManifestOptions): string {
  if (!NAME.test(namespace)) throw usage(`--namespace "${namespace}" is no name of a namespace`)
  if (image === '' || ODD.test(image)) throw usage(`--image "${image}" is no name of an image`)
  const config = output === undefined ? configMap : configMap.replace(OUTPUT, () => sectionText(output))
  const inSpace = (text: string) => text.replace(NAMESPACE, `$1${namespace}`)
  return [
    namespaceYaml.replace(FOLDER_HEAD, HEAD).replace(NAMESPACE_NAME, `$1${namespace}`),
    inSpace(quota),
    inSpace(serviceAccount),
    inSpace(rbac),
    inSpace(config),
    inSpace(daemonSet).replace(IMAGE, `$1${image}`),
  ]
    .map((text) => text.trimEnd())
    .join('\n---\n')
    .concat('\n')
}

/** The one output of the flags; undefined without one. What else they add has no place in the manifests. */
export function outputSection({ sections }: Tree): Section | undefined {
  const [output, second] = sections.filter(({ name }) => name === 'OUTPUT')
  const other = sections.find(({ name }) => name !== 'OUTPUT') ?? second
  if (other !== undefined)
    throw usage(`manifest takes one -o, and no [${other.name}]: change the configuration that it prints`)
  return output
}

/** As a block of the config map: every line at least as far in as the others. Without -m it gets all, as on a command line. */
function sectionText({ properties: entries }: Section): string {
  const lines = entries.map(({ key, value }) => {
    if (value.includes('\n')) throw usage(`-p ${key} has a line feed`)
    return `        ${key}  ${value}\n`
  })
  const matched = entries.some(({ key }) => MATCH.test(key))
  return `    [OUTPUT]\n${lines.join('')}${matched ? '' : '        match  *\n'}`
}

function usage(message: string): ShipperError {
  return new ShipperError('E_CLI_USAGE', message)
}

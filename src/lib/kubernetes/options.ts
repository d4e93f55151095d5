import { defineOptions, type OptionsOf } from '../../core/options/option.ts'
import type { Counters } from '../../core/services.ts'
import { isMissing, stat } from '../fs/file-system.ts'
import { checkApiUrl } from './address.ts'
import { KubeClient, type KubeHints } from './client.ts'
import { BearerToken } from './token.ts'

const TOKEN_DIRECTORY = '/var/run/secrets/kubernetes.io/serviceaccount'

/** Options of the API server, with fluent-bit's names and defaults. */
export const KUBE_API_OPTIONS = defineOptions({
  kube_url: {
    type: 'string',
    default: 'https://kubernetes.default.svc:443',
    help: 'URL of the API server, without user and query.',
    check: checkApiUrl,
  },
  kube_ca_file: {
    type: 'string',
    default: `${TOKEN_DIRECTORY}/ca.crt`,
    help: 'CA certificates for the API server.',
  },
  kube_ca_path: { type: 'string', help: 'Directory with further CA certificates: `*.crt` and `*.pem`.' },
  kube_token_file: {
    type: 'string',
    default: `${TOKEN_DIRECTORY}/token`,
    help: 'File with the bearer token; read again when it changes and after a 401.',
  },
})

export const KUBE_TLS_OPTIONS = defineOptions({
  'tls.verify': { type: 'bool', default: 'on', help: 'Verify the certificate of the API server or kubelet.' },
  'tls.verify_hostname': {
    type: 'bool',
    default: 'on',
    help: 'Verify that the certificate matches the host. fluent-bit’s default is off.',
  },
  'tls.vhost': {
    type: 'string',
    help: 'Host name for SNI and verification, instead of the host of the URL.',
  },
  'tls.debug': { type: 'int', default: '0', help: 'TLS log level.', ignored: 'TLS errors are always logged' },
})

type KubeOptions = OptionsOf<typeof KUBE_API_OPTIONS> & OptionsOf<typeof KUBE_TLS_OPTIONS>

interface KubeClientSettings {
  /** Base URL of the server. */
  url: string
  serverName: string | undefined
  /** Command that prints the token, see BearerToken, and how long it is good for in milliseconds. */
  tokenCommand?: string | undefined
  tokenTtlMs?: number
  /** See KubeClient. */
  maxObjectBytes: number
  agentVersion: string
  /** What the user of the plugin can do about failures; `token`: when the token cannot be read. */
  hints: KubeHints & { token: string }
  nowMs: () => number
  counters: Counters
}

/** Returns a client with the certificates and the token of the options. */
export function createKubeClient(options: KubeOptions, settings: KubeClientSettings): KubeClient {
  const { url, serverName, maxObjectBytes, hints, counters } = settings
  return new KubeClient({
    url,
    caFile: options.kubeCaFile,
    caPath: options.kubeCaPath,
    verify: options.tlsVerify,
    verifyHost: options.tlsVerifyHostname,
    serverName,
    token: new BearerToken({
      file: options.kubeTokenFile,
      command: settings.tokenCommand,
      ttlMs: settings.tokenTtlMs ?? 0,
      nowMs: settings.nowMs,
      hint: hints.token,
    }),
    userAgent: `shipper/${settings.agentVersion}`,
    maxObjectBytes,
    hints,
    counters,
  })
}

/** Returns what is missing, or not protected, of the credentials for the API server. */
export function credentialNotes(options: KubeOptions): string[] {
  const { kubeUrl, kubeTokenFile, kubeCaFile, kubeCaPath, tlsVerify } = options
  const isSecure = new URL(kubeUrl).protocol === 'https:'
  const hasToken = !isMissing(stat(kubeTokenFile))
  const notes: string[] = []
  if (!hasToken) notes.push(`Kube_Token_File ${kubeTokenFile} does not exist: requests have no token`)
  else if (!isSecure) notes.push('Kube_URL has no TLS: the token is sent in clear text')
  if (isSecure && tlsVerify && kubeCaPath === undefined && isMissing(stat(kubeCaFile)))
    notes.push(`Kube_CA_File ${kubeCaFile} does not exist: the certificates of the system apply`)
  return notes
}

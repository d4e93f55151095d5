import type { InvalidValue } from '../../core/options/checks.ts'
import { defineOptions, type Option } from '../../core/options/option.ts'

/** fluent-bit's options for TLS and the shared key of the forward protocol, which are not offered yet. */

const WAY = 'lead it through a tunnel, or leave this out where the network is safe'

/** What would be sent in the open, or without a key, where the configuration says otherwise, must not be started. */
function absent(must: string, what: string) {
  return (value: unknown): InvalidValue | undefined =>
    value === false || value === '' ? undefined : { must, hint: `there is no ${what} here yet: ${WAY}` }
}

function without(help: string, what: string): Option {
  return { type: 'string', help, ignored: `there is no ${what} yet` }
}

const OFF = { type: 'bool', default: 'false' } as const

export const UNSUPPORTED_SHARED_KEY = defineOptions({
  shared_key: {
    type: 'string',
    secret: true,
    check: absent('left out', 'shared key'),
    help: 'Not offered yet: a value is refused.',
  },
  empty_shared_key: {
    ...OFF,
    check: absent('off', 'shared key'),
    help: 'Not offered yet: on is refused.',
  },
  self_hostname: without('Name said with a shared key.', 'shared key'),
})

export const UNSUPPORTED_TLS = defineOptions({
  tls: { ...OFF, check: absent('off', 'TLS'), help: 'Not offered yet: on is refused.' },
  'tls.verify': without('Whether certificates are verified.', 'TLS'),
  'tls.verify_hostname': without('Whether names in certificates are verified.', 'TLS'),
  'tls.ca_file': without('Certificates of authorities.', 'TLS'),
  'tls.ca_path': without('Folder of certificates.', 'TLS'),
  'tls.crt_file': without('Certificate.', 'TLS'),
  'tls.key_file': without('Key of the certificate.', 'TLS'),
  'tls.key_passwd': without('Password of the key.', 'TLS'),
  'tls.vhost': without('Name that is asked for.', 'TLS'),
  'tls.min_version': without('Lowest version.', 'TLS'),
  'tls.max_version': without('Highest version.', 'TLS'),
  'tls.ciphers': without('Ciphers.', 'TLS'),
  'tls.debug': without('How much is said.', 'TLS'),
})

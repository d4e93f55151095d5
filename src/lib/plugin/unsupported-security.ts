import type { InvalidValue } from '../../core/options/checks.ts'
import { defineOptions, type Option } from '../../core/options/option.ts'

/** fluent-bit's options for TLS and the shared key of the forward protocol, which are not supported yet. */

const HINT = 'send through a tunnel, or leave this option out on a trusted network'

/** Returns a check that refuses to run without the protection that the configuration requests. */
function unsupported(must: string, what: string) {
  return (value: unknown): InvalidValue | undefined =>
    value === false || value === '' ? undefined : { must, hint: `${what} is not supported yet: ${HINT}` }
}

function ignored(help: string, what: string): Option {
  return { type: 'string', help, ignored: `${what} is not supported yet` }
}

const OFF = { type: 'bool', default: 'false' } as const

export const UNSUPPORTED_SHARED_KEY = defineOptions({
  shared_key: {
    type: 'string',
    secret: true,
    check: unsupported('left out', 'a shared key'),
    help: 'Not supported yet: a value is an error.',
  },
  empty_shared_key: {
    ...OFF,
    check: unsupported('off', 'a shared key'),
    help: 'Not supported yet: `on` is an error.',
  },
  self_hostname: ignored('Host name sent with a shared key.', 'a shared key'),
})

export const UNSUPPORTED_TLS = defineOptions({
  tls: { ...OFF, check: unsupported('off', 'TLS'), help: 'Not supported yet: `on` is an error.' },
  'tls.verify': ignored('Verify certificates.', 'TLS'),
  'tls.verify_hostname': ignored('Verify host names in certificates.', 'TLS'),
  'tls.ca_file': ignored('File with CA certificates.', 'TLS'),
  'tls.ca_path': ignored('Directory with CA certificates.', 'TLS'),
  'tls.crt_file': ignored('File with the certificate.', 'TLS'),
  'tls.key_file': ignored('File with the key of the certificate.', 'TLS'),
  'tls.key_passwd': ignored('Password of the key.', 'TLS'),
  'tls.vhost': ignored('Server name for SNI.', 'TLS'),
  'tls.min_version': ignored('Minimum TLS version.', 'TLS'),
  'tls.max_version': ignored('Maximum TLS version.', 'TLS'),
  'tls.ciphers': ignored('Allowed ciphers.', 'TLS'),
  'tls.debug': ignored('Debug level of TLS.', 'TLS'),
})

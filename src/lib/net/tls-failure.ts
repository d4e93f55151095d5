import { messageOf, systemCode } from '../../core/error.ts'

/** Why a connection with TLS has failed, as a clause about the peer, and what to do. */
interface TlsFailure {
  readonly reason: string
  readonly hint: string
}

const CA_HINT =
  'set tls.ca_file to the file with the certificate that signs the one of the peer (its CA), as PEM'

const FAILURES: Readonly<Record<string, TlsFailure>> = {
  CERT_HAS_EXPIRED: {
    reason: 'its certificate, or one that signs it, has expired',
    hint: 'renew the certificate at the peer, and check the clock of this machine',
  },
  CERT_NOT_YET_VALID: {
    reason: 'its certificate, or one that signs it, is not valid yet',
    hint: 'check the clocks of this machine and of the one that made the certificate',
  },
  DEPTH_ZERO_SELF_SIGNED_CERT: {
    reason: 'its certificate is self-signed and not trusted here',
    hint: 'set tls.ca_file to a file with that certificate, as PEM',
  },
  SELF_SIGNED_CERT_IN_CHAIN: {
    reason: 'its certificate is signed by an authority that is not trusted here',
    hint: CA_HINT,
  },
  UNABLE_TO_GET_ISSUER_CERT: {
    reason: 'the certificate of its issuer is not trusted here',
    hint: CA_HINT,
  },
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: {
    reason: 'the certificate of its issuer is not trusted here',
    hint: CA_HINT,
  },
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: {
    reason: 'the certificate of its issuer is not trusted here, and the peer does not send it',
    hint: `${CA_HINT}; or let the peer send its intermediate certificates as well`,
  },
  ERR_SSL_WRONG_VERSION_NUMBER: {
    reason: 'it answered without TLS',
    hint: 'the port probably speaks plain HTTP: use the TLS port, or set tls off',
  },
  ERR_SSL_HTTP_REQUEST: {
    reason: 'it answered with HTTP without TLS',
    hint: 'use the TLS port, or set tls off',
  },
  ERR_SSL_PACKET_LENGTH_TOO_LONG: {
    reason: 'it answered with something other than TLS',
    hint: 'use the TLS port, or set tls off',
  },
  ERR_SSL_UNSUPPORTED_PROTOCOL: {
    reason: 'it offers no TLS version that is allowed here',
    hint: 'see tls.min_version and tls.max_version',
  },
}

const CLIENT_CERT: TlsFailure = {
  reason: 'it requires a certificate from this side',
  hint: 'set tls.crt_file and tls.key_file to a certificate that the peer accepts',
}
const REFUSED_CERT: TlsFailure = {
  reason: 'it refuses the certificate of tls.crt_file',
  hint: 'set tls.crt_file to a certificate that has not expired and that the authority of the peer signs',
}

/** Alerts that the peer sends, without the version in their name. */
const ALERTS: Readonly<Record<string, TlsFailure>> = {
  CERTIFICATE_REQUIRED: CLIENT_CERT,
  NO_CERTIFICATE: CLIENT_CERT,
  CERTIFICATE_EXPIRED: REFUSED_CERT,
  CERTIFICATE_REVOKED: REFUSED_CERT,
  CERTIFICATE_UNKNOWN: REFUSED_CERT,
  BAD_CERTIFICATE: REFUSED_CERT,
  UNSUPPORTED_CERTIFICATE: REFUSED_CERT,
  UNKNOWN_CA: REFUSED_CERT,
  ACCESS_DENIED: REFUSED_CERT,
  PROTOCOL_VERSION: {
    reason: 'there is no version of TLS that both sides allow',
    hint: 'see tls.min_version and tls.max_version',
  },
  HANDSHAKE_FAILURE: {
    reason:
      'it ended the handshake: no version or cipher that both sides allow, or it requires a certificate from this side',
    hint: 'see tls.ciphers and tls.min_version, and set tls.crt_file and tls.key_file if the peer asks for certificates',
  },
  UNRECOGNIZED_NAME: {
    reason: 'it has no certificate for that server name',
    hint: 'set tls.vhost to a name that the peer serves',
  },
}

const ALERT = /_ALERT_(?:NUMBER_)?(\w+)$/
/** What OpenSSL calls failures of verification, besides those above. */
const VERIFICATION = /^(?:CERT_|CRL_|UNABLE_TO_|INVALID_|ERROR_IN_CERT|HOSTNAME_MISMATCH|PATH_LENGTH)/

/** Code of the error of a certificate for another name, as node:tls has it. */
export const WRONG_NAME = 'ERR_TLS_CERT_ALTNAME_INVALID'

/** Returns what an error of a connection with TLS means; undefined for one that has nothing to do with TLS. */
export function tlsFailureOf(error: unknown): TlsFailure | undefined {
  const code = systemCode(error) ?? ''
  const known = FAILURES[code]
  if (known !== undefined) return withCode(known, code)
  if (code === WRONG_NAME)
    return {
      reason: messageOf(error),
      hint: 'set the host, or tls.vhost, to a name of the certificate; tls.verify_hostname off accepts the certificate of any server',
    }
  const alert = ALERT.exec(code)?.[1]
  if (alert !== undefined)
    return withCode(
      ALERTS[alert] ?? {
        reason: `it ended the handshake with the alert ${alert.toLowerCase()}`,
        hint: 'see the log of the peer',
      },
      code,
    )
  if (VERIFICATION.test(code))
    return withCode({ reason: `its certificate is refused: ${messageOf(error)}`, hint: CA_HINT }, code)
  if (!code.startsWith('ERR_SSL_')) return undefined
  return withCode(
    {
      reason: 'the handshake failed',
      hint: 'check that the port speaks TLS, and see tls.min_version and tls.ciphers',
    },
    code,
  )
}

function withCode({ reason, hint }: TlsFailure, code: string): TlsFailure {
  return { reason: `${reason} (${code})`, hint }
}

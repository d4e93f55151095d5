/** Reasons of the counter `failed_handshakes`. */
export const HANDSHAKE_REASONS = {
  no_tls: 'the peer sent something else than TLS',
  tls_off: 'the peer sent TLS, and tls is off here; on no TLS port',
  refused: 'the peer ended it with an alert, as it refuses the certificate for example',
  client_cert: 'the peer sent no certificate, or one that tls.ca_file does not sign',
  mismatch: 'there is no version or cipher that both sides allow',
  timeout: 'it was not complete within 10 s, or after 3 s while other connections waited',
  closed: 'the peer closed the connection, as probes do and peers that refuse the certificate',
  other: 'other reasons, which the log has',
} as const

type HandshakeReason = keyof typeof HANDSHAKE_REASONS

/** Why a handshake has failed. */
export interface Failure {
  readonly reason: HandshakeReason
  /** Clause about the peer. */
  readonly text: string
  readonly hint?: string
  /** True for what is no mistake of anybody. */
  readonly isUsual?: true
}

const ALERT = /_ALERT_(\w+)$/
/** Alerts about the certificate of the other side. */
const CERTIFICATE = /CERT|UNKNOWN_CA/
/** What OpenSSL calls errors of its protocol. Others are those of a certificate that was verified. */
const PROTOCOL = /^ERR_/

const PLAIN_HINT = 'set the peer to TLS, or tls off here'
const REFUSED_HINT =
  'give the peer the certificate that signs tls.crt_file (its CA file), and connect to a name that is in the certificate'
const CLIENT_CERT_HINT =
  'give the peer a certificate that tls.ca_file signs, or set tls.verify_client_cert off'

const FAILURES: Readonly<Record<string, Failure>> = {
  ERR_SSL_WRONG_VERSION_NUMBER: {
    reason: 'no_tls',
    text: 'it sent something else than TLS, such as plain text',
    hint: PLAIN_HINT,
  },
  ERR_SSL_HTTP_REQUEST: {
    reason: 'no_tls',
    text: 'it sent HTTP without TLS',
    hint: 'use https:// at the peer, or set tls off here',
  },
  ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE: {
    reason: 'client_cert',
    text: 'it sent no certificate',
    hint: CLIENT_CERT_HINT,
  },
  // An alert that the peer sends before it encrypts is taken for an encrypted one.
  ERR_SSL_BAD_PACKET_LENGTH: {
    reason: 'refused',
    text: 'it ended the handshake, most likely as it refuses the certificate of tls.crt_file',
    hint: REFUSED_HINT,
  },
}

/** A peer that connects and goes is a probe more often than not. */
export const PROBE: Failure = {
  reason: 'closed',
  text: 'the peer closed the connection and had sent nothing',
  isUsual: true,
}

export const CLOSED: Failure = {
  reason: 'closed',
  text: 'the peer closed the connection before it was complete, as some do that refuse the certificate',
  hint: REFUSED_HINT,
}

const MISMATCHES = new Set([
  'ERR_SSL_UNSUPPORTED_PROTOCOL',
  'ERR_SSL_NO_SHARED_CIPHER',
  'ERR_SSL_NO_SHARED_GROUP',
  'ERR_SSL_NO_COMMON_SIGNATURE_ALGORITHMS',
  'ERR_SSL_WRONG_CIPHER_RETURNED',
])

/** Returns what an error of a handshake means. */
export function failureOf(code: string, message: string): Failure {
  const known = FAILURES[code]
  if (known !== undefined) return known
  const alert = ALERT.exec(code)?.[1]
  if (alert !== undefined) return alertOf(alert)
  if (MISMATCHES.has(code))
    return {
      reason: 'mismatch',
      text: `there is no version or cipher that both sides allow (${code})`,
      hint: 'see tls.min_version, tls.max_version and tls.ciphers',
    }
  if (code !== '' && !PROTOCOL.test(code))
    return {
      reason: 'client_cert',
      text: `its certificate is refused: ${message} (${code})`,
      hint: CLIENT_CERT_HINT,
    }
  return { reason: 'other', text: code === '' ? message : `${code}: what it sent cannot be read` }
}

function alertOf(alert: string): Failure {
  const name = alert.toLowerCase()
  if (CERTIFICATE.test(alert))
    return {
      reason: 'refused',
      text: `it refuses the certificate of tls.crt_file (alert ${name})`,
      hint: REFUSED_HINT,
    }
  return { reason: 'refused', text: `it ended the handshake with the alert ${name}` }
}

/** Type of a TLS record with a handshake, the first byte of its version, and the type of the message that a client begins with. */
const HANDSHAKE_RECORD = 22
const MAJOR_VERSION = 3
const CLIENT_HELLO = 1
const MAX_MINOR_VERSION = 4

/** Returns true for the first bytes of a client of TLS; `record = type major minor length(2) message`. */
export function isClientHello(bytes: Buffer): boolean {
  return (
    bytes[0] === HANDSHAKE_RECORD &&
    bytes[1] === MAJOR_VERSION &&
    (bytes[2] ?? MAX_MINOR_VERSION + 1) <= MAX_MINOR_VERSION &&
    bytes[5] === CLIENT_HELLO
  )
}

export const TLS_OFF: Failure = {
  reason: 'tls_off',
  text: 'it sent TLS, and tls is off here: the connection is closed',
  hint: 'set tls on with tls.crt_file and tls.key_file, or the peer to no TLS',
}

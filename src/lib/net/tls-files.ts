import type { SecureContextOptions, SecureVersion } from 'node:tls'
import { ShipperError } from '../../core/error.ts'
import type { Option } from '../../core/options/option.ts'

/** What inputs that listen with TLS and outputs that connect with it have in common: options and files. */

const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const
const MIN_VERSION = 'TLSv1.2'
const MAX_VERSION = 'TLSv1.3'

/** An option with a file that TLS needs. */
export const TLS_FILE = { type: 'string', needs: 'tls', isFile: true } as const

/** Options of the same meaning on both sides of a connection. */
export const TLS_COMMON_OPTIONS = {
  'tls.key_passwd': { type: 'string', needs: 'tls', secret: true, help: 'Password of the key.' },
  'tls.min_version': {
    type: 'enum',
    needs: 'tls',
    values: VERSIONS,
    help: `Minimum version. Default: ${MIN_VERSION}.`,
  },
  'tls.max_version': {
    type: 'enum',
    needs: 'tls',
    values: VERSIONS,
    help: `Maximum version. Default: ${MAX_VERSION}.`,
  },
  'tls.ciphers': { type: 'string', needs: 'tls', help: 'Allowed ciphers, as OpenSSL names them.' },
  'tls.debug': { type: 'int', help: 'Debug level of TLS.', ignored: 'see Log_Level' },
} as const satisfies Record<string, Option>

/** The options that both sides have. */
interface TlsCommonOptions {
  readonly tlsCrtFile: string | undefined
  readonly tlsKeyFile: string | undefined
  readonly tlsCaFile: string | undefined
  readonly tlsKeyPasswd?: string | undefined
  readonly tlsMinVersion?: (typeof VERSIONS)[number] | undefined
  readonly tlsMaxVersion?: (typeof VERSIONS)[number] | undefined
  readonly tlsCiphers?: string | undefined
}

/** Contents of the files; undefined where there is none. */
export interface Pem {
  cert: Buffer | undefined
  key: Buffer | undefined
  ca: Buffer | undefined
}

/** Throws E_CONFIG_BAD_VALUE for a minimum above the maximum. */
export function checkVersions(options: TlsCommonOptions): void {
  const { minVersion, maxVersion } = versionsOf(options)
  if (VERSIONS.indexOf(minVersion) > VERSIONS.indexOf(maxVersion))
    throw badTlsValue(
      'tls.min_version',
      `tls.min_version ${minVersion} is above tls.max_version ${maxVersion}`,
      { hint: 'nobody could connect: lower the one or raise the other' },
    )
}

/** Returns the contents of the files, each read by `read`. */
export function readPem(
  { tlsCrtFile, tlsKeyFile, tlsCaFile }: TlsCommonOptions,
  read: (path: string, option: string) => Buffer | undefined,
): Pem {
  const of = (option: string, path: string | undefined): Buffer | undefined =>
    path === undefined ? undefined : read(path, option)
  return {
    cert: of('tls.crt_file', tlsCrtFile),
    key: of('tls.key_file', tlsKeyFile),
    ca: of('tls.ca_file', tlsCaFile),
  }
}

/** Returns the options of node:tls that both sides have. */
export function contextOf(options: TlsCommonOptions, { cert, key, ca }: Pem): SecureContextOptions {
  const { tlsKeyPasswd, tlsCiphers } = options
  return {
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(ca === undefined ? {} : { ca }),
    ...(tlsKeyPasswd === undefined ? {} : { passphrase: tlsKeyPasswd }),
    ...(tlsCiphers === undefined ? {} : { ciphers: tlsCiphers }),
    ...versionsOf(options),
  }
}

function versionsOf(options: TlsCommonOptions): {
  minVersion: SecureVersion & (typeof VERSIONS)[number]
  maxVersion: SecureVersion & (typeof VERSIONS)[number]
} {
  const { tlsMinVersion = MIN_VERSION, tlsMaxVersion = MAX_VERSION } = options
  return { minVersion: tlsMinVersion, maxVersion: tlsMaxVersion }
}

/** Throws E_CONFIG_BAD_VALUE for the option whose value TLS cannot use, found by giving one after the other to it. */
export function checkPem(options: TlsCommonOptions, pem: Pem): void {
  const { cert, key, ca } = pem
  const { tlsCrtFile, tlsKeyFile, tlsCaFile, tlsCiphers, tlsKeyPasswd } = options
  if (cert !== undefined) checkCertificates('tls.crt_file', tlsCrtFile, cert)
  if (key !== undefined) checkKey(tlsKeyFile, key, tlsKeyPasswd)
  if (ca !== undefined) checkCertificates('tls.ca_file', tlsCaFile, ca)
  const { createSecureContext } = process.getBuiltinModule('node:tls')
  if (tlsCiphers !== undefined)
    attempt(
      () => createSecureContext({ ciphers: tlsCiphers }),
      'tls.ciphers',
      `tls.ciphers ${tlsCiphers} names no cipher that is known`,
      'write names of OpenSSL, separated by colons, e.g. ECDHE-RSA-AES128-GCM-SHA256',
    )
  if (cert === undefined || key === undefined) return
  attempt(
    () => createSecureContext(contextOf(options, pem)),
    'tls.key_file',
    `tls.key_file ${tlsKeyFile} does not belong to the certificate of tls.crt_file ${tlsCrtFile}`,
    'the first certificate of the file has to be that of the key, those that sign it follow',
  )
}

function checkCertificates(option: string, path: string | undefined, pem: Buffer): void {
  const text = pem.toString('latin1')
  const isKey = KEY.test(text) && !CERTIFICATE.test(text)
  const { X509Certificate } = process.getBuiltinModule('node:crypto')
  attempt(
    () => {
      if (!CERTIFICATE.test(text)) throw new Error('no PEM')
      new X509Certificate(pem)
    },
    option,
    `${option} ${path} ${isKey ? 'has a key, and no certificate' : 'has no certificate that can be read'}`,
    isKey ? 'write the path of the certificate here, and that of the key in tls.key_file' : PEM_HINT,
  )
}

function checkKey(path: string | undefined, key: Buffer, passphrase: string | undefined): void {
  const text = key.toString('latin1')
  const { createPrivateKey } = process.getBuiltinModule('node:crypto')
  const read = (): unknown => createPrivateKey({ key, ...(passphrase === undefined ? {} : { passphrase }) })
  if (ENCRYPTED.test(text)) {
    const what = passphrase === undefined ? 'needs a password' : 'cannot be read with tls.key_passwd'
    const option = passphrase === undefined ? 'tls.key_file' : 'tls.key_passwd'
    attempt(read, option, `tls.key_file ${path} ${what}`, 'set tls.key_passwd to the password of the key')
    return
  }
  const isCertificate = CERTIFICATE.test(text) && !KEY.test(text)
  attempt(
    read,
    'tls.key_file',
    `tls.key_file ${path} ${isCertificate ? 'has a certificate, and no key' : 'has no key that can be read'}`,
    isCertificate ? 'write the path of the key here, and that of the certificate in tls.crt_file' : PEM_HINT,
  )
}

const CERTIFICATE = /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----/
const KEY = /-----BEGIN (?:\w+ )*PRIVATE KEY-----/
const ENCRYPTED = /-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: *4, *ENCRYPTED/m
const PEM_HINT =
  'the file has to be PEM, text with a line -----BEGIN ...-----; `openssl x509 -inform DER` and `openssl pkey -inform DER` convert'

function attempt(run: () => unknown, option: string, message: string, hint: string): void {
  try {
    run()
  } catch (cause) {
    throw badTlsValue(option, message, { cause, hint })
  }
}

/** Returns the error of an option for TLS. */
export function badTlsValue(
  option: string,
  message: string,
  more: { hint?: string; cause?: unknown } = {},
): ShipperError {
  return new ShipperError('E_CONFIG_BAD_VALUE', message, { option, ...more })
}

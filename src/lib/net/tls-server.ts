import { readFileSync } from 'node:fs'
import type { TlsOptions } from 'node:tls'
import { reasonOf, ShipperError } from '../../core/error.ts'
import { defineOptions, type OptionsOf } from '../../core/options/option.ts'

/** An option with a file that TLS needs. */
const FILE = { type: 'string', needs: 'tls', isFile: true } as const
const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const
const MIN_VERSION = 'TLSv1.2'
const MAX_VERSION = 'TLSv1.3'

/** fluent-bit's options for TLS of an input that listens. */
export const TLS_SERVER_OPTIONS = defineOptions({
  tls: {
    type: 'bool',
    default: 'false',
    help: 'Accept TLS only. Needs `tls.crt_file` and `tls.key_file`.',
  },
  'tls.crt_file': {
    ...FILE,
    help: 'File with the certificate, and those that sign it, as PEM.',
  },
  'tls.key_file': { ...FILE, help: 'File with the key of the certificate, as PEM.' },
  'tls.key_passwd': { type: 'string', needs: 'tls', secret: true, help: 'Password of the key.' },
  'tls.ca_file': {
    ...FILE,
    help: 'File with the certificates that sign those of clients, as PEM, for `tls.verify_client_cert`.',
  },
  'tls.verify_client_cert': {
    type: 'bool',
    default: 'false',
    help: 'Refuse clients without a certificate that `tls.ca_file` signs.',
  },
  'tls.min_version': {
    type: 'enum',
    needs: 'tls',
    values: VERSIONS,
    help: 'Minimum version. Default: TLSv1.2.',
  },
  'tls.max_version': {
    type: 'enum',
    needs: 'tls',
    values: VERSIONS,
    help: 'Maximum version. Default: TLSv1.3.',
  },
  'tls.ciphers': { type: 'string', needs: 'tls', help: 'Allowed ciphers, as OpenSSL names them.' },
  'tls.verify': {
    type: 'bool',
    default: 'true',
    help: 'Verify certificates of servers.',
    ignored: 'it is about outputs: see tls.verify_client_cert',
  },
  'tls.verify_hostname': {
    type: 'bool',
    default: 'false',
    help: 'Verify host names of servers.',
    ignored: 'it is about outputs',
  },
  'tls.ca_path': { type: 'string', help: 'Directory with CA certificates.', ignored: 'set tls.ca_file' },
  'tls.vhost': { type: 'string', help: 'Server name for SNI.', ignored: 'it is about outputs' },
  'tls.debug': { type: 'int', help: 'Debug level of TLS.', ignored: 'see Log_Level' },
})

type TlsServerOptions = OptionsOf<typeof TLS_SERVER_OPTIONS>

/**
 * Throws E_CONFIG_BAD_VALUE for options that do not go together, and for files that are not what they are named for. Files that are
 * not there or cannot be read are passed over: a check may run as another user, and `readTlsServer` follows.
 */
export function checkTlsServer(options: TlsServerOptions): void {
  if (!options.tls) {
    // Other options without TLS are warned of; without this one anybody could send.
    if (options.tlsVerifyClientCert)
      throw badValue('tls.verify_client_cert', 'tls.verify_client_cert needs tls on', {
        hint: 'set tls on with tls.crt_file, tls.key_file and tls.ca_file; without TLS clients are not asked for certificates',
      })
    return
  }
  if (options.tlsCrtFile === undefined) throw badValue('tls', 'tls needs tls.crt_file')
  if (options.tlsKeyFile === undefined) throw badValue('tls', 'tls needs tls.key_file')
  if (options.tlsVerifyClientCert && options.tlsCaFile === undefined)
    throw badValue('tls.verify_client_cert', 'tls.verify_client_cert needs tls.ca_file')
  const { tlsMinVersion = MIN_VERSION, tlsMaxVersion = MAX_VERSION } = options
  if (VERSIONS.indexOf(tlsMinVersion) > VERSIONS.indexOf(tlsMaxVersion))
    throw badValue(
      'tls.min_version',
      `tls.min_version ${tlsMinVersion} is above tls.max_version ${tlsMaxVersion}`,
      { hint: 'no client could connect: lower the one or raise the other' },
    )
  const pem = readPem(options, (path) => {
    try {
      return readFileSync(path)
    } catch {
      return undefined
    }
  })
  checkPem(options, pem)
}

/** Reads the files and returns the options of node:tls; undefined without TLS. Throws E_CONFIG_BAD_VALUE. */
export function readTlsServer(options: TlsServerOptions): TlsOptions | undefined {
  if (!options.tls) return undefined
  const { tlsVerifyClientCert } = options
  const pem = readPem(options, (path, option) => {
    try {
      return readFileSync(path)
    } catch (cause) {
      throw badValue(option, `${option} ${path} cannot be read: ${reasonOf(cause)}`, {
        cause,
        hint: 'check the path, and let the user of the agent read the file',
      })
    }
  })
  checkPem(options, pem)
  return {
    ...contextOf(options, pem),
    requestCert: tlsVerifyClientCert,
    rejectUnauthorized: tlsVerifyClientCert,
  }
}

/** Contents of the files; undefined where there is none. */
interface Pem {
  cert: Buffer | undefined
  key: Buffer | undefined
  ca: Buffer | undefined
}

function readPem(
  { tlsCrtFile, tlsKeyFile, tlsCaFile }: TlsServerOptions,
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

function contextOf(options: TlsServerOptions, { cert, key, ca }: Pem): TlsOptions {
  const { tlsKeyPasswd, tlsCiphers } = options
  const { tlsMinVersion = MIN_VERSION, tlsMaxVersion = MAX_VERSION } = options
  return {
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(ca === undefined ? {} : { ca }),
    ...(tlsKeyPasswd === undefined ? {} : { passphrase: tlsKeyPasswd }),
    ...(tlsCiphers === undefined ? {} : { ciphers: tlsCiphers }),
    minVersion: tlsMinVersion,
    maxVersion: tlsMaxVersion,
  }
}

/** Throws E_CONFIG_BAD_VALUE for the option whose value a server of TLS cannot use, found by giving one after the other to one. */
function checkPem(options: TlsServerOptions, pem: Pem): void {
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
  const isKey = KEY.test(pem.toString('latin1')) && !CERTIFICATE.test(pem.toString('latin1'))
  const { X509Certificate } = process.getBuiltinModule('node:crypto')
  attempt(
    () => {
      if (!CERTIFICATE.test(pem.toString('latin1'))) throw new Error('no PEM')
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
    throw badValue(option, message, { cause, hint })
  }
}

function badValue(
  option: string,
  message: string,
  more: { hint?: string; cause?: unknown } = {},
): ShipperError {
  return new ShipperError('E_CONFIG_BAD_VALUE', message, { option, ...more })
}

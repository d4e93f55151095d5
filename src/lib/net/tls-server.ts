import { readFileSync } from 'node:fs'
import type { TlsOptions } from 'node:tls'
import { reasonOf } from '../../core/error.ts'
import { defineOptions, type OptionsOf } from '../../core/options/option.ts'
import {
  badTlsValue,
  checkPem,
  checkVersions,
  contextOf,
  readPem,
  TLS_COMMON_OPTIONS,
  TLS_FILE,
} from './tls-files.ts'

/** fluent-bit's options for TLS of an input that listens. */
export const TLS_SERVER_OPTIONS = defineOptions({
  tls: {
    type: 'bool',
    default: 'false',
    help: 'Accept TLS only. Needs `tls.crt_file` and `tls.key_file`.',
  },
  'tls.crt_file': {
    ...TLS_FILE,
    help: 'File with the certificate, and those that sign it, as PEM.',
  },
  'tls.key_file': { ...TLS_FILE, help: 'File with the key of the certificate, as PEM.' },
  'tls.ca_file': {
    ...TLS_FILE,
    help: 'File with the certificates that sign those of clients, as PEM, for `tls.verify_client_cert`.',
  },
  'tls.verify_client_cert': {
    type: 'bool',
    default: 'false',
    help: 'Refuse clients without a certificate that `tls.ca_file` signs.',
  },
  ...TLS_COMMON_OPTIONS,
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
})

type TlsServerOptions = OptionsOf<typeof TLS_SERVER_OPTIONS>

/**
 * Throws E_CONFIG_BAD_VALUE for options that do not go together, and for files that are not what they are named for. Files that are
 * missing or cannot be read are skipped: a check may run as another user, and `readTlsServer` follows.
 */
export function checkTlsServer(options: TlsServerOptions): void {
  if (!options.tls) {
    // Other options without TLS are warned of; without this one anybody could send.
    if (options.tlsVerifyClientCert)
      throw badTlsValue('tls.verify_client_cert', 'tls.verify_client_cert needs tls on', {
        hint: 'set tls on with tls.crt_file, tls.key_file and tls.ca_file; without TLS clients are not asked for certificates',
      })
    return
  }
  if (options.tlsCrtFile === undefined) throw badTlsValue('tls', 'tls needs tls.crt_file')
  if (options.tlsKeyFile === undefined) throw badTlsValue('tls', 'tls needs tls.key_file')
  if (options.tlsVerifyClientCert && options.tlsCaFile === undefined)
    throw badTlsValue('tls.verify_client_cert', 'tls.verify_client_cert needs tls.ca_file')
  checkVersions(options)
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
      throw badTlsValue(option, `${option} ${path} cannot be read: ${reasonOf(cause)}`, {
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

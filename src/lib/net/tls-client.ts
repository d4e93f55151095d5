import { isIP } from 'node:net'
import type { ConnectionOptions, PeerCertificate } from 'node:tls'
import { messageOf } from '../../core/error.ts'
import { defineOptions, type Needs, type OptionsOf } from '../../core/options/option.ts'
import type { Clock, Logger } from '../../core/services.ts'
import { FsFailure, readRegular, readWhole } from '../fs/file-system.ts'
import { certificatesIn, fileMark, folderMark } from './tls-authorities.ts'
import { WRONG_NAME } from './tls-failure.ts'
import {
  badTlsValue,
  checkPem,
  checkVersions,
  contextOf,
  type Pem,
  readPem,
  TLS_COMMON_OPTIONS,
  TLS_FILE,
} from './tls-files.ts'

/** fluent-bit's options for TLS of what connects: one table for all plugins. */
export const TLS_CLIENT_OPTIONS = defineOptions({
  tls: { type: 'bool', default: 'false', help: 'Connect with TLS.' },
  'tls.verify': {
    type: 'bool',
    default: 'true',
    needs: 'tls',
    help: 'Verify the certificate of the peer. `off`: anyone on the network path can read and change everything.',
  },
  'tls.verify_hostname': {
    type: 'bool',
    default: 'true',
    needs: 'tls',
    help: 'Verify that the certificate is for the host, or for `tls.vhost`. Off by default in fluent-bit, which then accepts the certificate of any server.',
  },
  'tls.ca_file': {
    ...TLS_FILE,
    help: 'File with the trusted CA certificates, as PEM. Default: those of the system, if `tls.ca_path` is not set either.',
  },
  'tls.ca_path': {
    type: 'string',
    needs: 'tls',
    isFolder: true,
    help: 'Directory with PEM files of trusted CA certificates, in addition to `tls.ca_file`.',
  },
  'tls.crt_file': {
    ...TLS_FILE,
    help: 'File with the client certificate and its chain, as PEM. Needs `tls.key_file`. New connections use the current contents of the files, so certificates can be renewed without a restart.',
  },
  'tls.key_file': { ...TLS_FILE, help: 'File with the key of `tls.crt_file`, as PEM.' },
  'tls.vhost': {
    type: 'string',
    needs: 'tls',
    help: 'Server name for SNI and the certificate check, instead of the host.',
  },
  ...TLS_COMMON_OPTIONS,
})

/** Returns the table for a plugin where TLS is on by other options, too: `needs` are the conditions of the options for it. */
export function tlsClientOptions(needs: Needs): typeof TLS_CLIENT_OPTIONS {
  const options = Object.entries(TLS_CLIENT_OPTIONS).map(([name, option]) => [
    name,
    'needs' in option ? { ...option, needs } : option,
  ])
  return Object.fromEntries(options) as typeof TLS_CLIENT_OPTIONS
}

export type TlsClientOptions = OptionsOf<typeof TLS_CLIENT_OPTIONS>

/** Maximum size of a file with certificates or a key: more than all authorities of a system together. */
const MAX_FILE_BYTES = 4_000_000
const DAY_MS = 86_400_000
/** Time before the end of the own certificate from which on that is said at the start. */
const SOON_MS = 14 * DAY_MS

/**
 * Throws E_CONFIG_BAD_VALUE for options that do not go together, and for files that are not what they are named for. Files that are
 * missing or cannot be read are skipped: a check may run as another user, and `readTlsClient` follows. To be called when the
 * plugin is created.
 */
export function checkTlsClient(options: TlsClientOptions): void {
  if (!options.tls) return
  const { tlsCrtFile, tlsKeyFile } = options
  if ((tlsCrtFile === undefined) !== (tlsKeyFile === undefined)) {
    const [there, missing] =
      tlsCrtFile === undefined ? ['tls.key_file', 'tls.crt_file'] : ['tls.crt_file', 'tls.key_file']
    throw badTlsValue(there, `${there} needs ${missing}`, {
      hint: 'set both the certificate and its key, or neither',
    })
  }
  checkVersions(options)
  const pem = readPem(options, (path) => {
    const content = readRegular(path, MAX_FILE_BYTES)
    return content instanceof FsFailure ? undefined : content
  })
  checkPem(options, pem)
}

/**
 * Reads the files; undefined without TLS. Throws E_CONFIG_BAD_VALUE for those that are missing, cannot be read or do not fit. Warns
 * of a certificate of its own that has ended, and of verification that is off. To be called when the plugin starts.
 */
export function readTlsClient(
  options: TlsClientOptions,
  ctx: { readonly log: Logger; readonly clock: Clock },
): TlsClient | undefined {
  if (!options.tls) return undefined
  checkTlsClient(options)
  return new TlsClient(options, ctx.log, ctx.clock)
}

/** TLS of the connections of one plugin, with what the files had at the last new connection. */
export class TlsClient {
  readonly #options: TlsClientOptions
  readonly #log: Logger
  readonly #clock: Clock
  #context: ConnectionOptions
  /** What the files looked like when they were read. */
  #mark: string

  constructor(options: TlsClientOptions, log: Logger, clock: Clock) {
    this.#options = options
    this.#log = log
    this.#clock = clock
    this.#mark = this.#markNow()
    this.#context = this.#read()
    if (!options.tlsVerify)
      log.warn('tls.verify is off: anyone on the network path can read and change the records')
  }

  /**
   * Returns the options of node:tls for a new connection to a host. Files that have changed are read again; where that fails, as
   * between the replacement of a certificate and that of its key, what was read before is used, with a warning.
   */
  connectionOptions(host: string): ConnectionOptions {
    this.#refresh()
    const { tlsVerify, tlsVerifyHostname, tlsVhost } = this.#options
    const name = tlsVhost ?? unbracketed(host)
    const { checkServerIdentity } = process.getBuiltinModule('node:tls')
    const check = (_: string, certificate: PeerCertificate): Error | undefined => {
      const error = tlsVerifyHostname ? checkServerIdentity(name, certificate) : undefined
      return error && wrongName(name, certificate, error)
    }
    return {
      ...this.#context,
      // RFC 6066 allows no address as a server name, but the certificate may be issued for one.
      ...(isIP(name) === 0 ? { servername: name } : {}),
      rejectUnauthorized: tlsVerify,
      checkServerIdentity: check,
    }
  }

  #refresh(): void {
    const mark = this.#markNow()
    if (mark === this.#mark) return
    try {
      checkTlsClient(this.#options)
      this.#context = this.#read()
      this.#log.info('the TLS files have changed: new connections use their current contents')
    } catch (error) {
      this.#log.warn(
        `the TLS files have changed and cannot be used, still using the previous ones: ${messageOf(error)}`,
      )
    }
    // Also after a failure, which is said once; the file that makes it good changes the mark again.
    this.#mark = mark
  }

  #markNow(): string {
    const { tlsCaFile, tlsCaPath, tlsCrtFile, tlsKeyFile } = this.#options
    const files = [tlsCaFile, tlsCrtFile, tlsKeyFile].map((path) =>
      path === undefined ? '' : fileMark(path),
    )
    return [...files, tlsCaPath === undefined ? '' : folderMark(tlsCaPath)].join('\n')
  }

  #read(): ConnectionOptions {
    const options = this.#options
    const pem = readPem(options, readOptionFile)
    checkPem(options, pem)
    this.#checkEnd(pem)
    const { ca: _, ...context } = contextOf(options, pem)
    const authorities = certificatesIn(pem.ca, options.tlsCaPath)
    return { ...context, ...(authorities !== undefined && { ca: authorities }) }
  }

  /** Warns of an own certificate that has ended, or does so soon: the peer is the one that refuses it. */
  #checkEnd({ cert }: Pem): void {
    if (cert === undefined) return
    const { X509Certificate } = process.getBuiltinModule('node:crypto')
    const { validTo } = new X509Certificate(cert)
    const leftMs = Date.parse(validTo) - this.#clock.nowMs()
    if (!(leftMs < SOON_MS)) return
    const what = leftMs < 0 ? 'has ended on' : 'ends on'
    this.#log.warn(
      `the certificate of tls.crt_file ${this.#options.tlsCrtFile} ${what} ${validTo}: replace it, peers refuse an expired certificate`,
    )
  }
}

/** Most characters of the names of a certificate in a message: one may be for hundreds. */
const MAX_NAMES = 300

function wrongName(name: string, certificate: PeerCertificate, cause: Error): Error {
  const names = certificate.subjectaltname ?? `CN:${String(certificate.subject?.CN ?? 'none')}`
  const shown = names.length > MAX_NAMES ? `${names.slice(0, MAX_NAMES)}...` : names
  const error = new Error(`its certificate is not for ${name}, but for ${shown}`, { cause })
  return Object.assign(error, { code: WRONG_NAME })
}

function readOptionFile(path: string, option: string): Buffer {
  const content = readWhole(path, MAX_FILE_BYTES)
  if (!(content instanceof FsFailure)) return content
  throw badTlsValue(option, `${option} ${path} cannot be read: ${content.message}`, {
    hint: 'check the path, and let the user of the agent read the file',
  })
}

function unbracketed(host: string): string {
  return host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host
}

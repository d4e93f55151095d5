import type { ConnectionOptions } from 'node:tls'
import { ShipperError } from '../../core/error.ts'
import { defineOptions, type OptionsOf } from '../../core/options/option.ts'
import type { Clock, Logger } from '../../core/services.ts'
import { checkTlsClient, readTlsClient, type TlsClientOptions } from '../net/tls-client.ts'

/** fluent-bit's options for TLS with a proxy whose URL has https. */
export const PROXY_TLS_OPTIONS = defineOptions({
  'tls.proxy.verify': {
    type: 'bool',
    default: 'true',
    help: 'Verify the certificate of a proxy with https.',
  },
  'tls.proxy.verify_hostname': {
    type: 'bool',
    default: 'true',
    help: 'Verify that the certificate of the proxy is for its host.',
  },
  'tls.proxy.ca_file': {
    type: 'string',
    isFile: true,
    help: 'File with the trusted CA certificates for the proxy, as PEM. Default: those of the system, if `tls.proxy.ca_path` is not set either.',
  },
  'tls.proxy.ca_path': {
    type: 'string',
    help: 'Directory with PEM files of trusted CA certificates for the proxy, in addition to `tls.proxy.ca_file`.',
  },
})

type ProxyTlsOptions = OptionsOf<typeof PROXY_TLS_OPTIONS>

/**
 * Returns the TLS options of a new connection to the proxy. Throws E_CONFIG_BAD_VALUE for files that cannot be used. To be called
 * when the plugin starts.
 */
export function readProxyTls(
  options: ProxyTlsOptions,
  ctx: { readonly log: Logger; readonly clock: Clock },
): (host: string) => ConnectionOptions {
  return ofProxy(() => {
    const client = readTlsClient(clientOptions(options), ctx)
    return (host) => client?.connectionOptions(host) ?? {}
  })
}

/** Throws E_CONFIG_BAD_VALUE for files that cannot be used, but for those that cannot be read: see `checkTlsClient`. */
export function checkProxyTls(options: ProxyTlsOptions): void {
  ofProxy(() => checkTlsClient(clientOptions(options)))
}

function clientOptions({
  tlsProxyVerify,
  tlsProxyVerifyHostname,
  tlsProxyCaFile,
  tlsProxyCaPath,
}: ProxyTlsOptions): TlsClientOptions {
  return {
    ...{ tls: true, tlsVerify: tlsProxyVerify, tlsVerifyHostname: tlsProxyVerifyHostname },
    ...{ tlsCaFile: tlsProxyCaFile, tlsCaPath: tlsProxyCaPath, tlsVhost: undefined, tlsDebug: undefined },
    ...{ tlsCrtFile: undefined, tlsKeyFile: undefined, tlsKeyPasswd: undefined, tlsCiphers: undefined },
    ...{ tlsMinVersion: undefined, tlsMaxVersion: undefined },
  }
}

/** Returns the result of `run`, or throws its error with the names of these options. */
function ofProxy<T>(run: () => T): T {
  try {
    return run()
  } catch (error) {
    throw error instanceof ShipperError ? named(error) : error
  }
}

function named({ code, message, hint, option }: ShipperError): ShipperError {
  const renamed = (text: string): string => text.replaceAll('tls.ca_', 'tls.proxy.ca_')
  return new ShipperError(code, renamed(message), {
    hint: renamed(hint),
    ...(option === undefined ? {} : { option: renamed(option) }),
  })
}

import type { Address } from '../../../core/plugin.ts'
import { parseCloudId } from './cloud-id.ts'
import type { EsOptions } from './options.ts'

/** Returns the address of the server, or of the first of several. */
export function addressOf({ cloudId, host, port }: EsOptions): Address {
  return (cloudId === undefined ? undefined : parseCloudId(cloudId)) ?? { host, port }
}

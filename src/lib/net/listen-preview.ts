import type { InputPreview } from '../../core/plugin.ts'
import { formatAddress } from './connect.ts'

/** Returns the preview of an input that listens on a port, or on the socket at `path`. */
export function listenPreview(host: string, port: number, path?: string, tls = false): InputPreview {
  return {
    source: `listens on ${path ?? formatAddress(host, port)}${tls ? ' with TLS' : ''}`,
    sources: [],
    more: 0,
    tags: [],
    notes: [],
  }
}

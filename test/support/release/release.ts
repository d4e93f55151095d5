import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { ARCH, ROOT } from '../../../scripts/bootstrap.mjs'
import { readManifest } from '../../../scripts/manifest.ts'
import { atEnd } from '../tmp.ts'

export const BINARY_NAME = `shipper-linux-${ARCH}`

/** A script in place of the binary, which answers as the binary does. */
export interface Stub {
  version: string
  /** False if it ends at once when it is started as a service. */
  staysUp?: boolean
  /** False if `-D` fails. */
  takesConfiguration?: boolean
  /** Exit status of `--version`, for a binary that does not run at all. */
  status?: number
}

export function stub({ version, staysUp = true, takesConfiguration = true, status = 0 }: Stub): Buffer {
  return Buffer.from(`#!/bin/sh
case " $* " in
  *' --version '*) echo 'shipper ${version} (0123456789), linux-${ARCH}, bun 1.4.5'; exit ${status} ;;
  *' -D '*) ${takesConfiguration ? 'exit 0' : 'echo "error: no such option" >&2; exit 1'} ;;
  *) ${staysUp ? 'exec sleep 600' : 'exit 1'} ;;
esac
${'#'.repeat(200_000)}
`)
}

/** Returns the files of a release by name, including SHA256SUMS. */
export function releaseOf(binary: Buffer, changes: Record<string, string> = {}): Map<string, Buffer> {
  const files = new Map([[BINARY_NAME, binary]])
  for (const [name, path] of Object.entries(readManifest().install)) {
    files.set(name, Buffer.from(changes[name] ?? readFileSync(join(ROOT, path))))
  }
  const sums = [...files].map(([name, bytes]) => `${sha256(bytes)}  ${name}\n`)
  files.set('SHA256SUMS', Buffer.from(sums.join('')))
  return files
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** A web server on loopback that serves releases: `/latest`, `/vVERSION/FILE`. Ends with the test. */
export class ReleaseServer {
  readonly files = new Map<string, Buffer>()
  /** Requested paths. */
  readonly requestedPaths: string[] = []
  /** Answers a request in place of the file if it returns true; `body` is undefined if there is no such file. */
  fault: ((path: string, response: ServerResponse, body: Buffer | undefined) => boolean) | undefined
  #url = ''

  static async start(): Promise<ReleaseServer> {
    const releases = new ReleaseServer()
    const server = createServer((request, response) => {
      const path = request.url ?? ''
      releases.requestedPaths.push(path)
      const body = releases.files.get(path)
      if (releases.fault?.(path, response, body)) return
      response.writeHead(body === undefined ? 404 : 200, { 'content-length': body?.length ?? 0 })
      response.end(body)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    atEnd(() => {
      server.closeAllConnections()
      server.close()
    })
    releases.#url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    return releases
  }

  get url(): string {
    return this.#url
  }

  publish(version: string, files: Map<string, Buffer>): void {
    for (const [name, bytes] of files) this.files.set(`/v${version}/${name}`, bytes)
    this.files.set('/latest', Buffer.from(`${version}\n`))
  }
}

/** Sends the first part of the file and ends the connection. The reader notices only with `length`. */
export function cutAt(wanted: string, part: number, length: boolean): NonNullable<ReleaseServer['fault']> {
  return (path, response, body) => {
    if (!path.endsWith(wanted) || body === undefined) return false
    const head = length ? { 'content-length': body.length } : { connection: 'close' }
    response.writeHead(200, head)
    response.write(body.subarray(0, Math.floor(body.length * part)), () =>
      length ? response.destroy() : response.end(),
    )
    return true
  }
}

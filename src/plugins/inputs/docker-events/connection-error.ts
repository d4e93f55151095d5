import { readFileSync } from 'node:fs'
import { ShipperError, systemCode } from '../../../core/error.ts'
import { FsFailure, stat } from '../../../lib/fs/file-system.ts'
import { HttpError } from '../../../lib/http/http-error.ts'
import { reasonsOf } from '../../../lib/net/connect-failure.ts'
import { useDropIn } from '../../../lib/text/drop-in.ts'

const MAX_GROUPS_BYTES = 1_000_000

/** Returns the error of a connection that failed or was cut off. */
export function connectionError(path: string, cause: unknown): ShipperError {
  if (cause instanceof ShipperError && !(cause instanceof HttpError)) return cause
  const text = cause instanceof HttpError ? cause.reason : reasonsOf(cause)
  // The code of a ShipperError is one of ours, and that of the connection may be the cause of that of the request.
  let reported = cause
  while (reported instanceof ShipperError) reported = reported.cause
  return new ShipperError('E_PEER_UNREACHABLE', `cannot read events of Docker from ${path}: ${text}`, {
    retryable: true,
    scope: 'peer',
    cause,
    hint: hintOf(path, systemCode(reported) ?? accessCode(text)),
  })
}

/**
 * Returns the code of the system that a message begins or ends with: the runtime's errors of a socket do not
 * all have it.
 */
function accessCode(text: string): string | undefined {
  return ['EACCES', 'EPERM', 'ENOENT', 'ECONNREFUSED'].find((code) => text.includes(code))
}

function hintOf(path: string, code: string | undefined): string {
  const found = stat(path)
  if (!(found instanceof FsFailure) && !found.isSocket())
    return `set Unix_Path to the socket of the Docker daemon: ${found.isDirectory() ? 'this is a directory' : 'this is a file'}`
  if (code === 'ENOENT' || (found instanceof FsFailure && found.code === 'ENOENT'))
    return `start Docker, or set Unix_Path to its socket; in a container mount ${path} into it (with Helm set \`dockerEvents.enabled\`)`
  const isDenied = code === 'EACCES' || code === 'EPERM' || found instanceof FsFailure
  if (isDenied) {
    const group = found instanceof FsFailure ? 'docker' : groupName(Number(found.gid))
    return (
      `let the agent into the group of the socket, ${group}: ${useDropIn('docker-events')} ` +
      '(SupplementaryGroups), or set `supplementalGroups` of the pod; anyone who can use the socket can become root'
    )
  }
  return code === 'ECONNREFUSED'
    ? 'start Docker: nothing listens on the socket'
    : 'see the log of the Docker daemon, and check that Unix_Path is its socket; reading resumes by itself'
}

/** Returns the name of the group, or its number when it has none here. */
function groupName(gid: number): string {
  try {
    const text = readFileSync('/etc/group', 'latin1').slice(0, MAX_GROUPS_BYTES)
    const line = text.split('\n').find((row) => row.split(':')[2] === String(gid))
    return line?.split(':')[0] || String(gid)
  } catch {
    // An image without names has only numbers, which systemd takes as well.
    return String(gid)
  }
}

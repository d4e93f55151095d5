import {
  accessSync,
  chmodSync,
  constants,
  lstatSync,
  readFileSync,
  readlinkSync,
  statSync,
  unlinkSync,
} from 'node:fs'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import { messageOf, ShipperError, systemCode } from '../../core/error.ts'

/** Removes a socket that nobody listens on, as a killed process leaves it behind; anything else at the path stays. */
export async function removeStaleSocket(path: string): Promise<void> {
  if (!lstatSync(path, { throwIfNoEntry: false })?.isSocket()) return
  const inUse = await new Promise<boolean>((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => resolve(true))
    socket.once('error', () => resolve(false))
    socket.once('close', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
  if (!inUse && !isBound(path)) unlinkSync(path)
}

/** Returns true when a process has a socket of any kind at the path: one of datagrams refuses a connection as one does that nobody has. */
export function isBound(path: string): boolean {
  try {
    return readFileSync('/proc/net/unix', 'utf8')
      .split('\n')
      .some((row) => row.endsWith(` ${path}`))
  } catch {
    return false
  }
}

/** Sets the permissions of a socket, octal; undefined: those of the umask stay. */
export function setSocketMode(path: string, mode: string | undefined): void {
  if (mode !== undefined) chmodSync(path, Number.parseInt(mode, 8))
}

/** Returns E_LISTEN for a socket that could not be made at `path`, with what stands in the way; `option` has the path. */
export function socketError(path: string, option: string, cause: unknown): ShipperError {
  if (cause instanceof ShipperError) return cause
  const { reason, hint } = obstacleAt(path, option) ?? {
    reason: systemCode(cause) ?? messageOf(cause),
    hint: `set ${option} to another path`,
  }
  return new ShipperError('E_LISTEN', `cannot listen on ${path}: ${reason}`, { cause, hint })
}

interface Obstacle {
  reason: string
  hint: string
}

/** Finds out by looking what stands in the way of a socket. */
function obstacleAt(path: string, option: string): Obstacle | undefined {
  try {
    const folder = dirname(path)
    return noFolderAt(folder, option) ?? occupantOf(path, option) ?? notWritable(folder, option)
  } catch (error) {
    return { reason: messageOf(error), hint: `set ${option} to a path that this user may use` }
  }
}

function occupantOf(path: string, option: string): Obstacle | undefined {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found === undefined) return undefined
  const hint = `remove it, or set ${option} to another path`
  if (found.isSocket())
    return {
      reason: 'another process listens there',
      hint: `stop it, or set ${option} to another path`,
    }
  if (found.isSymbolicLink()) return { reason: `a symbolic link to ${readlinkSync(path)} is there`, hint }
  if (found.isDirectory())
    return { reason: 'it is a folder', hint: `set ${option} to the path of a socket, e.g. ${path}/in.sock` }
  return { reason: 'a file that is no socket is there', hint }
}

function noFolderAt(folder: string, option: string): Obstacle | undefined {
  const isFolder = isFolderAt(folder)
  if (isFolder === undefined)
    return {
      reason: `the folder ${folder} does not exist`,
      hint: `create it (with systemd: RuntimeDirectory), or set ${option} to a path in another one`,
    }
  if (isFolder) return undefined
  return { reason: `${folder} is not a folder`, hint: `set ${option} to a path in a folder` }
}

function notWritable(folder: string, option: string): Obstacle | undefined {
  try {
    accessSync(folder, constants.W_OK | constants.X_OK)
    return undefined
  } catch {
    return {
      reason: `the user with the id ${process.getuid?.()} may not write to the folder ${folder}`,
      hint: `let this user write to it, or set ${option} to a path in another one`,
    }
  }
}

/** Returns true for a folder, false for something else, undefined when there is nothing. */
function isFolderAt(path: string): boolean | undefined {
  try {
    return statSync(path).isDirectory()
  } catch (error) {
    const code = systemCode(error)
    if (code === 'ENOENT') return undefined
    if (code === 'ENOTDIR') return false
    throw error
  }
}

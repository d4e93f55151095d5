import { existsSync } from 'node:fs'
import { dirname, isAbsolute, join } from 'node:path'
import { ShipperError } from '../../../core/error.ts'
import { FsFailure, isMissing, readRegular } from '../../../lib/fs/file-system.ts'
import { withoutNewEscapes } from './escapes.ts'
import type { LuaSource } from './machine/state.ts'
import type { LuaOptions } from './options.ts'

/** Name of a script that is in the configuration itself, in messages; the sign in front means: not the name of a file. */
export const CODE_NAME = '=code'
const MAX_SCRIPT_BYTES = 10_000_000
const SHEBANG = 0x23
const LINE_FEED = 0x0a
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf])

/** Returns the script of the options. `folder`: that of the configuration file. Throws E_CONFIG_... and E_SCRIPT. */
export function loadSource({ script, code }: LuaOptions, folder: string | undefined): LuaSource {
  if (code !== undefined) return { text: translated(Buffer.from(code)), name: CODE_NAME }
  if (script === undefined)
    throw new ShipperError('E_CONFIG_MISSING_OPTION', 'a filter lua needs "script" or "code"', {
      option: 'script',
      hint: 'write Script FILE, or the script itself as Code',
    })
  const path = pathOf(script, folder)
  return { text: translated(withoutFirstLine(read(path, script))), name: `@${path}`, folder: dirname(path) }
}

function pathOf(script: string, folder: string | undefined): string {
  if (isAbsolute(script) || existsSync(script) || folder === undefined) return script
  const beside = join(folder, script)
  return existsSync(beside) ? beside : script
}

function read(path: string, script: string): Buffer {
  const text = readRegular(path, MAX_SCRIPT_BYTES)
  if (!(text instanceof FsFailure)) return text
  throw new ShipperError('E_SCRIPT', `the script ${script} cannot be read: ${text}`, {
    option: 'script',
    hint: isMissing(text)
      ? 'a relative path is looked for in the working folder, then beside the configuration file'
      : 'name a regular file that the agent may read; keep data in other files, which the script reads',
  })
}

/** Leaves out a byte order mark, and as Lua does a first line that begins with #; its line feed stays, for the line numbers. */
function withoutFirstLine(text: Buffer): Buffer {
  const body = text.subarray(text.indexOf(BYTE_ORDER_MARK) === 0 ? BYTE_ORDER_MARK.length : 0)
  if (body[0] !== SHEBANG) return body
  const end = body.indexOf(LINE_FEED)
  return end < 0 ? Buffer.alloc(0) : body.subarray(end)
}

function translated(text: Buffer): Buffer {
  return Buffer.from(withoutNewEscapes(text.toString('latin1')), 'latin1')
}

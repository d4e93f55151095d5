import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { formatLocation, messageOf, ShipperError, type SourceLocation } from '../../../core/error.ts'
import type { Clock } from '../../../core/services.ts'
import { close, FsFailure, openFile } from '../../../lib/fs/file-system.ts'
import { framesOf, noteUserCode } from '../../../lib/plugin/user-code.ts'
import { kindOf } from './value-writer.ts'

/** A function of the user's: it may return and throw anything. */
export type UserFunction = (tag: string, time: number | bigint, record: unknown) => unknown

const MAX_MESSAGE_CHARS = 500
/** Longest time that a module may take to load: one that awaits something which never comes does not load. */
const LOAD_LIMIT_MS = 10_000

/** Returns the absolute path of a script: a relative one is looked for in the working folder, then in `folder`, that of the configuration file. */
export function pathOf(script: string, folder: string | undefined): string {
  const path = resolve(script)
  if (existsSync(path) || folder === undefined) return path
  const beside = resolve(folder, script)
  return existsSync(beside) ? beside : path
}

/** Throws E_SCRIPT if there is no regular file that can be read: a FIFO or a device would block the start. */
export function checkFile(path: string): void {
  const opened = openFile(path)
  if (!(opened instanceof FsFailure)) {
    close(opened.fd)
    return
  }
  throw new ShipperError('E_SCRIPT', `script ${path} cannot be loaded: ${opened.message}`, {
    option: 'script',
    hint: 'set Script to a file that the user of the agent may read',
  })
}

/**
 * Loads the module `file`, ES or CommonJS, and returns the function that it exports as `name`. Throws E_SCRIPT with the place of the
 * error in the file, as far as it is known, and when the module is not loaded in time.
 */
export async function loadFunction(file: string, name: string, clock: Clock): Promise<UserFunction> {
  const path = resolve(file)
  noteUserCode(path)
  let module: Record<string, unknown>
  try {
    module = await inTime(import(pathToFileURL(path).href), clock)
  } catch (error) {
    const place = placeOf(error)
    const where = place === undefined ? '' : `${formatLocation(place)}: `
    throw new ShipperError('E_SCRIPT', `script ${path} cannot be loaded: ${where}${textOf(error)}`, {
      option: 'script',
      hint: 'fix the file; it is an ES module or a CommonJS module in JavaScript or TypeScript',
    })
  }
  const found = module[name] ?? (module.default as Record<string, unknown> | undefined)?.[name]
  if (typeof found === 'function') return found as UserFunction
  const exported = Object.entries(module).map(([key, value]) =>
    key === name ? `${key}, which is ${kindOf(value)}` : key,
  )
  const what = exported.join('; ') || 'nothing'
  throw new ShipperError('E_SCRIPT', `script ${path} exports no function ${name}, but ${what}`, {
    option: 'call',
    hint: `write "export function ${name}(tag, time, record)", or set Call to the name of the function`,
  })
}

async function inTime<T>(loading: Promise<T>, clock: Clock): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = clock.after(LOAD_LIMIT_MS, () =>
    late.reject(new Error(`it waits for more than ${LOAD_LIMIT_MS / 1000} s in an await at its top level`)),
  )
  try {
    return await Promise.race([loading, late.promise])
  } finally {
    clock.cancel(timer)
  }
}

/**
 * Returns the message of anything that the function has thrown, with its place if that is known, and without what errors of the
 * runtime quote. Never throws.
 */
export function failureText(error: unknown): string {
  const place = placeOf(error)
  const text = textOf(error, isOfRuntime(error))
  return place === undefined ? text : `${formatLocation(place)}: ${text}`
}

/** Asking a thrown value for its text may itself throw. */
function textOf(error: unknown, hidesQuoted = false): string {
  try {
    const message = messageOf(error)
    const [first = ''] = (hidesQuoted ? withoutQuoted(message) : message).split('\n')
    return first.length > MAX_MESSAGE_CHARS ? `${first.slice(0, MAX_MESSAGE_CHARS)}...` : first
  } catch {
    return 'a value without a text was thrown'
  }
}

/** Returns the place that a syntax error names, or the first place in a file of the user's in the stack of an exception. */
function placeOf(error: unknown): SourceLocation | undefined {
  try {
    const { position } = error as { position?: { file?: string; line?: number; column?: number } | null }
    if (position?.file !== undefined && position.line !== undefined)
      return { file: position.file, line: position.line, ...(position.column && { col: position.column }) }
  } catch {
    // The thrown value cannot be read, and its stack has no place either.
  }
  return framesOf(error).at(0)
}

/** True for an error of a class whose messages the runtime makes, such as those of JSON.parse. */
function isOfRuntime(error: unknown): boolean {
  try {
    return error instanceof SyntaxError || error instanceof TypeError || error instanceof RangeError
  } catch {
    return true
  }
}

/**
 * Replaces what the runtime quotes, from the first mark to the last, as it does not escape: data of a record in
 * `Unexpected identifier "secret"` or `Received type string ('secret')`. Single quotes elsewhere are around source text.
 */
function withoutQuoted(message: string): string {
  return withoutPart(withoutPart(message, "('", "')"), '"', '"')
}

function withoutPart(text: string, open: string, close: string): string {
  const start = text.indexOf(open)
  const end = text.lastIndexOf(close)
  if (start < 0 || end < start + open.length) return text
  return `${text.slice(0, start + open.length)}...${text.slice(end)}`
}

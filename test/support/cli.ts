import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { run, type StartOptions } from './process.ts'
import { tmp } from './tmp.ts'

/** Entry point of the program. */
export const MAIN = resolve(import.meta.dirname, '../../src/main.ts')

/** Runs a command from source: the built program may be older. */
export function shipper(args: string[], options: StartOptions = {}): ReturnType<typeof run> {
  return run(args, { command: [process.execPath, MAIN], ...options })
}

/** Makes a folder with these files. */
export function folderOf(files: Readonly<Record<string, string>>): string {
  const folder = tmp()
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  return folder
}

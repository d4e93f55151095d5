import { spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { shipperCommand } from './process.ts'
import { peerOrSkip } from './skip.ts'
import { tmp } from './tmp.ts'

const SETPRIV = ['setpriv', '--reuid=65534', '--clear-groups']

const isRoot = process.getuid?.() === 0
const hasSetpriv = runs([...SETPRIV, 'true'])

/** `test` for cases in which the program runs as a user who is not root. */
export const testAsOtherUser = peerOrSkip(
  'another user',
  isRoot && hasSetpriv,
  isRoot ? 'setpriv cannot change to it' : 'only root can run a program as another user',
)

/** Returns the command that starts the program as `nobody`; ends with the test. */
export function commandAsOtherUser(): string[] {
  const command = shipperCommand()
  if (command.length > 1 || runs([...SETPRIV, ...command, '--version'])) return [...SETPRIV, ...command]
  // The project is in a folder that others cannot enter.
  const dir = tmp()
  const binary = join(dir, 'shipper')
  chmodSync(dir, 0o755)
  copyFileSync(command[0] as string, binary)
  chmodSync(binary, 0o755)
  return [...SETPRIV, binary]
}

function runs([file = '', ...args]: string[]): boolean {
  return spawnSync(file, args, { stdio: 'ignore' }).status === 0
}

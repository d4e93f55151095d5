import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fail } from '../bootstrap.mjs'

const MINISIGN_KEY = /^untrusted comment:/

/**
 * Signs a file with the private key in `key`, of minisign (`FILE.minisig`) or of SSH (`FILE.sig`, namespace `file`). The
 * program asks for the passphrase, if there is one. install.sh verifies both with SHIPPER_PUBLIC_KEY. Returns the signature's
 * file.
 */
export function sign(file: string, key: string): string {
  const [program, ...args] = commandFor(file, key)
  const { status, error } = spawnSync(program, args, { stdio: ['inherit', 'ignore', 'inherit'] })
  if (error !== undefined) fail(`cannot run ${program}: ${error.message}`, `install it, or leave out --sign`)
  if (status !== 0) fail(`${program} did not sign SHA256SUMS (status ${status})`, 'see its message above')
  return `${file}.${program === 'minisign' ? 'minisig' : 'sig'}`
}

function commandFor(file: string, key: string): [string, ...string[]] {
  let text: string
  try {
    text = readFileSync(key, 'utf8')
  } catch (error) {
    fail(`cannot read the key of --sign: ${(error as Error).message}`, 'give the file of a private key')
  }
  return MINISIGN_KEY.test(text)
    ? ['minisign', '-S', '-s', key, '-m', file]
    : ['ssh-keygen', '-Y', 'sign', '-f', key, '-n', 'file', file]
}

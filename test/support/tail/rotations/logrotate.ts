import { spawnSync } from 'node:child_process'
import { dirname } from 'node:path'
import { debianProgram } from '../../release/debian.ts'
import { onPath } from '../../skip.ts'

const TRIPLE = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu'

/**
 * Returns the command that starts the real logrotate: the one on PATH, else that of Debian's package. Undefined
 * without both.
 */
export function logrotateCommand(): string[] | undefined {
  if (onPath('logrotate')) return ['logrotate']
  const program = debianProgram('logrotate', 'logrotate', 'usr/sbin/logrotate')
  const library = debianProgram('libpopt.so.0', 'libpopt0', `usr/lib/${TRIPLE}/libpopt.so.0`)
  if (program === undefined || library === undefined) return undefined
  const command = ['env', `LD_LIBRARY_PATH=${dirname(library)}`, program]
  return spawnSync('env', [...command.slice(1), '--version']).status === 0 ? command : undefined
}

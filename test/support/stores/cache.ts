import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { onPath, peerOrSkip } from '../skip.ts'

const CACHE = resolve(import.meta.dirname, '../../../.cache')
const LIMIT_MS = 900_000

/**
 * Returns a folder of .cache that `script` fills: it finds the path of the empty folder in $OUT. The folder's name depends on
 * the script and on `inputs`, the contents of the files that it reads. The first process runs the script under a file lock,
 * which the kernel releases however the process ends; an unfinished folder has another name.
 */
export function inCache(name: string, script: string, ...inputs: (string | Uint8Array)[]): string {
  const hash = createHash('sha1').update(script)
  for (const input of inputs) hash.update('\0').update(input)
  const folder = join(CACHE, `${name}-${hash.digest('hex').slice(0, 10)}`)
  if (existsSync(folder)) return folder
  mkdirSync(CACHE, { recursive: true })
  const fill = `[ -d "$DONE" ] || { rm -rf "$OUT"; mkdir "$OUT"; ${script}\n mv "$OUT" "$DONE"; }`
  const done = spawnSync('flock', [join(CACHE, `${name}.lock`), 'sh', '-ec', fill], {
    encoding: 'utf8',
    timeout: LIMIT_MS,
    env: { ...process.env, OUT: `${folder}.new`, DONE: folder },
  })
  if (done.status !== 0)
    throw new Error(`no ${name}: status ${done.status ?? done.signal}\n${done.stdout}${done.stderr}`)
  return folder
}

/** Returns `test` for cases that need these programs, to run or to build the peer. */
export function testWithAll(peer: string, programs: string[]): ReturnType<typeof peerOrSkip> {
  const absent = programs.filter((program) => !onPath(program))
  return peerOrSkip(peer, absent.length === 0, `no ${absent.join(', ')} on PATH`)
}

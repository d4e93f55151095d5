import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { isListening } from './ports.ts'
import { type Running, start } from './process.ts'
import { inCache, testWithAll } from './stores/cache.ts'
import { until } from './until.ts'

/** Names graygelf and every package that it needs with their versions. */
const FOLDER = resolve(import.meta.dirname, 'graygelf')
const FILES = ['package.json', 'package-lock.json'].map((name) => join(FOLDER, name))
const INSTALL = `cp ${FILES.map((path) => `'${path}'`).join(' ')} "$OUT"
npm ci --prefix "$OUT" --ignore-scripts --no-audit --no-fund --loglevel=error`
const PROGRAM = `const server = require('graygelf/server')().listen(Number(process.argv[1]), '127.0.0.1')
server.on('message', (message) => console.log(JSON.stringify(message)))
server.on('error', (error) => { console.error(String(error)); process.exit(1) })`

/** `test` for cases that need graygelf, which npm installs once. */
export const testWithGrayGelf = testWithAll('graygelf', ['node', 'npm', 'flock'])

/** Starts graygelf's server for GELF over UDP: it prints each message, in parts or not, compressed or not, as a line of JSON. */
export async function receiveByGrayGelf(port: number): Promise<Running> {
  const cwd = inCache('graygelf', INSTALL, ...FILES.map((path) => readFileSync(path)))
  const server = start(['-e', PROGRAM, String(port)], { command: ['node'], cwd })
  await until(() => server.exit !== undefined || isListening(port, 'udp'), { what: () => server.stderr })
  return server
}

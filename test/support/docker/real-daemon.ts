import { spawnSync } from 'node:child_process'
import { request } from 'node:http'
import { join } from 'node:path'
import { type Running, start } from '../process.ts'
import { onPath, peerOrSkip } from '../skip.ts'
import { atEnd, tmp } from '../tmp.ts'
import { until } from '../until.ts'

const isRoot = process.getuid?.() === 0

/** `test` for cases that need a real Docker daemon, which only root can start: Debian's package docker.io. */
export const testWithDocker = peerOrSkip(
  'dockerd',
  isRoot && ['dockerd', 'containerd'].every(onPath),
  'no `dockerd` and `containerd` on PATH, or not root',
  'nowhere',
)

/** A real Docker daemon without networks and images; volumes make events. */
export class RealDocker {
  readonly #dir = tmp()
  readonly socket = join(this.#dir, 'docker.sock')
  #daemon: Running | undefined

  static async start(): Promise<RealDocker> {
    const docker = new RealDocker()
    atEnd(() => docker.down())
    await docker.up()
    return docker
  }

  async up(): Promise<void> {
    const path = (name: string): string => join(this.#dir, name)
    const options = [
      '--iptables=false',
      '--bridge=none',
      '--storage-driver=vfs',
      '-H',
      `unix://${this.socket}`,
    ]
    const folders = ['--data-root', path('data'), '--exec-root', path('exec'), '--pidfile', path('pid')]
    const daemon = start([...options, ...folders], { command: ['dockerd'] })
    this.#daemon = daemon
    const isReady = async (): Promise<boolean> => {
      if (daemon.exit !== undefined) throw new Error(daemon.stderr.slice(-2000))
      return (await this.#send('GET', '/_ping').catch(() => 0)) === 200
    }
    await until(isReady, { everyMs: 100, what: () => daemon.stderr.slice(-2000) })
  }

  /** Stops the daemon, and with it its containerd. */
  async down(): Promise<void> {
    await this.#daemon?.stop('SIGTERM')
    this.#daemon = undefined
    // The daemon mounts its folder on itself.
    spawnSync('umount', [join(this.#dir, 'data')])
  }

  async createVolume(name: string): Promise<void> {
    const status = await this.#send('POST', '/volumes/create', { Name: name })
    if (status !== 201) throw new Error(`POST /volumes/create: ${status}`)
  }

  #send(method: string, path: string, body?: object): Promise<number> {
    return new Promise((resolve, reject) => {
      const headers = { 'content-type': 'application/json' }
      const sent = request({ socketPath: this.socket, method, path, headers }, (response) => {
        response.resume()
        response.once('end', () => resolve(response.statusCode ?? 0))
      })
      sent.once('error', reject)
      sent.end(body === undefined ? undefined : JSON.stringify(body))
    })
  }
}

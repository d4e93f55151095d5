import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../../scripts/bootstrap.mjs'
import { type Exit, type Running, start } from '../process.ts'
import { onPath, peerOrSkip, testWith } from '../skip.ts'
import { atEnd, tmp } from '../tmp.ts'
import { debianProgram } from './debian.ts'
import { ReleaseServer, releaseOf, type Stub, stub } from './release.ts'

export const SCRIPT = readFileSync(join(ROOT, 'scripts/install.sh'), 'utf8')
export const IS_ROOT = process.getuid?.() === 0

/** Paths of installed files, relative to the root. */
export const CONF = 'etc/shipper/shipper.conf'
export const UNIT = 'etc/systemd/system/shipper.service'
/** Drop-ins for the unit, which the installation does not put into use. */
export const DROP_INS = readdirSync(join(ROOT, 'conf/systemd/drop-ins'))
  .toSorted()
  .map((name) => `etc/shipper/drop-ins/${name}`)

/** Paths that an installation adds. */
export const INSTALLED = [
  'etc/shipper/',
  'etc/shipper/drop-ins/',
  ...DROP_INS,
  'etc/shipper/parsers.conf',
  CONF,
  'etc/systemd/system/multi-user.target.wants/shipper.service',
  UNIT,
  'usr/local/bin/shipper',
  'var/lib/shipper/',
]

export interface Shell {
  name: string
  command: string[]
  test: ReturnType<typeof peerOrSkip>
}

/** `test` for cases that run the script, which downloads with curl. */
export const testInstall = testWith('curl')

/** Shells in which the script has to run. */
export const SHELLS: Shell[] = [
  shell('dash', debianProgram('dash', 'dash', 'bin/dash')),
  shell('bash --posix', debianProgram('bash', 'bash', 'bin/bash'), '--posix'),
  shell('busybox sh', debianProgram('busybox', 'busybox', 'bin/busybox'), 'sh'),
]
/** Shell of the tests that do not depend on it. */
export const SHELL = ['sh']

function shell(name: string, path: string | undefined, ...args: string[]): Shell {
  const reason = 'neither on PATH nor from a Debian package'
  const test = onPath('curl') ? peerOrSkip(name, path !== undefined, reason) : testInstall
  return { name, command: [path ?? name, ...args], test }
}

/** Makes the waits of the script fifty times shorter. */
export const QUICK = 'sleep() { command sleep 0.02; }\n'

/** A service manager for a throw-away root: starts and stops the command of the unit file as an ordinary process. */
const SYSTEMCTL = `#!/bin/sh
unit=$FAKE_ROOT/etc/systemd/system/shipper.service
# The first thread may have ended while another still holds the files of the process.
alive() { [ -d "/proc/$pid" ] && { ! grep -q '^State:.Z' "/proc/$pid/status" || [ "$(ls "/proc/$pid/task" | wc -l)" -gt 1 ]; }; }
pid=$(cat "$FAKE_STATE/pid" 2>/dev/null) || pid=none
echo "$*" >>"$FAKE_STATE/calls"
stop() { if alive; then kill "$pid"; while alive; do sleep 0.02; done; fi; }
begin() {
  command=$(sed -n 's/^ExecStart=//p' "$unit" | sed "s|^/|$FAKE_ROOT/|; s| /| $FAKE_ROOT/|g")
  SHIPPER_STATE=$FAKE_ROOT/var/lib/shipper $command </dev/null >>"$FAKE_STATE/log" 2>&1 &
  pid=$!
  echo $pid >"$FAKE_STATE/pid"
  # A stub of the binary is a script: wait until it has ended or stays, so that is-active knows, however busy the machine.
  if [ "$(head -c 2 "\${command%% *}")" = '#!' ]; then
    while alive && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" != sleep ]; do sleep 0.01; done
  fi
}
case $1 in
  is-active) alive ;;
  stop) stop ;;
  restart) stop; begin ;;
  daemon-reload) ;;
  *) exit 1 ;;
esac
`

const RC_SERVICE = `#!/bin/sh
case $2 in status) set -- is-active ;; *) set -- "$2" ;; esac
mkdir -p "$FAKE_ROOT/etc/systemd/system"
sed -n 's/^command=//p; s/^command_args=//p' "$FAKE_ROOT/etc/init.d/shipper" | tr -d "'" | paste -sd ' ' |
  sed 's/^/ExecStart=/' >"$FAKE_ROOT/etc/systemd/system/shipper.service"
systemctl "$@"
status=$?
rm -r "$FAKE_ROOT/etc/systemd"
exit $status
`

export interface Result extends Exit {
  stdout: string
  stderr: string
}

export interface RunOptions {
  shell?: string[]
  env?: Record<string, string | undefined>
  /** Shell text before the script, e.g. functions in place of programs, since busybox prefers its own to those of PATH. */
  before?: string
  script?: string
  /** Command around the shell. */
  around?: string[]
}

/** A throw-away root with a service manager of its own. */
export class Machine {
  readonly root = tmp('shipper-root-')
  readonly #state = tmp('shipper-systemd-')
  readonly #fakes = tmp('shipper-fakes-')
  url = ''

  constructor(manager: 'systemd' | 'openrc' | 'none' = 'systemd') {
    for (const dir of ['usr/local/bin', 'etc', 'var/lib', 'var/log', 'run', 'sbin']) this.#folder(dir)
    if (IS_ROOT) {
      writeFileSync(join(this.root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n')
      writeFileSync(join(this.root, 'etc/group'), 'root:x:0:\n')
    }
    if (manager === 'systemd') {
      for (const dir of ['run/systemd/system', 'etc/systemd/system/multi-user.target.wants'])
        this.#folder(dir)
    } else if (manager === 'openrc') {
      for (const dir of ['run/openrc', 'etc/init.d', 'etc/runlevels/default']) this.#folder(dir)
      this.#program(join(this.root, 'sbin/openrc-run'), '#!/bin/sh\n')
    }
    this.#program(join(this.#fakes, 'systemctl'), SYSTEMCTL)
    this.#program(join(this.#fakes, 'rc-service'), RC_SERVICE)
    atEnd(() => {
      if (this.running()) process.kill(this.pid, 'SIGKILL')
    })
  }

  /** Runs the script as `curl ... | sh -s -- ARGS` does, in this root. */
  begin(args: string[] = [], options: RunOptions = {}): Running {
    const { shell = SHELL, env, before = QUICK, script = SCRIPT, around = [] } = options
    return start(['-s', '--', '--root', this.root, ...args], {
      command: [...around, ...shell],
      // Even without its arguments the script stays in this root.
      stdin: before + script.replace("ROOT=''", `ROOT='${this.root}'`),
      env: this.#environment(env),
    })
  }

  /** Runs a line of shell; PATH of `env` is searched first. */
  async shell(line: string, env: Record<string, string | undefined>): Promise<Result> {
    return resultOf(start(['-c', line], { command: SHELL, env: this.#environment(env) }))
  }

  async run(args: string[] = [], options: RunOptions = {}): Promise<Result> {
    return resultOf(this.begin(args, options))
  }

  #environment({
    PATH = '',
    ...env
  }: Record<string, string | undefined> = {}): Record<string, string | undefined> {
    return {
      PATH: `${PATH}${PATH && ':'}${this.#fakes}:${process.env.PATH}:/usr/sbin:/sbin`,
      FAKE_ROOT: this.root,
      FAKE_STATE: this.#state,
      SHIPPER_BASE_URL: this.url,
      SHIPPER_VERSION: undefined,
      FORWARD_HOST: undefined,
      // In a test run a bun ends with its parent, but a service does not end with the process that started it.
      BUN_FEATURE_FLAG_NO_ORPHANS: undefined,
      ...env,
    }
  }

  path(path: string): string {
    return join(this.root, path)
  }

  read(path: string): string {
    return readFileSync(this.path(path), 'utf8')
  }

  write(path: string, text: string): void {
    writeFileSync(this.path(path), text)
  }

  has(path: string): boolean {
    return existsSync(this.path(path))
  }

  /** Arguments of the calls of the service manager. */
  get calls(): string[] {
    const path = join(this.#state, 'calls')
    return existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n') : []
  }

  get serviceLog(): string {
    return readFileSync(join(this.#state, 'log'), 'utf8')
  }

  get pid(): number {
    const path = join(this.#state, 'pid')
    return existsSync(path) ? Number(readFileSync(path, 'utf8')) : 0
  }

  /** Returns true if the process of the service exists. */
  running(): boolean {
    if (this.pid === 0 || !existsSync(`/proc/${this.pid}/status`)) return false
    return !ZOMBIE.test(readFileSync(`/proc/${this.pid}/status`, 'utf8'))
  }

  /** Returns every path of the root with its mode and content, except copies and locks of the user database. */
  tree(): string[] {
    return treeOf(this.root).filter((line) => !USER_DATABASE.test(line))
  }

  #folder(path: string): void {
    mkdirSync(this.path(path), { recursive: true })
  }

  #program(path: string, text: string): void {
    writeFileSync(path, text)
    chmodSync(path, 0o755)
  }
}

async function resultOf(running: Running): Promise<Result> {
  const exit = await running.ended()
  return { ...exit, stdout: running.stdout, stderr: running.stderr }
}

/** Makes a machine, and a server with a release of this binary; `publish` adds a release. */
export async function machineWith(first: Stub, manager?: 'systemd' | 'openrc' | 'none') {
  const machine = new Machine(manager)
  const server = await ReleaseServer.start()
  const publish = (next: Stub, changes?: Record<string, string>) =>
    server.publish(next.version, releaseOf(stub(next), changes))
  publish(first)
  machine.url = server.url
  return { machine, server, publish }
}

const ZOMBIE = /^State:\s+Z/m
const USER_DATABASE = /^etc\/(?:(?:passwd|group|shadow|gshadow|subuid|subgid)-|\.pwd\.lock)/

export function treeOf(root: string): string[] {
  const rows: string[] = []
  for (const name of readdirSync(root, { recursive: true }) as string[]) {
    const path = join(root, name)
    const stat = lstatSync(path)
    const mode = (stat.mode & 0o7777).toString(8)
    if (stat.isSymbolicLink()) rows.push(`${name} -> ${readlinkSync(path)}`)
    else if (stat.isDirectory()) rows.push(`${name}/ ${mode}`)
    else rows.push(`${name} ${mode} ${Bun.hash(readFileSync(path)).toString(16)}`)
  }
  return rows.sort()
}

/** Returns the paths of a tree, without mode and content. */
export function names(tree: string[]): string[] {
  return tree.map((line) => line.split(' ')[0] as string)
}

/** Returns true if this process can mount in a namespace of its own. */
export function canMount(): boolean {
  return spawnSync('unshare', [...MOUNT_NAMESPACE, 'mount', '-t', 'tmpfs', 'none', '/mnt']).status === 0
}

export const MOUNT_NAMESPACE = IS_ROOT ? ['-m'] : ['-Urm']

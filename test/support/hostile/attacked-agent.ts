import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { waitedMs } from '../cpu.ts'
import { NODE, podOf } from '../kubernetes/pods.ts'
import { freePorts } from '../ports.ts'
import { type Running, shipperCommand, start } from '../process.ts'
import { peakBytes } from '../shipping.ts'
import { tmp } from '../tmp.ts'
import { until, untilReaches } from '../until.ts'
import { ATTACKER, Helper, PRIORITY } from './helper.ts'

export const KINDS = ['sender', 'receiver', 'broker', 'api-server', 'tenant', 'http-client'] as const
export type Kind = (typeof KINDS)[number]

/** The kinds that wait for the agent to connect. */
const SERVERS: readonly Kind[] = ['receiver', 'broker', 'api-server']

export interface Summary {
  written: number
  arrived: number
  duplicates: number
  maxMs: number
  p99Ms: number
  otherBytes: number
}

export interface Report extends Summary {
  peakBytes: number
  /** Share of a core that the agent used. */
  cores: number
  /** Time for which its main thread was ready and had no processor: that of a busy machine, not its own. */
  waitedS: number
  /** Time from SIGTERM to the end, and the status. */
  stopMs: number
  status: number | null
  stderr: string
  attacks: Record<string, unknown>
}

export interface Assault {
  kinds: readonly Kind[]
  seconds: number
  /** Names of attacks, without which all are made. */
  only?: string[]
  /** Seconds that the agent waits for acknowledgements at its end. */
  graceS?: number
  /** Command that runs the agent; its default is the binary. */
  command?: string[]
  /** Folder of the database, the dead letters and the files that the agent writes. */
  state?: string
}

/** Attacks to make instead of all, for a look at one of them. */
const ONLY = process.env.SHIPPER_HOSTILE_ONLY?.split(',') ?? []

export const GRACE_S = 5

/** Runs an agent with all of its parts while the attackers do what they can, and reports how a quiet log fared. */
export async function assault({
  kinds,
  seconds,
  only = ONLY,
  command,
  state,
  graceS = GRACE_S,
}: Assault): Promise<Report> {
  const dir = tmp('shipper-hostile-')
  const ports = await startServers(kinds, only)
  const witness = new Helper('witness', [join(dir, 'quiet.log')], PRIORITY)
  const healthy = await witness.port()
  const conf = writeConfiguration(dir, { ...ports, healthy, graceS }, state ?? dir)
  const agent = start(['-c', conf], {
    command: [...PRIORITY, ...(command ?? shipperCommand())],
    env: { NODE_NAME: NODE },
  })
  const summary = (): Promise<Summary> => witness.ask<Summary>('summary')
  await untilReaches(5, async () => (await summary()).arrived, { what: () => agent.stderr.slice(-5000) })
  await witness.ask('next')
  const clients = startClients(kinds, { ...ports, dir, only })
  for (const client of clients.values()) await client.next()
  const cpuBefore = cpuSeconds(agent.pid)
  const waitedBeforeMs = waitedMs(agent.pid)
  const startedMs = performance.now()
  await until(() => agent.exit !== undefined || performance.now() - startedMs > seconds * 1000, {
    limitMs: seconds * 1000 + 60_000,
    everyMs: 50,
  })
  if (agent.exit !== undefined) throw new Error(`the agent ended: ${agent.stderr.slice(-5000)}`)
  const cores = (cpuSeconds(agent.pid) - cpuBefore) / ((performance.now() - startedMs) / 1000)
  const waitedS = (waitedMs(agent.pid) - waitedBeforeMs) / 1000
  const { written } = await witness.ask<Summary>('quiet')
  await untilReaches(written, async () => (await summary()).arrived, {
    what: () => agent.stderr.slice(-5000),
    everyMs: 20,
  })
  const peak = peakBytes(agent)
  const { stopMs, status } = await stopped(agent)
  const attacks: Record<string, unknown> = {}
  for (const [kind, helper] of [...Object.entries(ports.helpers), ...clients]) {
    helper.child.kill('SIGTERM')
    attacks[kind] = JSON.parse(await helper.next(3000).catch(() => '{}'))
    helper.kill()
  }
  return {
    ...(await summary()),
    peakBytes: peak,
    cores,
    waitedS,
    stopMs,
    status,
    stderr: agent.stderr,
    attacks,
  }
}

/** Stops the agent while all attackers go on. */
async function stopped(agent: Running): Promise<{ stopMs: number; status: number | null }> {
  const startedMs = performance.now()
  const { code } = await agent.stop()
  return { stopMs: performance.now() - startedMs, status: code }
}

interface Ports {
  sender: number
  'http-client': number
  receiver: number
  broker: number
  'api-server': number
  helpers: Partial<Record<Kind, Helper>>
}

/** Starts the servers among the attackers. A peer that is not among them refuses all connections. */
async function startServers(kinds: readonly Kind[], only: string[]): Promise<Ports> {
  const [sender = 0, http = 0, receiver = 0, broker = 0, api = 0] = await freePorts(5)
  const ports: Ports = { sender, 'http-client': http, receiver, broker, 'api-server': api, helpers: {} }
  for (const kind of SERVERS) {
    if (!kinds.includes(kind)) continue
    const port = ports[kind as 'broker']
    const helper = new Helper(kind, [JSON.stringify({ port, only })], ATTACKER)
    await helper.port()
    ports.helpers[kind] = helper
  }
  return ports
}

type Clients = Ports & { dir: string; only: string[] }

function startClients(kinds: readonly Kind[], { dir, only, ...ports }: Clients): Map<Kind, Helper> {
  const clients = kinds.filter((kind) => !SERVERS.includes(kind))
  return new Map(
    clients.map((kind) => {
      const port = kind === 'tenant' ? 0 : ports[kind as 'sender']
      return [kind, new Helper(kind, [JSON.stringify({ port, dir, only })], ATTACKER)]
    }),
  )
}

function writeConfiguration(
  dir: string,
  ports: Ports & { healthy: number; graceS: number },
  state: string,
): string {
  for (const name of ['tenant', 'containers', 'meta', 'out']) mkdirSync(join(dir, name), { recursive: true })
  writeFileSync(join(dir, 'quiet.log'), '', { flag: 'a' })
  // One pod of the tenant is known whatever the API server says, and asks for a parser.
  const pod = podOf({ name: 'tenant-3', annotations: { 'fluentbit.io/parser': 'evil' } })
  writeFileSync(join(dir, 'meta', 'default_tenant-3.meta'), JSON.stringify(pod))
  writeFileSync(join(dir, 'parsers.conf'), PARSERS)
  const conf = join(dir, 'agent.conf')
  writeFileSync(conf, configuration(dir, ports, state))
  return conf
}

const PARSERS = `[PARSER]
    Name    evil
    Format  regex
    Regex   ^(?<a>(x+)+)$
[PARSER]
    Name    access
    Format  regex
    Regex   ^(?<host>[^ ]*) [^ ]* (?<user>[^ ]*) \\[(?<time>[^\\]]*)\\] "(?<method>\\S+)(?: +(?<path>[^\\"]*?)(?: +\\S*)?)?" (?<code>[^ ]*)
[PARSER]
    Name    json
    Format  json
[PARSER]
    Name    logfmt
    Format  logfmt
`

/** The sections of the unit and of the DaemonSet, with peers on loopback. */
function configuration(
  dir: string,
  ports: Ports & { healthy: number; graceS: number },
  state: string,
): string {
  return `[SERVICE]
    Flush         0.1
    Grace         ${ports.graceS}
    Parsers_File  ${dir}/parsers.conf
    Memory_Limit  16M
    HTTP_Server   on
    HTTP_Port     ${ports['http-client']}
    Dead_Letter_After 5

[INPUT]
    Name              tail
    Tag               quiet
    Path              ${dir}/quiet.log
    DB                ${state}/quiet.db
    Read_From_Head    on
[INPUT]
    Name              tail
    Tag               kube.var.log.containers.*
    Tag_Regex         (?<file>[^/]+)$
    Path              ${dir}/containers/*.log
    multiline.parser  docker, cri
    DB                ${state}/pos.db
    Read_From_Head    on
[INPUT]
    Name              tail
    Tag               tenant.*
    Path              ${dir}/tenant/*/logs/*.log
    DB                ${state}/pos.db
    Read_From_Head    on
    Refresh_Interval  2
[INPUT]
    Name              forward
    Port              ${ports.sender}

[INPUT]
    Name    dummy
    Tag     recv.own
    Rate    100
[INPUT]
    Name    dummy
    Tag     kafka.own
    Rate    100
[INPUT]
    Name    dummy
    Tag     kafka.other
    Dummy   {"log": "x", "topic": "__consumer_offsets"}

[FILTER]
    Name                kubernetes
    Match               kube.*
    Kube_URL            http://127.0.0.1:${ports['api-server']}
    Kube_Meta_Preload_Cache_Dir  ${dir}/meta
    Merge_Log           on
    Keep_Log            off
    K8S-Logging.Parser  on
    K8S-Logging.Exclude on

[OUTPUT]
    Name         forward
    Match_Regex  ^(quiet$|kube\\.|tenant\\.|t\\.)
    Port         ${ports.healthy}
[OUTPUT]
    Name         forward
    Match        recv.*
    Port         ${ports.receiver}
    Ack_Timeout  2
[OUTPUT]
    Name         kafka
    Match        kafka.*
    Brokers      127.0.0.1:${ports.broker}
    Topics       logs
    Topic_Key    topic
    Dynamic_Topic on
    rdkafka.request.timeout.ms 2000
    rdkafka.message.timeout.ms 4000
[OUTPUT]
    Name         file
    Match        rec*
    Path         ${state === dir ? `${dir}/out` : state}
    Mkdir        on
`
}

function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

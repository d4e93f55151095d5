import { expect } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { RealDocker, testWithDocker } from '../support/docker/real-daemon.ts'
import { type Running, start } from '../support/process.ts'
import { tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

const LIMIT_MS = 180_000
const KILLS = 4
const VOLUMES_PER_RUN = 30

testWithDocker(
  'each event of a real Docker daemon is a record, over kills of the agent and a restart of the daemon; after an orderly stop none comes again',
  async () => {
    const docker = await RealDocker.start()
    const dir = tmp()
    const conf = join(dir, 'agent.conf')
    writeFileSync(
      conf,
      `[SERVICE]
    Flush 0.05
[INPUT]
    Name docker_events
    Tag docker
    Unix_Path ${docker.socket}
    DB ${join(dir, 'pos.db')}
[OUTPUT]
    Name stdout
    Match *
    Format json_lines
`,
    )
    const runs: Running[] = []
    const startAgent = async (): Promise<Running> => {
      const agent = start(['-c', conf])
      runs.push(agent)
      await agent.waitForStderr('reading events of Docker')
      return agent
    }
    const volumes = (): string[] =>
      runs.flatMap(({ stdout }) =>
        stdout
          .split('\n')
          .slice(0, -1)
          .map((line) => JSON.parse((JSON.parse(line) as { message: string }).message).Actor.ID as string),
      )
    const made: string[] = []
    const make = async (): Promise<void> => {
      made.push(`v${made.length}`)
      await docker.createVolume(made.at(-1) as string)
    }
    let agent = await startAgent()
    for (let kill = 0; kill < KILLS; kill++) {
      for (let i = 0; i < VOLUMES_PER_RUN; i++) await make()
      await agent.stop('SIGKILL')
      // While it is away.
      for (let i = 0; i < VOLUMES_PER_RUN; i++) await make()
      agent = await startAgent()
    }
    const allOf = (): boolean => new Set(volumes()).size === made.length
    await until(allOf, { what: () => `${made.length} events, have ${new Set(volumes()).size}` })
    await docker.down()
    await docker.up()
    await make()
    await until(allOf)
    expect((await agent.stop()).code).toBe(0)
    // A kill may come between the output of a record and the storage of the position.
    expect([...new Set(volumes())].toSorted()).toEqual(made.toSorted())
    const before = volumes().length
    agent = await startAgent()
    await make()
    await until(allOf)
    expect((await agent.stop()).code).toBe(0)
    expect(volumes().length).toBe(before + 1)
  },
  LIMIT_MS,
)

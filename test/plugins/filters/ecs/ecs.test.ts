import { describe, expect, test } from 'bun:test'
import { spec } from '../../../../src/plugins/filters/ecs/index.ts'
import { filterContract } from '../../../contract/filter.ts'
import { FilterRun, type Texts } from '../../../support/engine/filter-run.ts'
import { ManualClock } from '../../../support/engine/manual-clock.ts'
import {
  FAULTS,
  type Handler,
  type Service,
  startRawService,
  startService,
} from '../../../support/metadata-service.ts'
import { atEnd } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

const ID = '79c796ed2a7f'
const TAG = `ecs.${ID}.log`
const CLUSTER = {
  Cluster: 'shop',
  ContainerInstanceArn: 'arn:aws:ecs:eu-central-1:123456789012:container-instance/shop/4d5e6f',
  Version: 'Amazon ECS Agent - v1.99.0 (0000000)',
}
const TASK = {
  Arn: 'arn:aws:ecs:eu-central-1:123456789012:task/shop/e01d58a8',
  DesiredStatus: 'RUNNING',
  Family: 'web',
  Version: '7',
  Containers: [
    { DockerId: 'f'.repeat(64), DockerName: 'ecs-web-7-proxy-1', Name: 'proxy' },
    { DockerId: `${ID}${'0'.repeat(52)}`, DockerName: 'ecs-web-7-nginx-1', Name: 'nginx' },
  ],
}
const ADD = ['cluster $ClusterName', 'task $TaskDefinitionFamily:$TaskDefinitionVersion']
const OF_CLUSTER = { cluster: 'shop' }
const OF_TASK = { cluster: 'shop', task: 'web:7' }

/** Answers as the ECS agent does; 404 for a container that is not in `tasks`. */
function agentHandler(tasks: Record<string, unknown> = { [ID]: TASK }, cluster: unknown = CLUSTER): Handler {
  return (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://agent')
    const answer = pathname === '/v1/metadata' ? cluster : tasks[searchParams.get('dockerid') ?? '']
    response.statusCode = answer === undefined ? 404 : 200
    response.end(typeof answer === 'string' ? answer : JSON.stringify(answer ?? {}))
  }
}

function ecsAt({ port }: Service, texts: Texts = {}, more = {}): FilterRun {
  const run = new FilterRun(
    spec as never,
    { ecs_meta_port: String(port), ecs_tag_prefix: 'ecs.', add: ADD, ...texts },
    more,
  )
  atEnd(() => run.filter.close?.())
  return run
}

async function started(service: Service, texts: Texts = {}, more = {}): Promise<FilterRun> {
  const run = ecsAt(service, texts, more)
  await run.filter.start?.()
  return run
}

/** Waits as an input with a file does, until its lines may be read. */
async function waited(run: FilterRun, tag = TAG): Promise<void> {
  for (
    let wait = run.filter.ready?.(tag, '/x.log');
    wait !== undefined;
    wait = run.filter.ready?.(tag, '/x.log')
  )
    await wait
}

filterContract({
  name: 'ecs',
  create: (ctx) => spec.trial?.create({ add: [] } as never, ctx, { mark: 'shop', keep: 'x' }) as never,
  expected: ({ mark: _mark, keep: _keep, ...others }) => others,
  added: { mark: 'shop', keep: 'x' },
})

test('lines of files wait for their container, and every variable has its value', async () => {
  const service = await startService(agentHandler())
  const names = [
    'ClusterName',
    'ContainerInstanceArn',
    'ContainerInstanceID',
    'ECSAgentVersion',
    'ContainerID',
    'DockerContainerName',
    'ECSContainerName',
    'TaskARN',
    'TaskID',
    'TaskDefinition',
    'TaskDefinitionFamily',
    'TaskDefinitionVersion',
  ]
  const run = await started(service, { add: names.map((name) => `${name} <$${name}>`) })
  await waited(run)
  expect(run.through([{ a: 1, TaskID: 0 }], TAG)).toEqual([
    {
      a: 1,
      ClusterName: '<shop>',
      ContainerInstanceArn: `<${CLUSTER.ContainerInstanceArn}>`,
      ContainerInstanceID: '<4d5e6f>',
      ECSAgentVersion: `<${CLUSTER.Version}>`,
      ContainerID: `<${ID}${'0'.repeat(52)}>`,
      DockerContainerName: '<ecs-web-7-nginx-1>',
      ECSContainerName: '<nginx>',
      TaskARN: `<${TASK.Arn}>`,
      TaskID: '<e01d58a8>',
      TaskDefinition: '<web:7>',
      TaskDefinitionFamily: '<web>',
      TaskDefinitionVersion: '<7>',
    },
  ])
  expect(service.requests).toEqual(['GET /v1/metadata', `GET /v1/tasks?dockerid=${ID}`])
  expect(run.counters.get('records_incomplete')).toBe(0)
})

test('records that nobody holds back get the fields of the cluster, and those of the task when they are known', async () => {
  const run = await started(await startService(agentHandler()))
  expect(run.through([{ a: 1 }], TAG)).toEqual([{ a: 1, ...OF_CLUSTER }])
  expect(run.counters.get('records_incomplete')).toBe(1)
  await until(() => run.through([{}], TAG)[0]?.task === 'web:7')
})

test('a container without a task is asked for twice, and not again before the time of the cache has passed', async () => {
  const service = await startService(agentHandler({}))
  const clock = new ManualClock()
  const run = await started(service, {}, { clock })
  const tasks = (): number => service.requests.filter((request) => request.includes('dockerid')).length
  for (const n of [1, 2]) {
    expect(run.through([{}], TAG)).toEqual([OF_CLUSTER])
    await until(() => run.counters.get('containers_unknown') === n)
    clock.advance(10_000)
  }
  expect(run.filter.ready?.(TAG, '/x.log')).toBeUndefined()
  clock.advance(3_500_000)
  run.through([{}], TAG)
  expect(tasks()).toBe(2)
  clock.advance(100_000)
  run.through([{}], TAG)
  await until(() => tasks() === 3)
  expect(run.lines).toEqual([
    expect.stringContaining(`warn the ECS agent knows no task with container ${ID}`),
  ])
})

test('a known container is asked for again after Ecs_Meta_Cache_TTL, and keeps its fields meanwhile', async () => {
  const tasks: Record<string, unknown> = { [ID]: TASK }
  const service = await startService(agentHandler(tasks))
  const clock = new ManualClock()
  const run = await started(service, { ecs_meta_cache_ttl: '60' }, { clock })
  run.through([{}], TAG)
  await until(() => run.through([{}], TAG)[0]?.task !== undefined)
  tasks[ID] = { ...TASK, Version: '8' }
  clock.advance(59_999)
  expect(run.through([{}], TAG)).toEqual([OF_TASK])
  clock.advance(1)
  expect(run.through([{}], TAG)).toEqual([OF_TASK])
  await until(() => run.through([{}], TAG)[0]?.task === 'web:8')
  expect(service.requests).toHaveLength(3)
})

test('Cluster_Metadata_Only and tags without a container ask for no task', async () => {
  const service = await startService(agentHandler())
  const only = await started(service, { cluster_metadata_only: 'on' })
  expect(only.filter.ready?.(TAG, '/x.log')).toBeUndefined()
  expect(only.through([{}], TAG)).toEqual([OF_CLUSTER])
  const run = await started(service)
  for (const tag of [
    ID,
    'ecs.79c796',
    'ecs.docker.daemon.log',
    `ecs.${ID.toUpperCase()}`,
    'ecs.../../../../x',
  ]) {
    expect(run.filter.ready?.(tag, '/x.log')).toBeUndefined()
    expect(run.through([{}], tag)).toEqual([OF_CLUSTER])
  }
  expect(service.requests).toEqual(['GET /v1/metadata', 'GET /v1/metadata'])
  expect(run.lines).toHaveLength(1)
})

test('at most 1,000 containers are remembered, and 4 requests are open', async () => {
  const held: (() => void)[] = []
  const answer = agentHandler()
  const service = await startService((request, response) => {
    if (request.url?.includes('dockerid')) held.push(() => answer(request, response))
    else answer(request, response)
  })
  const clock = new ManualClock()
  const run = await started(service, {}, { clock })
  for (let i = 0; i < 3000; i++) run.through([{}], `ecs.${i.toString(16).padStart(12, '0')}`)
  await until(() => held.length === 4)
  for (const release of held) release()
  await until(() => run.counters.get('containers_unknown') === 4)
  expect(run.counters.get('agent_requests')).toBe(5)
})

test('of more than 1,000 containers the one that was used least recently is asked for again', async () => {
  const service = await startService(agentHandler())
  const run = await started(service)
  const asked = (): number => service.requests.filter((request) => request.endsWith(ID)).length
  await waited(run)
  for (let i = 0; i < 999; i++) run.through([{}], `ecs.${i.toString(16).padStart(12, '0')}`)
  expect(run.through([{}], TAG)).toEqual([OF_TASK])
  for (let i = 0; i < 1000; i++) run.through([{}], `ecs.a${i.toString(16).padStart(11, '0')}`)
  await until(() => run.counters.get('containers_unknown') >= 4)
  expect(run.through([{}], TAG)).toEqual([OF_CLUSTER])
  await until(() => asked() === 2)
})

test('lines that wait for a container are let go when the filter is closed', async () => {
  const service = await startService(agentHandler({}))
  const clock = new ManualClock()
  const run = await started(service, {}, { clock })
  const first = run.filter.ready?.(TAG, '/x.log')
  expect(first).toBeInstanceOf(Promise)
  await first
  const second = run.filter.ready?.(TAG, '/x.log')
  expect(second).toBeInstanceOf(Promise)
  await run.filter.close?.()
  await second
  expect(clock.waiting).toBe(0)
})

describe('an agent that', () => {
  test.each(Object.entries(FAULTS))(
    '%s holds lines of files for five seconds at most; records pass unchanged, counted',
    async (_name, fault) => {
      const service = await startRawService((socket) => socket.once('data', () => fault(socket)))
      const clock = new ManualClock()
      const run = ecsAt(service, {}, { clock })
      const start = run.filter.start?.()
      clock.advance(1000)
      await start
      const wait = run.filter.ready?.(TAG, '/x.log')
      clock.advance(4000)
      await wait
      expect(run.filter.ready?.(TAG, '/x.log')).toBeUndefined()
      expect(run.through([{ a: 1 }], TAG)).toEqual([{ a: 1 }])
      await until(() => run.counters.get('agent_failures') >= 1)
      expect(run.counters.get('records_incomplete')).toBe(1)
      expect(run.lines).toEqual([expect.stringContaining('warn no metadata of the cluster')])
      await run.filter.close?.()
      expect(clock.waiting).toBe(0)
    },
  )

  test('answers with something else has no fields for it, and is asked again', async () => {
    const clock = new ManualClock()
    for (const [i, answer] of [
      '[]',
      'null',
      '{',
      '{"Cluster":1}',
      { ...CLUSTER, ContainerInstanceArn: 'no-arn' },
    ].entries()) {
      const run = await started(await startService(agentHandler({}, answer)), {}, { clock })
      expect([i, run.through([{ a: 1 }], TAG)]).toEqual([i, [{ a: 1 }]])
      clock.advance(10_000)
      run.through([{}], TAG)
      await until(() => run.counters.get('agent_failures') === 2)
    }
    for (const task of [
      { ...TASK, Arn: 5 },
      { ...TASK, Family: '' },
      { ...TASK, Containers: { a: 1 } },
      '[',
      { ...TASK, Containers: [null, 5, { DockerId: ID }] },
    ]) {
      const run = await started(await startService(agentHandler({ [ID]: task })), {}, { clock })
      run.through([{}], TAG)
      await until(() => run.counters.get('agent_failures') + run.counters.get('containers_unknown') === 1)
      expect(run.through([{}], TAG)).toEqual([OF_CLUSTER])
    }
  })
})

test('refuses a variable that there is not, and a template without a name', () => {
  const create = (add: string) => () => new FilterRun(spec as never, { add })
  expect(create('k $Cluster')).toThrow('there is no variable $Cluster')
  expect(create('k a$')).toThrow('no name after "$"')
  expect(create('k')).toThrow('KEY TEMPLATE')
})

test('without Add nothing is asked for and nothing changes', async () => {
  const service = await startService(agentHandler())
  const run = await started(service, { add: [] })
  expect(run.through([{ a: 1 }], TAG)).toEqual([{ a: 1 }])
  expect(service.requests).toEqual([])
})

test('a value with control characters is refused, as one that is missing', async () => {
  const service = await startService(agentHandler({ [ID]: { ...TASK, Family: 'web\u001b[2J' } }))
  const run = await started(service)
  expect(run.through([{}], TAG)).toEqual([OF_CLUSTER])
  await until(() => run.counters.get('agent_failures') === 1)
  expect(run.through([{}], TAG)).toEqual([OF_CLUSTER])
})

import { describe, expect, test } from 'bun:test'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseOptions } from '../../../../src/core/options/parse.ts'
import { spec as jsonSpec } from '../../../../src/plugins/parsers/json.ts'
import { listLog } from '../../../support/engine/chunks.ts'
import { ManualClock } from '../../../support/engine/manual-clock.ts'
import { KubeApi } from '../../../support/kubernetes/api-server.ts'
import { logName, podOf } from '../../../support/kubernetes/pods.ts'
import { KubeRun } from '../../../support/kubernetes/run.ts'
import { tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

describe('lines of an unknown pod', () => {
  test('wait until the pod is known, and no longer', async () => {
    const api = await KubeApi.start()
    const run = await new KubeRun(api, { texts: { kube_meta_wait: '60' } }).start()
    await until(() => api.watching === 1)
    const pod = podOf({ name: 'new' })
    let took: number | undefined
    const waited = run.ready(logName(pod)).then((ms) => {
      took = ms
    })
    api.create(podOf({ name: 'other' }))
    await run.known(logName(podOf({ name: 'other' })))
    expect(took).toBeUndefined()
    api.create(pod)
    await waited
    expect(took).toBeLessThan(30_000)
    expect(run.metadata(logName(pod)).labels).toEqual({ app: 'new' })
  })

  test('get the fields from the log path after Kube_Meta_Wait, marked, counted and logged once', async () => {
    const run = await new KubeRun(await KubeApi.start(), { texts: { kube_meta_wait: '0.3' } }).start()
    const dir = tmp()
    const real = join(dir, 'pods/default_lost_0b7e-1/app')
    mkdirSync(real, { recursive: true })
    writeFileSync(join(real, '4.log'), '')
    const log = logName(podOf({ name: 'lost' }))
    symlinkSync(join(real, '4.log'), join(dir, log))
    expect(await run.ready(log, join(dir, log))).toBeGreaterThan(280)
    expect(await run.ready(log, join(dir, log))).toBeLessThan(50)
    expect(Object.entries(run.metadata(log))).toEqual([
      ['pod_name', 'lost'],
      ['namespace_name', 'default'],
      ['pod_id', '0b7e-1'],
      ['container_name', 'app'],
      ['docker_id', expect.any(String)],
      ['restart_count', 4],
      ['incomplete', true],
    ])
    expect([run.counters.get('pods_unknown'), run.counters.get('records_incomplete')]).toEqual([1, 1])
    expect(run.logged.lines.filter((line) => line.includes('no metadata for pod default/lost'))).toHaveLength(
      1,
    )
  })

  test('get the uid from the target of the link, and nothing from another pod of the same name', async () => {
    const api = await KubeApi.start()
    const pod = podOf({ name: 'db-0', uid: 'new-uid' })
    const run = await new KubeRun(api, { texts: { kube_meta_wait: '0.5' } }).start()
    api.create(pod)
    await run.known(logName(pod))
    const real = join(tmp(), 'pods/default_db-0_old-uid/app')
    mkdirSync(real, { recursive: true })
    const log = logName(podOf({ name: 'db-0', dockerId: 'f'.repeat(64) }))
    symlinkSync(join(real, '0.log'), join(real, 'link'))
    writeFileSync(join(real, '0.log'), '')
    await run.ready(log, join(real, 'link'))
    expect(run.metadata(log)).toMatchObject({ pod_id: 'old-uid', incomplete: true })
  })

  test('a tag that names no container is logged once and its records pass', async () => {
    const run = await new KubeRun(undefined).start()
    for (let i = 0; i < 3; i++)
      expect(run.through('app', [{ log: 'x' }])).toEqual([{ log: 'x', kubernetes: { incomplete: true } }])
    expect(run.filter.ready?.('app', '/var/log/app.log')).toBeUndefined()
    expect(run.logged.lines.filter((line) => line.includes('"app" names no container'))).toHaveLength(1)
  })

  test('no line waits and no timer is left after a stop', async () => {
    const clock = new ManualClock()
    const run = await new KubeRun(await KubeApi.start(), { clock, texts: { kube_meta_wait: '60' } }).start()
    const wait = run.filter.ready?.(`kube.var.log.containers.${logName(podOf({ name: 'a' }))}`, '/a')
    await run.close()
    await wait
    expect(clock.waiting).toBe(0)
  })
})

describe('the cache file', () => {
  async function stored(): Promise<{ directory: string; pods: ReturnType<typeof podOf>[] }> {
    const api = await KubeApi.start()
    const directory = tmp()
    const pods = ['here', 'gone'].map((name) => api.create(podOf({ name })))
    const run = await new KubeRun(api, { stateFolder: directory, texts: { kube_meta_wait: '1' } }).start()
    for (const pod of pods) await run.known(logName(pod))
    api.delete('default', 'gone')
    api.create(podOf({ name: 'last' }))
    await run.known(logName(podOf({ name: 'last' })))
    await run.close()
    return { directory, pods }
  }

  test('serves a restart while the API is unreachable, deleted pods included, and is readable only by its owner', async () => {
    const { directory, pods } = await stored()
    expect(statSync(join(directory, 'kubernetes.0.pods')).mode & 0o777).toBe(0o600)
    const run = await new KubeRun(undefined, { stateFolder: directory }).start()
    for (const pod of pods) {
      expect(await run.ready(logName(pod))).toBeLessThan(100)
      expect(run.metadata(logName(pod)).pod_id).toBe(pod.metadata.uid)
    }
  })

  test('is ignored when it is corrupt, truncated or of another version', async () => {
    const { directory, pods } = await stored()
    const path = join(directory, 'kubernetes.0.pods')
    const bytes = readFileSync(path)
    const flipped = Buffer.from(bytes)
    flipped[bytes.length - 20] = (flipped[bytes.length - 20] as number) ^ 1
    const other = Buffer.from(bytes.toString().replace('"version":2', '"version":3'))
    for (const damaged of [
      flipped,
      bytes.subarray(0, -10),
      bytes.subarray(0, 5),
      other,
      Buffer.from('{}\n'),
    ]) {
      writeFileSync(path, damaged)
      const run = await new KubeRun(undefined, { stateFolder: directory }).start()
      expect(run.metadata(logName(pods[0] as (typeof pods)[0])).incomplete).toBe(true)
      expect(run.logged.lines.join()).toContain('is damaged or of another version')
      await run.close()
    }
  })

  test('is ignored when it is a FIFO, and the start does not wait for it', async () => {
    const directory = tmp()
    execFileSync('mkfifo', [join(directory, 'kubernetes.0.pods')])
    const run = await new KubeRun(undefined, { stateFolder: directory }).start()
    expect(run.logged.lines.join()).toContain('cannot read pod cache')
  })

  test('is corrected by the next list: missing pods count as deleted and are dropped a day later', async () => {
    const { directory, pods } = await stored()
    const [before] = pods as [ReturnType<typeof podOf>]
    const api = await KubeApi.start()
    const again = podOf({ name: 'here', labels: { gen: 'two' }, dockerId: 'e'.repeat(64) })
    api.create(again)
    const clock = new ManualClock(Date.now())
    const texts = { kube_meta_wait: '0' }
    const run = await new KubeRun(api, { stateFolder: directory, clock, texts }).start()
    expect(await run.known(logName(again))).toMatchObject({ labels: { gen: 'two' } })
    clock.advance(86_399_000)
    await run.known(logName(api.create(podOf({ name: 'third' }))))
    expect(run.metadata(logName(before)).labels).toEqual({ app: 'here' })
    clock.advance(2000)
    await run.known(logName(api.create(podOf({ name: 'other' }))))
    const unread = logName(podOf({ name: 'gone', dockerId: 'd'.repeat(64) }))
    expect(run.metadata(unread)).toMatchObject({ pod_name: 'gone', incomplete: true })
  })
})

describe('pod annotations', () => {
  const json = () =>
    jsonSpec.create(parseOptions(jsonSpec.options, {}) as never, {
      name: 'json',
      log: listLog().log,
      clock: new ManualClock(),
    })

  async function withAnnotations(
    annotations: Record<string, string>,
  ): Promise<(records: object[]) => object[]> {
    const api = await KubeApi.start()
    const pod = api.create(podOf({ name: 'a', annotations }))
    const texts = { kube_meta_wait: '1', annotations: 'off', keep_log: 'off' }
    const on = { 'k8s-logging.parser': 'on', 'k8s-logging.exclude': 'on' }
    const run = await new KubeRun(api, { texts: { ...texts, ...on }, parsers: { json } }).start()
    await run.known(logName(pod))
    return (records) => {
      const left = run.through(`kube.var.log.containers.${logName(pod)}`, records)
      const warnings = run.logged.lines.filter((line) => line.includes('requests parser'))
      expect(warnings.length).toBeLessThanOrEqual(1)
      return left.map(({ kubernetes, ...rest }) => {
        expect(kubernetes).not.toHaveProperty('annotations')
        return warnings.length > 0 ? { ...rest, warned: true } : rest
      })
    }
  }

  const both = ['stdout', 'stderr'].map((stream) => ({ stream, log: '{"a":1}' }))

  test('select a parser; the one for stream and container wins', async () => {
    const filter = await withAnnotations({
      'fluentbit.io/parser_stdout-app': 'json',
      'fluentbit.io/parser-other': 'x',
    })
    expect(filter(both)).toEqual([{ stream: 'stdout', a: 1 }, both[1] as object])
  })

  test('with a parser that does not exist are logged once and the lines pass', async () => {
    const filter = await withAnnotations({ 'fluentbit.io/parser': 'nope' })
    filter(both)
    expect(filter(both)).toEqual(both.map((record) => ({ ...record, warned: true })))
  })

  test('exclude a stream, a container or nothing', async () => {
    expect((await withAnnotations({ 'fluentbit.io/exclude_stderr': 'true' }))(both)).toEqual([
      both[0] as object,
    ])
    expect((await withAnnotations({ 'fluentbit.io/exclude-app': 'On' }))(both)).toEqual([])
    const mixed = { 'fluentbit.io/exclude': 'true', 'fluentbit.io/exclude_stdout-app': 'false' }
    expect((await withAnnotations(mixed))(both)).toEqual([both[0] as object])
    expect((await withAnnotations({ 'fluentbit.io/exclude': 'no' }))(both)).toEqual(both)
  })
})

test('Use_Journal identifies the container by each record and leaves other records unchanged', async () => {
  const api = await KubeApi.start()
  const pod = api.create(podOf({ name: 'web' }))
  const run = await new KubeRun(api, {
    texts: { kube_meta_wait: '1', use_journal: 'on', merge_log: 'on' },
  }).start()
  const name = `k8s_app.1a2b_web_default_${pod.metadata.uid}_0`
  const records = [{ CONTAINER_NAME: name, MESSAGE: '{"a":1}' }, { MESSAGE: '{"b":1}' }]
  const found = await until(() => {
    const [first, second] = run.through('host.kubelet', records)
    return (first?.kubernetes as { labels?: object })?.labels === undefined ? undefined : [first, second]
  })
  expect(found[0]).toMatchObject({ a: 1, kubernetes: { pod_name: 'web', labels: { app: 'web' } } })
  expect(found[1]).toEqual({ MESSAGE: '{"b":1}' })
})

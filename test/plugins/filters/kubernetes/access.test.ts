import { describe, expect, test } from 'bun:test'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { ManualClock } from '../../../support/engine/manual-clock.ts'
import { KubeApi } from '../../../support/kubernetes/api-server.ts'
import { logName, NODE, type PodObject, podOf } from '../../../support/kubernetes/pods.ts'
import { KubeRun } from '../../../support/kubernetes/run.ts'
import { freePorts } from '../../../support/ports.ts'
import { atEnd, tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

const TOKENS = /one|two/
/** Longer than any answer takes. */
const PATIENT = { kube_meta_wait: '60' }

describe('TLS', () => {
  test('the server’s certificate must be signed by Kube_CA_File', async () => {
    const api = await KubeApi.start({ tls: true })
    const pod = api.create(podOf({ name: 'a' }))
    const run = await new KubeRun(api, { texts: PATIENT }).start()
    await run.known(logName(pod))
    const withoutCa = await new KubeRun(await KubeApi.start({ tls: true }), {
      texts: { ...PATIENT, kube_url: api.url },
    }).start()
    await until(() => withoutCa.counters.get('api_errors') > 0)
    expect(withoutCa.logged.lines.join()).toContain('certificate')
    expect(withoutCa.metadata(logName(pod)).incomplete).toBe(true)
  })

  test('the host name is verified unless tls.verify_hostname or tls.verify is off, or tls.vhost gives another name', async () => {
    const api = await KubeApi.start({ tls: true, names: ['kubernetes.default.svc'] })
    const pod = api.create(podOf({ name: 'a' }))
    const strict = await new KubeRun(api, { texts: PATIENT }).start()
    await until(() => strict.counters.get('api_errors') > 0)
    expect(strict.metadata(logName(pod)).incomplete).toBe(true)
    for (const [name, value] of [
      ['tls.verify_hostname', 'off'],
      ['tls.verify', 'off'],
      ['tls.vhost', 'kubernetes.default.svc'],
    ] as const) {
      const run = await new KubeRun(api, { texts: { ...PATIENT, [name]: value } }).start()
      await run.known(logName(pod))
    }
  })

  test('CA certificates are also read from Kube_CA_Path', async () => {
    const api = await KubeApi.start({ tls: true })
    const directory = tmp()
    writeFileSync(join(directory, 'ca.pem'), api.authority?.cert ?? '')
    const texts = { ...PATIENT, kube_ca_file: join(directory, 'none'), kube_ca_path: directory }
    const run = await new KubeRun(api, { texts }).start()
    await run.known(logName(api.create(podOf({ name: 'a' }))))
  })
})

describe('tokens', () => {
  test('a replaced token is read after a 401 and the request is repeated at once', async () => {
    const api = await KubeApi.start({ tokens: ['one'] })
    const run = new KubeRun(api, { texts: PATIENT })
    writeFileSync(run.tokenFile, 'one\n')
    await run.start()
    await run.known(logName(api.create(podOf({ name: 'a' }))))
    api.tokens.clear()
    api.tokens.add('two')
    writeFileSync(run.tokenFile, 'two\n')
    api.cutWatches()
    await run.known(logName(api.create(podOf({ name: 'b' }))))
    expect(api.requests.filter((r) => r.verb === 'watch').at(-1)?.token).toBe('two')
    expect(run.logged.lines.join()).not.toMatch(TOKENS)
  })

  test('an expired token is refused until the file has a new one', async () => {
    const api = await KubeApi.start({ tokens: ['new'] })
    const run = new KubeRun(api, { texts: PATIENT })
    writeFileSync(run.tokenFile, 'expired')
    const pod = api.create(podOf({ name: 'a' }))
    await run.start()
    await until(() => run.counters.get('api_errors') > 0)
    expect(run.logged.lines.join()).toContain('401')
    writeFileSync(run.tokenFile, 'new')
    await run.known(logName(pod))
  })

  test('Kube_Token_Command prints the token and runs again only after a 401', async () => {
    const api = await KubeApi.start({ tokens: ['t1'] })
    const directory = tmp()
    const counter = join(directory, 'runs')
    const command = `echo x >> ${counter}; echo t$(wc -l < ${counter})`
    const run = await new KubeRun(api, { texts: { ...PATIENT, kube_token_command: command } }).start()
    await run.known(logName(api.create(podOf({ name: 'a' }))))
    api.tokens.clear()
    api.tokens.add('t2')
    api.cutWatches()
    await run.known(logName(api.create(podOf({ name: 'b' }))))
    expect([...new Set(api.requests.map((r) => r.token))]).toEqual(['t1', 't2'])
  })
})

describe('lookups of single pods', () => {
  test('are made once per pod when list and watch are forbidden', async () => {
    const api = await KubeApi.start()
    api.forbidden.add('list').add('watch')
    const pods = Array.from({ length: 20 }, (_, i) => api.create(podOf({ name: `p-${i}` })))
    const run = await new KubeRun(api, { texts: PATIENT }).start()
    await until(() => run.logged.lines.some((line) => line.includes('one API request per pod')))
    await Promise.all(pods.flatMap((pod) => [run.ready(logName(pod)), run.ready(logName(pod))]))
    for (const pod of pods) expect((await run.known(logName(pod))).pod_id).toBe(pod.metadata.uid)
    expect([api.count('list'), api.count('get')]).toEqual([1, 20])
    expect(api.requests.find((r) => r.verb === 'get')?.query.get('resourceVersion')).toBe('0')
  })

  test('are made in addition to a list when only watch is forbidden', async () => {
    const api = await KubeApi.start()
    api.forbidden.add('watch')
    const there = api.create(podOf({ name: 'there' }))
    const run = await new KubeRun(api, { texts: PATIENT }).start()
    await run.known(logName(there))
    await until(() => run.logged.lines.some((line) => line.includes('one API request per pod')))
    const later = api.create(podOf({ name: 'later' }))
    await run.known(logName(later))
    expect(api.requests.map((r) => r.verb)).toEqual(['list', 'watch', 'get'])
  })

  test('of made-up tags are limited per second, are counted, and do not stop those of pods that exist', async () => {
    const api = await KubeApi.start()
    api.forbidden.add('list').add('watch')
    const run = await new KubeRun(api, { texts: { kube_meta_wait: '0' } }).start()
    await until(() => run.logged.lines.some((line) => line.includes('one API request per pod')))
    const startMs = performance.now()
    const names = Array.from({ length: 1500 }, (_, i) => logName(podOf({ name: `made-up-${i}` })))
    for (const name of names) expect(run.metadata(name)).toMatchObject({ incomplete: true })
    await until(() => run.counters.get('lookups_delayed') > 0)
    const seconds = (performance.now() - startMs) / 1000
    // 200 at once, then 10 a second, and each again after a backoff: they take permits, too.
    expect(api.count('get')).toBeLessThanOrEqual(201 + 10 * (seconds + 1))
    expect(run.counters.get('lookups_left_out')).toBeGreaterThan(0)
    expect(run.logged.lines.join()).toContain('many tags name pods that do not exist')
  })

  test('are repeated only after a backoff when the pod does not exist', async () => {
    const api = await KubeApi.start()
    api.forbidden.add('list')
    const run = await new KubeRun(api, { texts: { kube_meta_wait: '1' } }).start()
    await until(() => run.logged.lines.some((line) => line.includes('one API request per pod')))
    const log = logName(podOf({ name: 'gone' }))
    expect(await run.ready(log)).toBeGreaterThan(900)
    const before = api.count('get')
    for (let i = 0; i < 30; i++) {
      run.metadata(log)
      // Gives a lookup time to arrive, if there were one.
      await fetch(`${api.url}/api/v1/namespaces/none`)
    }
    expect(before).toBeLessThan(5)
    // The backoff may expire meanwhile: the loop is slow on a busy machine.
    expect(api.count('get')).toBeLessThan(before + 10)
    expect(run.metadata(log)).toMatchObject({ pod_name: 'gone', namespace_name: 'default', incomplete: true })
  })

  test('do not delay lines when they are forbidden too', async () => {
    const api = await KubeApi.start()
    for (const verb of ['list', 'watch', 'get'] as const) api.forbidden.add(verb)
    const run = await new KubeRun(api, { texts: { kube_meta_wait: '60' } }).start()
    await until(() => run.logged.lines.some((line) => line.includes('one API request per pod')))
    expect(await run.ready(logName(podOf({ name: 'a' })))).toBeLessThan(20_000)
    expect(run.logged.lines.filter((line) => line.includes('403')).length).toBeLessThanOrEqual(2)
  })
})

/** Starts the filter without a node name in its environment. */
async function startWithoutNode(api: KubeApi, kubeletPort: number, token = ''): Promise<KubeRun> {
  const before = process.env.NODE_NAME
  delete process.env.NODE_NAME
  const texts = { ...PATIENT, kube_node_name: '', kubelet_port: String(kubeletPort) }
  const run = new KubeRun(api, { texts })
  writeFileSync(run.tokenFile, token)
  await run.start()
  if (before !== undefined) process.env.NODE_NAME = before
  return run
}

describe('the node name', () => {
  test('comes from the kubelet, and the pods of the node are then watched', async () => {
    const api = await KubeApi.start({ tls: true, tokens: ['t'] })
    const pod = api.create(podOf({ name: 'a' }))
    const run = await startWithoutNode(api, api.port, 't')
    await until(() => api.watching === 1)
    expect(run.metadata(logName(pod)).host).toBe(NODE)
    expect(api.requests.map((r) => r.verb)).toEqual(['kubelet', 'list', 'watch'])
  })

  test('comes from the first pod that is looked up when the kubelet refuses, which is logged', async () => {
    const api = await KubeApi.start({ tls: true })
    api.forbidden.add('kubelet')
    const [first, second] = ['a', 'b'].map((name) => api.create(podOf({ name })))
    if (first === undefined || second === undefined) throw new Error('no pods')
    const run = await startWithoutNode(api, api.port)
    await until(() => run.logged.lines.some((line) => line.includes('node name from the kubelet (GET /pods')))
    await run.ready(logName(first))
    await until(() => api.watching === 1)
    expect((await run.known(logName(second))).host).toBe(NODE)
    expect(api.requests.map((r) => r.verb)).toEqual(['kubelet', 'get', 'list', 'watch'])
  })

  test('comes from the first pod that is looked up while the kubelet does not answer', async () => {
    const silent = createServer()
    const [port] = await freePorts(1)
    await new Promise<void>((resolve) => silent.listen(port, '127.0.0.1', resolve))
    const open: Socket[] = []
    silent.on('connection', (socket) => open.push(socket))
    atEnd(() => {
      for (const socket of open) socket.destroy()
      silent.close()
    })
    const api = await KubeApi.start()
    const pod = api.create(podOf({ name: 'a' }))
    const run = await startWithoutNode(api, port as number)
    await until(() => open.length > 0)
    await run.ready(logName(pod))
    await until(() => api.watching === 1)
    await run.close()
    expect(run.logged.lines.join()).not.toContain('kubelet')
  })
})

describe('a node name that is not the node’s', () => {
  const selected = (api: KubeApi): (string | null)[] =>
    api.requests.filter((r) => r.verb === 'list').map((r) => r.query.get('fieldSelector'))

  for (const others of [[], [podOf({ name: 'foreign', node: 'ip-10-0-0-7' })]])
    test(`is corrected by the pod of a log that is here; ${others.length} pods run on the other node`, async () => {
      const api = await KubeApi.start()
      for (const pod of others) api.create(pod)
      const [first, second] = ['a', 'b'].map((name) => api.create(podOf({ name }))) as [PodObject, PodObject]
      const run = await new KubeRun(api, { texts: { ...PATIENT, kube_node_name: 'ip-10-0-0-7' } }).start()
      await run.ready(logName(first))
      expect(run.metadata(logName(first))).toMatchObject({ labels: { app: 'a' }, host: NODE })
      await run.ready(logName(second))
      expect(run.metadata(logName(second))).toMatchObject({ labels: { app: 'b' }, host: NODE })
      expect(selected(api)).toEqual(['ip-10-0-0-7', NODE].map((node) => `spec.nodeName=${node}`))
      expect(api.count('get')).toBe(1)
      const warnings = run.logged.lines.filter((line) => line.includes('runs on node'))
      expect(warnings).toHaveLength(1)
      expect(warnings[0]).toContain('"ip-10-0-0-7"')
      expect(warnings[0]).toContain(`"${NODE}"`)
    })

  test('is not looked for while the logs of some pods are known, nor by records without a log here', async () => {
    const api = await KubeApi.start()
    const pod = api.create(podOf({ name: 'a' }))
    const elsewhere = api.create(podOf({ name: 'elsewhere', node: 'other' }))
    const run = await new KubeRun(api, { texts: { kube_meta_wait: '1' } }).start()
    await until(() => api.watching === 1)
    // As from the forward input: nothing says that this log is here.
    run.metadata(logName(elsewhere))
    await run.ready(logName(pod))
    await run.ready(logName(elsewhere))
    expect(run.metadata(logName(elsewhere)).incomplete).toBe(true)
    expect(api.requests.map((r) => r.verb)).toEqual(['list', 'watch'])
  })

  test('is not changed again once a log has confirmed it', async () => {
    const api = await KubeApi.start()
    const clock = new ManualClock(Date.now())
    const texts = { kube_meta_wait: '0', kube_node_name: 'none' }
    const run = await new KubeRun(api, { clock, texts }).start()
    const ready = (pod: PodObject): void => {
      clock.advance(1001)
      run.filter.ready?.(`kube.var.log.containers.${logName(pod)}`, `/var/log/containers/${logName(pod)}`)
    }
    const own = api.create(podOf({ name: 'own' }))
    await until(() => {
      ready(own)
      return api.count('watch') === 2 && api.watching === 1
    })
    await run.known(logName(own))
    ready(own)
    for (let i = 0; i < 5; i++) {
      const foreign = api.create(podOf({ name: `foreign-${i}`, node: `node-${i}` }))
      for (let j = 0; j < 5; j++) ready(foreign)
    }
    await run.known(logName(api.create(podOf({ name: 'late' }))))
    expect([api.count('watch'), api.count('get')]).toEqual([2, 1])
  })
})

describe('Use_Kubelet', () => {
  test('serves all pending lookups by one request', async () => {
    const api = await KubeApi.start({ tls: true, tokens: ['t'] })
    const pods = Array.from({ length: 30 }, (_, i) => api.create(podOf({ name: `p-${i}` })))
    const texts = { ...PATIENT, use_kubelet: 'on', kubelet_port: String(api.port) }
    const run = new KubeRun(api, { texts })
    writeFileSync(run.tokenFile, 't')
    await run.start()
    await Promise.all(pods.map((pod) => run.ready(logName(pod))))
    for (const pod of pods) expect(run.metadata(logName(pod)).pod_id).toBe(pod.metadata.uid)
    expect(api.requests.every((r) => r.verb === 'kubelet')).toBe(true)
    expect(api.requests.length).toBeLessThanOrEqual(2)
  })

  test('asks for 60 unknown pods by at most five lists in 9 s, and a new pod is known within 4 s', async () => {
    const api = await KubeApi.start({ tls: true })
    const clock = new ManualClock(Date.now())
    const texts = { ...PATIENT, use_kubelet: 'on', kubelet_port: String(api.port) }
    const run = await new KubeRun(api, { clock, texts }).start()
    const unknown = Array.from({ length: 60 }, (_, i) => logName(podOf({ name: `gone-${i}` })))
    /** Asks every 250 ms, as lines that wait do, and lets each request be answered. */
    const poll = async (logs: string[], ms: number, isOver = (): boolean => false): Promise<void> => {
      for (let t = 0; t < ms && !isOver(); t += 250) {
        for (const log of logs) run.metadata(log)
        await until(() => run.counters.get('lookups') === api.count('kubelet'))
        await fetch(`${api.url}/other`, { tls: { rejectUnauthorized: false } })
        clock.advance(250)
      }
    }
    await poll(unknown, 9000)
    const lists = api.count('kubelet')
    expect(lists).toBeGreaterThan(1)
    expect(lists).toBeLessThanOrEqual(5)
    const late = logName(api.create(podOf({ name: 'late' })))
    await poll([late, ...unknown], 4250, () => run.metadata(late).incomplete !== true)
    await until(() => run.metadata(late).incomplete !== true)
    expect(api.count('kubelet')).toBeLessThanOrEqual(lists + 2)
  })
})

test('Use_Tag_For_Meta, Dummy_Meta and preloaded objects need no API', async () => {
  const log = logName(podOf({ name: 'web' }))
  const tag = await new KubeRun(undefined, { texts: { use_tag_for_meta: 'on' } }).start()
  expect(tag.metadata(log)).toMatchObject({
    pod_name: 'web',
    namespace_name: 'default',
    container_name: 'app',
  })
  expect(tag.metadata(log)).not.toHaveProperty('incomplete')
  expect(await tag.ready(log)).toBeLessThan(100)
  const dummy = await new KubeRun(undefined, { texts: { dummy_meta: 'on' } }).start()
  expect(Object.keys(dummy.metadata(log))).toEqual(['dummy'])
  const directory = join(tmp(), 'meta')
  mkdirSync(directory)
  writeFileSync(
    join(directory, 'default_web.meta'),
    JSON.stringify({ metadata: { labels: { app: 'stored' } } }),
  )
  const preload = await new KubeRun(undefined, { texts: { kube_meta_preload_cache_dir: directory } }).start()
  expect(await preload.ready(log)).toBeLessThan(100)
  expect(preload.metadata(log)).toMatchObject({ pod_name: 'web', labels: { app: 'stored' } })
})

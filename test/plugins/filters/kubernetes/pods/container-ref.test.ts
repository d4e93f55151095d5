import { expect, test } from 'bun:test'
import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import {
  refFromJournal,
  refFromTag,
} from '../../../../../src/plugins/filters/kubernetes/pods/container-ref.ts'
import { refFromPath } from '../../../../../src/plugins/filters/kubernetes/pods/log-path.ts'
import { tmp } from '../../../../support/tmp.ts'

const ID = 'a'.repeat(64)
const PREFIX = 'kube.var.log.containers.'

test('a tag from either directory names the container, with any prefix', () => {
  const link = { pod: 'web-7.x', namespace: 'default', container: 'app', dockerId: ID }
  for (const prefix of [PREFIX, 'k8s.var.log.containers.', ''])
    expect(refFromTag(`${prefix}web-7.x_default_app-${ID}.log`, PREFIX)).toMatchObject(link)
  const log = { pod: 'web-7.x', namespace: 'default', container: 'app', uid: '1-2', restarts: 12 }
  for (const name of ['12.log', '12.log.20261121-060000'])
    expect(refFromTag(`kube.var.log.pods.default_web-7.x_1-2.app.${name}`, PREFIX)).toMatchObject(log)
})

test('any other tag names no container', () => {
  for (const name of [
    'app.log',
    `web_default-${ID}.log`,
    'web_default_app-123.log',
    `_default_app-${ID}.log`,
  ])
    expect(refFromTag(PREFIX + name, PREFIX)).toBeUndefined()
})

test('a name that the kubelet cut names pod and namespace, if they are whole', () => {
  const whole = `${'p'.repeat(150)}_team-eu_spark-executor-${ID}`
  const tag = (stem: string): string => `${PREFIX}${stem.slice(0, 251)}.log`
  const cut = `spark-executor-${ID}`.slice(0, 251 - whole.indexOf('spark'))
  expect(refFromTag(tag(`${'p'.repeat(200)}_team-eu_spark-executor-${ID}`), PREFIX)).toMatchObject({
    pod: 'p'.repeat(200),
    namespace: 'team-eu',
    container: undefined,
    dockerId: undefined,
    cut: `spark-executor-${ID}`.slice(0, 251 - 209),
  })
  // This one has room for all of it.
  expect(cut).toBe(`spark-executor-${ID}`)
  expect(refFromTag(tag(whole), PREFIX)).toMatchObject({ container: 'spark-executor', dockerId: ID })
  expect(refFromTag(tag(`${'p'.repeat(230)}_${'n'.repeat(40)}_app-${ID}`), PREFIX)).toBeUndefined()
  expect(refFromTag(tag('p'.repeat(253)), PREFIX)).toBeUndefined()
})

test('CVE-2025-12970: a container name of any length names no container and costs no time', () => {
  const startedMs = performance.now()
  for (const length of [254, 4096, 1_000_000]) {
    const long = 'c'.repeat(length)
    expect(refFromTag(`${PREFIX}web_default_${long}-${ID}.log`, PREFIX)).toBeUndefined()
    expect(refFromTag(`kube.var.log.pods.default_web_1-2.${long}.0.log`, PREFIX)).toBeUndefined()
    expect(refFromPath(undefined, `/var/log/pods/default_web_1-2/${long}/0.log`)).toBeUndefined()
    expect(refFromJournal(`k8s_${long}_web_default_1-2_0`)).toBeUndefined()
    for (const text of [
      '_'.repeat(length),
      'var.log.pods.'.repeat(length / 13),
      `${'a-'.repeat(length)}_b_c`,
    ])
      expect(refFromTag(`x.${text}`, PREFIX)).toBeUndefined()
  }
  expect(performance.now() - startedMs).toBeLessThan(5000)
})

test('uid and restarts come from any link under /var/log/pods, not only from the last one', () => {
  const dir = tmp()
  const directories = ['containers', 'pods/default_web_1-2/app', 'docker'].map((name) => join(dir, name))
  for (const directory of directories) mkdirSync(directory, { recursive: true })
  const [containers = '', pods = '', docker = ''] = directories
  // The last link dangles when the runtime's directory is not mounted.
  symlinkSync(join(docker, `${ID}-json.log`), join(pods, '3.log'))
  symlinkSync('../pods/default_web_1-2/app/3.log', join(containers, 'web.log'))
  const ref = refFromTag(`${PREFIX}web_default_app-${ID}.log`, PREFIX)
  if (ref === undefined) throw new Error('no container')
  const known = { ...ref, uid: '1-2', restarts: 3 }
  expect(refFromPath(ref, join(containers, 'web.log'))).toEqual(known)
  expect(refFromPath(ref, join(pods, '3.log'))).toEqual(known)
  const fromPath = { ...known, dockerId: undefined }
  expect(refFromPath(undefined, join(containers, 'web.log'))).toEqual(fromPath)
})

test('the path is believed before the tag, and what it pointed to when it was opened before what it points to now', () => {
  const dir = tmp()
  for (const uid of ['1-2', '3-4']) mkdirSync(join(dir, `pods/default_other_${uid}/app`), { recursive: true })
  symlinkSync(join(dir, 'pods/default_other_1-2/app/0.log'), join(dir, 'other'))
  const ref = refFromTag(`${PREFIX}web_default_app-${ID}.log`, PREFIX)
  const other = { pod: 'other', uid: '1-2', restarts: 0, dockerId: undefined }
  expect(refFromPath(ref, join(dir, 'other'))).toMatchObject(other)
  const target = join(dir, 'pods/default_other_3-4/app/7.log.20261121-060000')
  expect(refFromPath(ref, join(dir, 'other'), target)).toMatchObject({ ...other, uid: '3-4', restarts: 7 })
})

test('a link in a loop or to nothing, and a directory within the volume of a pod, say nothing', () => {
  const dir = tmp()
  symlinkSync(join(dir, 'circle'), join(dir, 'circle'))
  const forged = join(dir, 'kubelet/pods/5-6/volumes/logs/pods/kube-system_api_1-2/api/0.log')
  symlinkSync(forged, join(dir, 'forged'))
  const ref = refFromTag(`${PREFIX}web_default_app-${ID}.log`, PREFIX)
  if (ref === undefined) throw new Error('no container')
  for (const name of ['circle', 'none', 'forged']) expect(refFromPath(ref, join(dir, name))).toBe(ref)
})

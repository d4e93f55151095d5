import { expect, test } from 'bun:test'
import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import {
  refFromTag,
  refineFromPath,
} from '../../../../../src/plugins/filters/kubernetes/pods/container-ref.ts'
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
  expect(refineFromPath(ref, join(containers, 'web.log'))).toEqual(known)
  expect(refineFromPath(ref, join(pods, '3.log'))).toEqual(known)
})

test('a link to another pod, in a loop or to nothing adds nothing', () => {
  const dir = tmp()
  mkdirSync(join(dir, 'pods/default_other_1-2/app'), { recursive: true })
  symlinkSync(join(dir, 'pods/default_other_1-2/app/0.log'), join(dir, 'other'))
  symlinkSync(join(dir, 'circle'), join(dir, 'circle'))
  const ref = refFromTag(`${PREFIX}web_default_app-${ID}.log`, PREFIX)
  if (ref === undefined) throw new Error('no container')
  for (const name of ['other', 'circle', 'none']) expect(refineFromPath(ref, join(dir, name))).toBe(ref)
})

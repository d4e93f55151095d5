import { expect, test } from 'bun:test'
import { completeCut, parsePod } from '../../../../../src/plugins/filters/kubernetes/pods/pod.ts'
import { podOf } from '../../../../support/kubernetes/pods.ts'

const ALL = { labels: true, annotations: true, owners: true, loggingAnnotations: true }

function parsed(metadata: object, fields = ALL) {
  const object = podOf({ name: 'a' })
  return parsePod({ ...object, metadata: { ...object.metadata, ...metadata } }, fields)
}

test('labels and annotations are limited in size and number; what is too large is left out by itself', () => {
  const annotations = { before: 'x', large: 'y'.repeat(16_384), after: 'z', wide: 'ä'.repeat(8190) }
  expect(parsed({ annotations })).toMatchObject({ annotations: { before: 'x', after: 'z' }, omitted: 2 })
  const many = Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [`k${i}`, 'v']))
  const pod = parsed({ labels: many, annotations: many })
  expect(Object.keys(pod?.labels ?? {})).toHaveLength(256)
  expect(Object.keys(pod?.annotations ?? {})).toHaveLength(256)
  expect(JSON.stringify(pod).length).toBeLessThan(40_000)
})

test('annotations that control the agent are kept whatever the others are, within limits of their own', () => {
  const own = { 'fluentbit.io/exclude': 'true', 'fluentbit.io/parser-app': 'json' }
  const others = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`k${i}`, 'v'.repeat(100)]))
  for (const annotations of [
    { ...others, ...own },
    { ...own, ...others },
  ])
    expect(parsed({ annotations })?.annotations).toMatchObject(own)
  const fields = { ...ALL, annotations: false }
  const flood = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`fluentbit.io/x-${i}`, 'v']))
  expect(parsed({ annotations: { ...others, ...own } }, fields)?.annotations).toEqual(own)
  expect(Object.keys(parsed({ annotations: flood }, fields)?.annotations ?? {})).toHaveLength(64)
  expect(
    parsed({ annotations: { 'fluentbit.io/parser': 'p'.repeat(254) } }, fields)?.annotations,
  ).toBeUndefined()
})

test('names that no API server accepts make no pod; lists are limited', () => {
  for (const key of ['name', 'namespace', 'uid']) expect(parsed({ [key]: 'n'.repeat(254) })).toBeUndefined()
  const owners = Array.from({ length: 1000 }, (_, i) => ({
    kind: 'K',
    name: `o${i}`,
    large: 'x'.repeat(300),
  }))
  expect(parsed({ ownerReferences: owners })?.owners).toEqual(
    Array.from({ length: 16 }, (_, i) => ({ kind: 'K', name: `o${i}` })),
  )
  const containers = Array.from({ length: 10_000 }, (_, i) => ({ name: `c${i}`, image: 'i'.repeat(2000) }))
  const object = podOf({ name: 'a' })
  const pod = parsePod({ ...object, spec: { ...object.spec, containers } }, ALL)
  expect(pod?.containers).toHaveLength(256)
  expect(pod?.containers[0]).toEqual({ name: 'c0', restarts: 0 })
})

test('a cut name gets container and id from the pod, if only one of its containers fits', () => {
  const id = (c: string): string => c.repeat(64)
  const containers = [
    { name: 'app', id: id('a'), lastId: id('b'), restarts: 1 },
    { name: 'app-aaaa', id: id('c'), restarts: 0 },
  ]
  const pod = { uid: 'u', name: 'web', namespace: 'default', containers }
  const nothing = { container: undefined, dockerId: undefined, uid: undefined, restarts: undefined }
  const cutAt = (cut: string) => completeCut({ pod: 'web', namespace: 'default', ...nothing, cut }, pod)
  expect(cutAt('app-bbb')).toMatchObject({ container: 'app', dockerId: id('b') })
  expect(cutAt('app-aaaaa')).toMatchObject({ container: 'app', dockerId: id('a') })
  expect(cutAt('app-aaaa-c')).toMatchObject({ container: 'app-aaaa', dockerId: id('c') })
  expect(cutAt('app-dd')).toMatchObject({ container: 'app', dockerId: undefined })
  for (const cut of ['', 'app', 'app-aaaa', 'other-aa'])
    expect(cutAt(cut)).toMatchObject({ container: undefined, dockerId: undefined })
})

import { expect, test } from 'bun:test'
import { parseOptions } from '../../../../../src/core/options/parse.ts'
import type { FilterContext } from '../../../../../src/core/plugin.ts'
import { CounterMap } from '../../../../../src/engine/counters.ts'
import { ContainerCache } from '../../../../../src/plugins/filters/kubernetes/enrich/container-cache.ts'
import { KUBERNETES_OPTIONS } from '../../../../../src/plugins/filters/kubernetes/options.ts'
import { PodCache } from '../../../../../src/plugins/filters/kubernetes/pods/pod-cache.ts'
import { spec as jsonSpec } from '../../../../../src/plugins/parsers/json.ts'
import { parserOf, SILENT } from '../../../../support/tail/parse-line.ts'

test('names of parsers that pods make up do not displace the parsers that there are', () => {
  let made = 0
  const ctx = {
    counters: new CounterMap({ parsers_unknown: 'x' }),
    log: SILENT,
    parser(name: string) {
      if (name !== 'mine') throw new Error(`there is no parser ${name}`)
      made++
      return parserOf(jsonSpec)
    },
  } as unknown as FilterContext
  const pods = new PodCache(() => 0)
  const ref = {
    pod: 'web',
    namespace: 'shop',
    container: 'c',
    dockerId: undefined,
    uid: undefined,
    restarts: undefined,
  }
  const none = { labels: false, annotations: false, owners: false }
  const cache = new ContainerCache({
    options: parseOptions(KUBERNETES_OPTIONS, { 'k8s-logging.parser': 'on' } as never),
    ctx,
    pods,
    fields: { ...none, namespaceLabels: false, namespaceAnnotations: false, namespaceOnly: false },
    findNamespace: () => undefined,
    parseRef: () => ref,
  })
  const requested = (name: string) => {
    const annotations = { 'fluentbit.io/parser': name }
    pods.put({ uid: 'u', name: 'web', namespace: 'shop', annotations, containers: [] })
    return cache.metadataOf(cache.get('a')).streams?.stdout.parser
  }
  const first = requested('mine')
  for (let i = 0; i < 2500; i++) expect(requested(`made-up-${i}`)).toBeUndefined()
  expect(requested('mine')).toBe(first as NonNullable<typeof first>)
  expect([first !== undefined, made]).toEqual([true, 1])
})

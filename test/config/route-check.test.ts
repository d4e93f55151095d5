import { expect, test } from 'bun:test'
import type { Diagnostics } from '../../src/config/config-tree.ts'
import { checkMatches, metricsTagsOf, patternsMeet } from '../../src/config/route-check.ts'
import type { InputPlan, OutputPlan, Plan } from '../../src/core/plan.ts'
import { matchTag } from '../../src/core/tag.ts'
import { fc } from '../support/property.ts'

const sign = fc.constantFrom('a', 'b', '*')
const pattern = fc.string({ unit: sign, maxLength: 6 })
const text = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 6 })

test('two patterns meet when some text matches both, in either order', () => {
  expect(patternsMeet('kube.*', '*.log')).toBe(true)
  expect(patternsMeet('kube.*', 'host.*')).toBe(false)
  expect(patternsMeet('a*b', 'a*c')).toBe(false)
  expect(patternsMeet('', '***')).toBe(true)
  fc.assert(fc.property(pattern, pattern, (a, b) => patternsMeet(a, b) === patternsMeet(b, a)))
})

test('a pattern without a star meets exactly the patterns that match it', () => {
  fc.assert(fc.property(text, pattern, (a, b) => patternsMeet(a, b) === matchTag(b, a)))
})

test('patterns that match the same text meet', () => {
  fc.assert(
    fc.property(text, pattern, pattern, (t, a, b) => {
      fc.pre(matchTag(a, t) && matchTag(b, t))
      return patternsMeet(a, b)
    }),
  )
})

test('an input that makes metrics gives its tag to outputs that print them only', () => {
  const input = (tag: string, makesMetrics?: true) =>
    ({
      spec: { kind: 'input', name: 'in', makesMetrics },
      common: { routable: true },
      tag,
    }) as unknown as InputPlan
  const output = (name: string, match: string, printsMetrics?: true) =>
    ({
      spec: { kind: 'output', name, printsMetrics },
      common: { match },
      optionLocations: new Map(),
    }) as unknown as OutputPlan
  const inputs = [input('m', true), input('d')]
  const outputs = [output('stdout', 'm', true), output('null', 'm'), output('all', '*')]
  const tags = metricsTagsOf({ inputs, filters: [] } as unknown as Plan)
  expect(tags).toEqual(['m'])
  const found: Diagnostics = { problems: [], warnings: [] }
  checkMatches(inputs, outputs, found, [], tags)
  checkMatches(inputs.slice(0, 1), outputs, found, [], tags)
  const texts = found.warnings.map((warning) => JSON.stringify(warning))
  expect(texts).toHaveLength(3)
  expect(texts[0]).toContain('[null] Match m does not match the tag d: it gets no records')
  expect(texts[1]).toContain('[null] Match m does not match any tag of records')
  expect(texts[2]).toContain('[all] Match * does not match any tag of records')
})

import { expect, test } from 'bun:test'
import { StringMatcher } from '../../../../../src/lib/regex/string-matcher.ts'
import { expandTag } from '../../../../../src/plugins/inputs/tail/file/tag.ts'

const PATH = '/var/log/containers/api_shop_é-1.log'

test('Tag_Regex has Onigmo syntax; a group that took no part, or a path that does not match, becomes `_`', () => {
  const regex = new StringMatcher('/(?<pod>[^_\\/]+)_(?<ns>[[:alpha:]]+)_(?<name>.*)-(?<n>\\d)(?<none>x)?/')
  expect(expandTag('k.<ns>.<pod>.<name>.<none>.<other>', PATH, regex)).toBe('k.shop.api.é._._')
  expect(expandTag('k.<ns>', '/x', regex)).toBe('k._')
})

test('a path that takes Tag_Regex too many steps becomes `_`', () => {
  expect(expandTag('k.<a>', `/${'x'.repeat(2000)}`, new StringMatcher('^/(?<a>(x*)*)$'))).toBe(
    `k.${'x'.repeat(2000)}`,
  )
  expect(expandTag('k.<a>', `/${'x'.repeat(2000)}!`, new StringMatcher('^/(?<a>(x*)*)$'))).toBe('k._')
})

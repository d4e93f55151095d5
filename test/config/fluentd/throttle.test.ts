import { expect, test } from 'bun:test'
import { parseOptions } from '../../../src/core/options/parse.ts'
import { THROTTLE_OPTIONS } from '../../../src/plugins/filters/throttle/options.ts'
import { optionsOf, translated } from './reading.ts'

const read = (lines: string) => translated(`<filter a.**>\n@type throttle\n${lines}\n</filter>\n`)

test('a bucket becomes a window of one interval, for each value of the key', () => {
  const result = read(
    'group_key kubernetes.pod_name\ngroup_bucket_period_s 10\ngroup_bucket_limit 50\ngroup_reset_rate_s -1',
  )
  expect([result.reported, result.warnings]).toEqual([[], []])
  const options = optionsOf(result, 'FILTER', 'throttle')
  expect(options.toSorted()).toEqual(['Interval 10s', "Key $kubernetes['pod_name']", 'Rate 50', 'Window 1'])
})

test('the defaults are those of the plugin, and several keys make one', () => {
  expect(optionsOf(read(''), 'FILTER', 'throttle').toSorted()).toEqual([
    'Interval 60s',
    "Key $kubernetes['container_name']",
    'Rate 6000',
    'Window 1',
  ])
  expect(optionsOf(read('group_key user, http.path'), 'FILTER', 'throttle')).toContain(
    "Key $user $http['path']",
  )
})

test.each(['kubernetes.container_name', 'user', 'user,a.b-c.d'])(
  'the key of %s is one of the filter',
  (keys) => {
    const key = optionsOf(read(`group_key ${keys}`), 'FILTER', 'throttle').find((line) =>
      line.startsWith('Key '),
    )
    expect(parseOptions(THROTTLE_OPTIONS, { key: key?.slice(4) ?? '' }).key).toBe(key?.slice(4))
  },
)

test('without dropping there is no filter, and that is said', () => {
  const result = read('group_drop_logs false')
  expect(result.warnings).toEqual([expect.stringContaining('has no effect with group_drop_logs false')])
  expect(result.steps['']).toEqual([])
})

test('a key that no accessor can name and a period that is no number are refused', () => {
  expect(read('group_key a-b').reported[0]).toContain('cannot name the field "a-b"')
  expect(read('group_bucket_period_s 5m').reported[0]).toContain('must be a number of seconds, not "5m"')
})

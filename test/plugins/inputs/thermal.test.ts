import { describe, expect, test } from 'bun:test'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { readSensors, spec } from '../../../src/plugins/inputs/thermal.ts'
import { InputRun } from '../../support/engine/input-run.ts'
import { tmp } from '../../support/tmp.ts'

describe('thermal', () => {
  function sysfs(files: Record<string, string>): string {
    const root = tmp()
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true })
      writeFileSync(join(root, path), text)
    }
    return root
  }

  /** Files of a thermal zone. */
  const zone = (i: number, type: string, temp: string): Record<string, string> => ({
    [`class/thermal/thermal_zone${i}/type`]: `${type}\n`,
    [`class/thermal/thermal_zone${i}/temp`]: `${temp}\n`,
  })

  const any = (): boolean => true

  test('each thermal zone has name, type and degrees, in the order of their numbers', () => {
    const root = sysfs({
      ...zone(10, 'acpitz', '-1500'),
      ...zone(2, 'x86_pkg_temp', '48500'),
      'class/thermal/cooling_device0/type': 'Processor\n',
      'class/hwmon/hwmon0/name': 'not read\n',
      'class/hwmon/hwmon0/temp1_input': '1\n',
    })
    expect(readSensors(root, any, any)).toEqual([
      { name: 'thermal_zone2', type: 'x86_pkg_temp', celsius: 48.5 },
      { name: 'thermal_zone10', type: 'acpitz', celsius: -1.5 },
    ])
    expect(readSensors(root, (name) => name.endsWith('2'), any)).toHaveLength(1)
    expect(readSensors(root, any, (type) => type === 'acpitz')).toHaveLength(1)
  })

  test('without zones the inputs of the hardware monitors are read', () => {
    const root = sysfs({
      'class/hwmon/hwmon1/name': 'cpu_thermal\n',
      'class/hwmon/hwmon1/temp1_input': '40000\n',
      'class/hwmon/hwmon1/temp12_input': '1\n',
      'class/hwmon/hwmon1/fan1_input': '1\n',
    })
    expect(readSensors(root, any, any)).toEqual([
      { name: 'hwmon1_temp1_input', type: 'cpu_thermal', celsius: 40 },
    ])
  })

  test('a sensor that cannot be read or has no number is left out, and at most 32 are read', () => {
    const off = { 'class/thermal/thermal_zone2/type': 't\n' }
    const root = sysfs({ ...zone(0, 't', 'n/a'), ...zone(1, 't', '1'), ...off })
    expect(readSensors(root, any, any).map(({ name }) => name)).toEqual(['thermal_zone1'])
    const many = sysfs(Object.assign({}, ...Array.from({ length: 40 }, (_, i) => zone(i, 't', '1'))))
    expect(readSensors(many, any, any)).toHaveLength(32)
  })

  test('a machine without sensors is told of once, and an expression that is none is refused', async () => {
    const run = new InputRun(spec, { name_regex: '^surely-no-sensor$' })
    await run.pass(3000, 100)
    expect(run.takeRecords()).toEqual([])
    expect(run.log.filter((text) => text.includes('no temperature sensors'))).toHaveLength(1)
    await run.stop()
    expect(() => new InputRun(spec, { type_regex: '(' })).toThrow('regular expression')
  })
})

import { readdirSync, readFileSync } from 'node:fs'
import { defineOptions } from '../../core/options/option.ts'
import { defineInput } from '../../core/plugin.ts'
import { INTERVAL_OPTIONS, IntervalInput, intervalMs } from '../../lib/plugin/interval-input.ts'
import { RecordBuilder } from '../../lib/records/record-builder.ts'
import { MATCH } from '../../lib/regex/match-result.ts'
import { checkExpression, StringMatcher } from '../../lib/regex/string-matcher.ts'

const OPTIONS = defineOptions({
  ...INTERVAL_OPTIONS,
  name_regex: {
    type: 'string',
    expression: 'regex',
    check: (text: unknown) => checkExpression(String(text)),
    help: 'Only sensors whose name matches: `thermal_zone0`, or `hwmon0` where there are no thermal zones.',
  },
  type_regex: {
    type: 'string',
    expression: 'regex',
    check: (text: unknown) => checkExpression(String(text)),
    help: 'Only sensors whose type matches, e.g. `^x86_pkg_temp$`.',
  },
})

/** Maximum number of sensors, as in fluent-bit. */
const MAX_SENSORS = 32
/** Number of inputs of a hardware monitor that are looked at: temp0_input to temp9_input. */
const HWMON_INPUTS = 10
const INTEGER = /^\s*(-?\d+)/

interface Reading {
  name: string
  type: string
  celsius: number
}

/** True for a sensor with this name, or of this type. */
type IsWanted = (text: string) => boolean

/** Returns the temperatures of the thermal zones, or of the hardware monitors where there are no zones. */
export function readSensors(sysfs: string, isName: IsWanted, isType: IsWanted): Reading[] {
  const zones = readZones(`${sysfs}/class/thermal`, isName, isType)
  return (zones.length > 0 ? zones : readMonitors(`${sysfs}/class/hwmon`, isName, isType)).slice(
    0,
    MAX_SENSORS,
  )
}

function readZones(folder: string, isName: IsWanted, isType: IsWanted): Reading[] {
  return namesIn(folder, 'thermal_zone')
    .filter(isName)
    .flatMap((name) => {
      const type = textOf(`${folder}/${name}/type`)
      const celsius = celsiusOf(`${folder}/${name}/temp`)
      return type === undefined || celsius === undefined || !isType(type) ? [] : [{ name, type, celsius }]
    })
}

function readMonitors(folder: string, isName: IsWanted, isType: IsWanted): Reading[] {
  return namesIn(folder, 'hwmon')
    .filter(isName)
    .flatMap((monitor) => {
      const type = textOf(`${folder}/${monitor}/name`)
      if (type === undefined || !isType(type)) return []
      return Array.from({ length: HWMON_INPUTS }, (_, i) => `temp${i}_input`).flatMap((input) => {
        const celsius = celsiusOf(`${folder}/${monitor}/${input}`)
        return celsius === undefined ? [] : [{ name: `${monitor}_${input}`, type, celsius }]
      })
    })
}

function namesIn(folder: string, prefix: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name.startsWith(prefix))
      .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
  } catch {
    return []
  }
}

/** Returns the first line of a file; undefined when it cannot be read, as sensors that are switched off cannot. */
function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').split('\n', 1)[0]
  } catch {
    return undefined
  }
}

function celsiusOf(path: string): number | undefined {
  const millidegrees = INTEGER.exec(textOf(path) ?? '')?.[1]
  return millidegrees === undefined ? undefined : Number(millidegrees) / 1000
}

function wanted(expression: string | undefined, stepsPerByte: number | undefined): IsWanted {
  if (expression === undefined || expression === '') return () => true
  const matcher = new StringMatcher(expression, stepsPerByte)
  return (text) => matcher.match(text) === MATCH
}

export const spec = defineInput({
  kind: 'input',
  name: 'thermal',
  summary: 'Temperatures of the sensors of the machine.',
  description:
    'A record for each sensor: `name`, `type`, and `temp` in degrees Celsius. The sensors are the thermal zones of ' +
    '/sys/class/thermal, at most 32, or the hardware monitors of /sys/class/hwmon where there are no zones, as on a Raspberry Pi. ' +
    'Virtual machines have none; the log then says so, once.',
  options: OPTIONS,
  example: '[INPUT]\n    Name thermal\n    Tag  temperature\n',
  create(options, ctx) {
    const steps = ctx.regexLimit?.stepsPerByte
    const isName = wanted(options.nameRegex, steps)
    const isType = wanted(options.typeRegex, steps)
    let known = -1
    return new IntervalInput(ctx, intervalMs(options), () => {
      const readings = readSensors('/sys', isName, isType)
      if (readings.length !== known) {
        if (readings.length === 0) ctx.log.warn('no temperature sensors found')
        else if (known >= 0) ctx.log.info(`the number of sensors changes from ${known} to ${readings.length}`)
        known = readings.length
      }
      return readings.map(({ name, type, celsius }) =>
        new RecordBuilder().text('name', name).text('type', type).float('temp', celsius).bytes(),
      )
    })
  },
})

import { readFileSync } from 'node:fs'
import { defineOptions } from '../../core/options/option.ts'
import { defineInput } from '../../core/plugin.ts'
import { growth } from '../../lib/plugin/growth.ts'
import { INTERVAL_OPTIONS, IntervalInput, intervalMs } from '../../lib/plugin/interval-input.ts'
import { RecordBuilder } from '../../lib/records/record-builder.ts'

const OPTIONS = defineOptions({
  ...INTERVAL_OPTIONS,
  dev_name: {
    type: 'string',
    help: 'Part of the names of the devices that count. `sda` fits sda, sda1 and sda2; default: all devices.',
  },
})

/** Unit of /proc/diskstats, whatever the device has. */
const SECTOR_BYTES = 512
const BLANKS = /\s+/

/** Sectors read and written since the device exists. */
interface Sectors {
  read: number
  written: number
}

/**
 * Returns the sectors of the devices whose names contain `name`, from lines `MAJOR MINOR NAME READS MERGED SECTORS_READ MS WRITES
 * MERGED SECTORS_WRITTEN ...`.
 */
function parseDiskStats(text: string, name: string): Map<string, Sectors> {
  const devices = new Map<string, Sectors>()
  for (const line of text.split('\n')) {
    const fields = line.trim().split(BLANKS)
    const device = fields[2]
    if (device === undefined || !device.includes(name)) continue
    devices.set(device, { read: Number(fields[5] ?? 0), written: Number(fields[9] ?? 0) })
  }
  return devices
}

/** Computes what was read and written between two readings. */
export class DiskUsage {
  readonly #read: () => string
  readonly #name: string
  #last: Map<string, Sectors>

  constructor(name: string, read = (): string => readFileSync('/proc/diskstats', 'utf8')) {
    this.#read = read
    this.#name = name
    this.#last = parseDiskStats(read(), name)
  }

  /** True when the last reading had a device with this name. */
  get hasDevice(): boolean {
    return this.#last.size > 0
  }

  /** Returns a record of the bytes since the last call. */
  record(): Buffer {
    const now = parseDiskStats(this.#read(), this.#name)
    let read = 0
    let written = 0
    for (const [device, sectors] of now) {
      // What a new device has done before it was seen is not of this interval.
      const last = this.#last.get(device) ?? sectors
      read += growth(last.read, sectors.read)
      written += growth(last.written, sectors.written)
    }
    this.#last = now
    return new RecordBuilder()
      .integer('read_size', read * SECTOR_BYTES)
      .integer('write_size', written * SECTOR_BYTES)
      .bytes()
  }
}

export const spec = defineInput({
  kind: 'input',
  name: 'disk',
  summary: 'Bytes read from and written to disks.',
  description:
    '`read_size` and `write_size` are the bytes of the interval, summed over all devices of /proc/diskstats whose names contain ' +
    'Dev_Name. As in fluent-bit, a partition counts besides its disk, and a logical volume besides what it is made of: without ' +
    'Dev_Name the same byte counts more than once. `Dev_Name sda1` counts one partition. While there is no such device the values ' +
    'are 0, as in fluent-bit; the log says so.',
  options: OPTIONS,
  example: '[INPUT]\n    Name     disk\n    Tag      disk\n    Dev_Name sda1\n',
  create(options, ctx) {
    let usage: DiskUsage | undefined
    try {
      usage = new DiskUsage(options.devName ?? '')
    } catch {
      // The first interval logs why /proc/diskstats cannot be read.
    }
    return new IntervalInput(ctx, intervalMs(options), () => {
      if (usage !== undefined) {
        const record = usage.record()
        if (!usage.hasDevice)
          ctx.log.warn(
            `/proc/diskstats has no device${options.devName === undefined ? '' : ` whose name contains ${options.devName}`}: the values are 0`,
            { hint: 'see /proc/diskstats for the names' },
          )
        return record
      }
      usage = new DiskUsage(options.devName ?? '')
      return undefined
    })
  },
})

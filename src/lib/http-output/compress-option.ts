import type { BodyCoding } from './compress.ts'

/** Values that mean no compression. */
const NONE = ['off', 'false', 'no', 'none'] as const

/** Returns the option `compress` of an output that may send bodies in these codings. */
export function compressOption<const C extends BodyCoding>(codings: readonly C[], help: string) {
  return {
    type: 'enum',
    values: [...codings, ...NONE] as readonly (C | (typeof NONE)[number])[],
    help,
  } as const
}

/** Returns the coding of bodies that a value of the option names; undefined for none. */
export function codingOf(value: BodyCoding | (typeof NONE)[number] | undefined): BodyCoding | undefined {
  return value === 'gzip' || value === 'zstd' || value === 'snappy' ? value : undefined
}

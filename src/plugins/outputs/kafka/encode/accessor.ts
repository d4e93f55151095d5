import { ShipperError } from '../../../../core/error.ts'
import { RecordAccessor } from '../../../../core/msgpack/record.ts'

/** The record accessor that an option gives; throws E_CONFIG_BAD_VALUE when it is none. */
export function parseAccessor(option: string, text: string): RecordAccessor {
  const accessor = RecordAccessor.parse(text)
  if (accessor !== undefined) return accessor
  throw new ShipperError('E_CONFIG_BAD_VALUE', `"${text}" is no record accessor for ${option}`, {
    option,
    hint: "write a key, or $key['of']['a']['map']",
  })
}

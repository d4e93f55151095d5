import { ShipperError } from '../../../../core/error.ts'
import { RecordAccessor } from '../../../../core/msgpack/record.ts'

/** Parses the record accessor in the value of an option; throws E_CONFIG_BAD_VALUE when it is invalid. */
export function parseAccessor(option: string, text: string): RecordAccessor {
  const accessor = RecordAccessor.parse(text)
  if (accessor !== undefined) return accessor
  throw new ShipperError('E_CONFIG_BAD_VALUE', `"${text}" is not a valid record accessor for ${option}`, {
    option,
    hint: "write a key, or a path such as $kubernetes['pod_name']",
  })
}

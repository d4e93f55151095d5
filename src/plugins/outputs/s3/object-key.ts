/** The key of an object, and what an object with it says. */
export interface ObjectKey {
  key: string
  /** True when the object is written only if there is none with its key. */
  isNew: boolean
  /** True when the key tells the object from those of other programs, nodes and runs. */
  isUnique: boolean
  /** Text that is stored with the object, which no other object has. Undefined only for objects of others. */
  objectId?: string | undefined
}

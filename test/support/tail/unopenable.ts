import { systemCalls } from '../../../src/lib/fs/system-calls.ts'
import { atEnd } from '../tmp.ts'

/** Makes opening some files fail until the end of the test, as for another user. */
export function failToOpen(isUnreadable: (path: string) => boolean): void {
  const open = systemCalls.openSync as (...args: unknown[]) => number
  atEnd(() => void Object.assign(systemCalls, { openSync: open }))
  Object.assign(systemCalls, {
    openSync: (...args: unknown[]) => {
      if (isUnreadable(String(args[0])))
        throw Object.assign(new Error(`EACCES: injected, open '${args[0]}'`), { code: 'EACCES' })
      return open(...args)
    },
  })
}

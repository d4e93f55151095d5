import type { Filter } from '../../../src/core/plugin.ts'

/** Returns a filter that is not ready for the paths that `holds` names, until `release` is called. */
export function gate(holds: (path: string) => boolean = () => true): { filter: Filter; release: () => void } {
  const opened = Promise.withResolvers<void>()
  let isOpen = false
  const ready = (_: string, path: string): Promise<void> | undefined =>
    !isOpen && holds(path) ? opened.promise : undefined
  const release = (): void => {
    isOpen = true
    opened.resolve()
  }
  return { filter: { ready, apply: () => {} }, release }
}

import type { PluginKind, PluginSpec, Registry } from '../../../src/core/plugin.ts'

/** Creates a registry of the given plugins. */
export function registryOf(...specs: PluginSpec[]): Registry {
  return {
    find: async (kind, name) => specs.find((s) => s.kind === kind && s.name === name.toLowerCase()),
    names: (kind: PluginKind) => specs.filter((s) => s.kind === kind).map((s) => s.name),
  }
}

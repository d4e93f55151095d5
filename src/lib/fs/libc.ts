import type { FFIFunction } from 'bun:ffi'

/** Name of glibc, which musl accepts for itself too. It is already loaded, so no file is searched. */
const LIBC = 'libc.so.6'

/**
 * Loads functions of the C library through the FFI of the runtime, for the few calls of the system that no module of it
 * makes. Resolves with undefined where there is none: under node, and on other systems.
 */
export async function loadLibc<const T extends Record<string, FFIFunction>>(functions: T) {
  if (process.versions.bun === undefined || process.platform !== 'linux') return undefined
  try {
    const { dlopen } = await import('bun:ffi')
    return dlopen(LIBC, functions).symbols
  } catch {
    return undefined
  }
}

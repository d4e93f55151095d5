/**
 * Libraries that bun 1.4 links statically, by its own list of licenses. The npm package contains neither the list nor the
 * texts, so here are the names and the licenses as SPDX ids; `process.versions` has the revision of some.
 */
export interface Linked {
  name: string
  licence: string
  /** Key of the library in `process.versions`. */
  key?: string
}

export const LINKED: Linked[] = [
  { name: 'WebKit', licence: 'LGPL-2.0-or-later', key: 'webkit' },
  { name: 'base64', licence: 'BSD-2-Clause' },
  { name: 'boringssl', licence: 'Apache-2.0', key: 'boringssl' },
  { name: 'brotli', licence: 'MIT' },
  { name: 'c-ares', licence: 'MIT', key: 'ares' },
  { name: 'highway', licence: 'Apache-2.0' },
  { name: 'icu', licence: 'Unicode-3.0', key: 'icu' },
  { name: 'libarchive', licence: 'BSD-2-Clause', key: 'libarchive' },
  { name: 'libc++abi', licence: 'Apache-2.0 WITH LLVM-exception' },
  { name: 'libdeflate', licence: 'MIT', key: 'libdeflate' },
  { name: 'libjpeg-turbo', licence: 'IJG AND BSD-3-Clause AND Zlib' },
  { name: 'libspng', licence: 'BSD-2-Clause' },
  { name: 'libwebp', licence: 'BSD-3-Clause' },
  { name: 'llhttp', licence: 'MIT', key: 'llhttp' },
  { name: 'lol-html', licence: 'BSD-3-Clause', key: 'lolhtml' },
  { name: 'ls-hpack', licence: 'MIT', key: 'lshpack' },
  { name: 'ls-qpack', licence: 'MIT' },
  { name: 'lsquic', licence: 'MIT AND BSD-3-Clause' },
  { name: 'mimalloc', licence: 'MIT', key: 'mimalloc' },
  { name: 'picohttpparser', licence: 'MIT', key: 'picohttpparser' },
  { name: 'simdutf', licence: 'Apache-2.0' },
  { name: 'sqlite', licence: 'blessing', key: 'sqlite' },
  { name: 'tinycc', licence: 'LGPL-2.1-or-later', key: 'tinycc' },
  { name: 'uSockets', licence: 'Apache-2.0', key: 'usockets' },
  { name: 'uWebSockets', licence: 'Apache-2.0', key: 'uwebsockets' },
  { name: 'uucode', licence: 'MIT' },
  { name: 'zig', licence: 'MIT', key: 'zig' },
  { name: 'zlib-ng', licence: 'Zlib', key: 'zlib' },
  { name: 'zstd', licence: 'BSD-3-Clause', key: 'zstd' },
]

/** Keys of `process.versions` of what bun is compatible with, but does not contain. */
export const NOT_LINKED = ['bun', 'modules', 'napi', 'node', 'openssl', 'typescript', 'unicode', 'uv', 'v8']

/** Returns the version or revision, if the runtime reports it. */
export function revisionOf({ key }: Linked): string | undefined {
  return key === undefined ? undefined : (process.versions as Record<string, string | undefined>)[key]
}

/**
 * A library that bun 1.4 links statically, according to the list of licenses in its repository. The npm package has
 * neither the list nor the texts, so the names and SPDX ids are here; `process.versions` has the revision of some.
 */
export interface Linked {
  name: string
  license: string
  /** Its key in `process.versions`. */
  key?: string
}

export const LINKED: Linked[] = [
  { name: 'WebKit', license: 'LGPL-2.0-or-later', key: 'webkit' },
  { name: 'base64', license: 'BSD-2-Clause' },
  { name: 'boringssl', license: 'Apache-2.0', key: 'boringssl' },
  { name: 'brotli', license: 'MIT' },
  { name: 'c-ares', license: 'MIT', key: 'ares' },
  { name: 'highway', license: 'Apache-2.0' },
  { name: 'icu', license: 'Unicode-3.0', key: 'icu' },
  { name: 'libarchive', license: 'BSD-2-Clause', key: 'libarchive' },
  { name: 'libc++abi', license: 'Apache-2.0 WITH LLVM-exception' },
  { name: 'libdeflate', license: 'MIT', key: 'libdeflate' },
  { name: 'libjpeg-turbo', license: 'IJG AND BSD-3-Clause AND Zlib' },
  { name: 'libspng', license: 'BSD-2-Clause' },
  { name: 'libwebp', license: 'BSD-3-Clause' },
  { name: 'llhttp', license: 'MIT', key: 'llhttp' },
  { name: 'lol-html', license: 'BSD-3-Clause', key: 'lolhtml' },
  { name: 'ls-hpack', license: 'MIT', key: 'lshpack' },
  { name: 'ls-qpack', license: 'MIT' },
  { name: 'lsquic', license: 'MIT AND BSD-3-Clause' },
  { name: 'mimalloc', license: 'MIT', key: 'mimalloc' },
  { name: 'picohttpparser', license: 'MIT', key: 'picohttpparser' },
  { name: 'simdutf', license: 'Apache-2.0' },
  { name: 'sqlite', license: 'blessing', key: 'sqlite' },
  { name: 'tinycc', license: 'LGPL-2.1-or-later', key: 'tinycc' },
  { name: 'uSockets', license: 'Apache-2.0', key: 'usockets' },
  { name: 'uWebSockets', license: 'Apache-2.0', key: 'uwebsockets' },
  { name: 'uucode', license: 'MIT' },
  { name: 'zig', license: 'MIT', key: 'zig' },
  { name: 'zlib-ng', license: 'Zlib', key: 'zlib' },
  { name: 'zstd', license: 'BSD-3-Clause', key: 'zstd' },
]

/** Keys of `process.versions` for things that bun is compatible with, not for libraries in it. */
export const NOT_LINKED = ['bun', 'modules', 'napi', 'node', 'openssl', 'typescript', 'unicode', 'uv', 'v8']

/** Returns the version or revision, or undefined if the runtime does not report it. */
export function revisionOf({ key }: Linked): string | undefined {
  return key === undefined ? undefined : (process.versions as Record<string, string | undefined>)[key]
}

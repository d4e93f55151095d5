import { spawnSync } from 'node:child_process'
import { peerOrSkip } from '../skip.ts'
import { HANG_MS } from '../until.ts'

/** Calls fnmatch(3) or glob(3) of the C library for each line of JSON, in the locale C.UTF-8. */
const SCRIPT = `
import ctypes, json, sys
libc = ctypes.CDLL(None)
libc.setlocale.restype = ctypes.c_char_p
if libc.setlocale(0, b'C.UTF-8') is None: sys.exit('no locale C.UTF-8')
class Glob(ctypes.Structure):
    _fields_ = [('count', ctypes.c_size_t), ('paths', ctypes.POINTER(ctypes.c_char_p)), ('rest', ctypes.c_char * 256)]
def glob(pattern):
    found = Glob()
    if libc.glob(pattern.encode(), 0, None, ctypes.byref(found)) != 0: return []
    return [found.paths[i].decode('utf-8', 'replace') for i in range(found.count)]
for line in sys.stdin:
    call = json.loads(line)
    if 'glob' in call: print(json.dumps(glob(call['glob'])))
    else: print(json.dumps([libc.fnmatch(call['pattern'].encode(), name.encode(), call['flags']) == 0 for name in call['names']]))
`

/** Flag with which only a dot matches a leading dot, as in glob(3). */
export const FNM_PERIOD = 4

type Call = { pattern: string; names: string[]; flags: number } | { glob: string }

function run(calls: Call[]): unknown[] | undefined {
  const input = calls.map((call) => JSON.stringify(call)).join('\n')
  const { status, stdout } = spawnSync('python3', ['-c', SCRIPT], { input, timeout: HANG_MS, maxBuffer: 1e9 })
  if (status !== 0) return undefined
  const lines = stdout.toString().split('\n')
  return calls.map((_, i) => JSON.parse(lines[i] as string))
}

/** `test` for cases that compare with the C library. */
export const withLibc = peerOrSkip(
  'fnmatch of the C library',
  // Requires a library that reads sets as glibc does; musl differs where POSIX leaves the meaning undefined.
  JSON.stringify(run([{ pattern: '[[:digit:]-]', names: ['-', '5', 'a'], flags: 0 }])) ===
    '[[true,true,false]]',
  'no python3 with ctypes',
  'nowhere',
)

/** Returns for each pattern which of the names the C library matches. */
export function fnmatch(calls: { pattern: string; names: string[]; flags: number }[]): boolean[][] {
  return run(calls) as boolean[][]
}

/** Returns for each pattern the paths that glob(3) finds. */
export function glob(patterns: string[]): string[][] {
  return run(patterns.map((pattern) => ({ glob: pattern }))) as string[][]
}

import { close } from '../lib/fs/file-system.ts'
import { loadLibc } from '../lib/fs/libc.ts'
import type { Mapping } from './mappings.ts'

/** Number of the system call userfaultfd(2), by architecture. */
const USERFAULTFD: Record<string, number> = { x64: 323, arm64: 282 }
/** O_NONBLOCK, O_CLOEXEC and UFFD_USER_MODE_ONLY, without which only root may call it. */
const FLAGS = 0o4000 | 0o2000000 | 1
/** `_IOWR(0xAA, 0x3F, struct uffdio_api)` and `_IOWR(0xAA, 0x00, struct uffdio_register)`. */
const UFFDIO_API = 0xc018aa3fn
const UFFDIO_REGISTER = 0xc020aa00n
const UFFD_API = 0xaan
/** The kernel handles faults of write protection itself, and nobody has to read the descriptor. Since Linux 6.7. */
const UFFD_FEATURE_WP_ASYNC = 1n << 15n
const UFFDIO_REGISTER_MODE_WP = 2n

/**
 * Makes the kernel map only the page that is touched in these mappings, and not the 64 KB around it. It does so where a process
 * follows writes by userfaultfd: the mappings are registered for that, and since no page is ever protected, nothing else
 * changes. The descriptor stays open until the process ends.
 *
 * Resolves with false where that is not possible: under node, before Linux 6.7, and where a seccomp profile refuses the call,
 * as that of Docker does.
 */
export async function disableFaultAround(mappings: readonly Mapping[]): Promise<boolean> {
  const call = USERFAULTFD[process.arch]
  if (call === undefined || mappings.length === 0) return false
  const libc = await loadLibc({
    syscall: { args: ['i64', 'i64'], returns: 'i64' },
    ioctl: { args: ['i32', 'u64', 'ptr'], returns: 'i32' },
  })
  if (libc === undefined) return false
  const fd = Number(libc.syscall(BigInt(call), BigInt(FLAGS)))
  if (fd < 0) return false
  const request = (code: bigint, ...fields: bigint[]): boolean =>
    libc.ioctl(fd, code, new BigUint64Array(fields)) === 0
  const register = ({ start, bytes }: Mapping): boolean =>
    request(UFFDIO_REGISTER, BigInt(start), BigInt(bytes), UFFDIO_REGISTER_MODE_WP, 0n)
  if (request(UFFDIO_API, UFFD_API, UFFD_FEATURE_WP_ASYNC, 0n) && mappings.every(register)) return true
  // With the descriptor all registrations end.
  close(fd)
  return false
}

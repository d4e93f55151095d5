import { ShipperError } from '../../core/error.ts'
import type { FsFailure } from '../fs/file-system.ts'

const HINTS: Record<string, string> = {
  ENOSPC: 'free space on its disk, or limit what it keeps with storage.total_limit_size of the outputs',
  EDQUOT:
    'raise the disk quota of this user, or limit what it keeps with storage.total_limit_size of the outputs',
  EFBIG: 'raise the limit of the size of files (ulimit -f, or LimitFSIZE in a systemd unit)',
  EROFS: 'mount its file system for writing, or choose another folder with storage.path',
  EACCES: 'make the folder and its files writable for this user, or choose another one with storage.path',
  EPERM: 'make the folder and its files writable for this user, or choose another one with storage.path',
  EMFILE: 'raise the limit of open files (LimitNOFILE in a systemd unit)',
  ENFILE: 'raise the limit of open files of the machine (sysctl fs.file-max)',
  EIO: 'check the disk; the log of the kernel (dmesg) says more',
}

/** True when there is no more space on the disk, or none for this user. */
export function isFull({ code }: FsFailure): boolean {
  return code === 'ENOSPC' || code === 'EDQUOT'
}

/**
 * Returns a retryable E_BUFFER: what failed, for which folder, why, and what to do. `what` is put before `the
 * buffer FOLDER`: for example `write to`.
 */
export function bufferError(what: string, folder: string, { code, message }: FsFailure): ShipperError {
  const hint = HINTS[code]
  return new ShipperError('E_BUFFER', `cannot ${what} the buffer ${folder}: ${message}`, {
    retryable: true,
    ...(hint === undefined ? {} : { hint }),
    details: { folder, errno: code },
  })
}

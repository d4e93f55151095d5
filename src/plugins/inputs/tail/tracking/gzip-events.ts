import type { Logger } from '../../../../core/services.ts'
import type { TailCounters } from '../counters.ts'
import { GZIP_QUIET_MS, type GzipEvents } from '../file/gzip-source.ts'
import type { TailFile } from '../file/tail-file.ts'

/** Returns callbacks that count and log the events of a .gz, under its current name. */
export function gzipEvents(
  file: () => TailFile,
  onMore: (file: TailFile) => void,
  counters: TailCounters,
  log: Logger,
): GzipEvents {
  return {
    onMore: () => onMore(file()),
    onDamaged: (reason, from, size, isSent) => {
      const lost = Math.max(0, size - from)
      counters.add('gzip_errors')
      counters.add('lost_bytes', lost, 'gzip_damaged')
      log.error(
        `${file().path} is corrupt or truncated: ${reason}; ${isSent ? 'some of the data of its last member that was sent is wrong' : 'only the data before that point is sent'}`,
        {
          code: 'E_TAIL_GZIP',
          from,
          size,
          lost_bytes: lost,
          hint: `it has not changed for ${GZIP_QUIET_MS / 1000} s; reading continues when it does`,
        },
      )
    },
    onRepaired: () => log.info(`${file().path} is complete now, and all of it is sent`),
    onGarbage: (from, bytes) => {
      counters.add('gzip_trailing_bytes', bytes)
      log.warn(
        `${file().path} has ${bytes} bytes after its last gzip member that are not in gzip format: ignored`,
        {
          from,
        },
      )
    },
    onPlain: () => log.warn(`${file().path} is not in gzip format, in spite of its name: read as plain text`),
  }
}

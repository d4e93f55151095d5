import type { Element } from './element.ts'
import { textOf } from './element.ts'
import { applyRules, checkChildren, each, ignored, noted, OWN, type Rules } from './params.ts'
import { logLevel, type Translation } from './translation.ts'

const RULES: Rules = {
  log_level: OWN,
  workers: noted('one process does the work'),
  root_dir: noted('positions are next to the pos_file of each source'),
  process_name: ignored('the process keeps its name'),
  rpc_endpoint: ignored('the HTTP server of monitor_agent shows the state; signals stop and dump it'),
  ...each(['without_source', 'with_source_only'], ignored('every source of the file runs')),
  ...each(['file_permission', 'dir_permission', 'umask'], ignored('the umask of the process decides')),
  ...each(
    [
      'restart_worker_interval',
      'suppress_repeated_stacktrace',
      'ignore_repeated_log_interval',
      'ignore_same_log_interval',
      'emit_error_log_interval',
      'suppress_config_dump',
      'log_event_verbose',
      'enable_get_dump',
      'strict_config_value',
      'enable_msgpack_time_support',
      'disable_shared_socket',
      'enable_input_metrics',
      'enable_size_metrics',
      'enable_jit',
      'config_include_dir',
    ],
    noted('it is about the program fluentd'),
  ),
}

const LOG: Rules = {
  path: OWN,
  format: OWN,
  time_format: noted('times are those of ISO 8601'),
  ...each(['rotate_age', 'rotate_size'], ignored('let logrotate rotate it')),
  forced_stacktrace_level: noted('there are no stack traces'),
}

/** Translates <system>. */
export function translateSystem(system: Element, translation: Translation): void {
  applyRules(system, RULES, undefined, 'system', translation)
  checkChildren(
    system,
    ['log', 'metrics', 'source_only_buffer', 'counter_server', 'counter_client'],
    'system',
    translation,
  )
  const level = textOf(system, 'log_level')
  if (level !== undefined) translation.service('Log_Level', logLevel(level), system.location)
  for (const log of system.children.filter(({ name }) => name === 'log')) {
    applyRules(log, LOG, undefined, 'system log', translation)
    const [format, path] = [textOf(log, 'format'), textOf(log, 'path')]
    if (format !== undefined) translation.service('Log_Format', format, log.location)
    if (path !== undefined) translation.service('Log_File', path, log.location)
  }
}

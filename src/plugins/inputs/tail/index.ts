import { defineInput } from '../../../core/plugin.ts'
import { TAIL_COUNTERS } from './counters.ts'
import { escapePattern } from './discovery/fnmatch.ts'
import { ExcludePattern, PathPattern } from './discovery/path-pattern.ts'
import { TagRegex } from './file/tag.ts'
import { withJoinRulesOfPaths } from './multiline/join-rules.ts'
import { TAIL_OPTIONS } from './options.ts'
import { Tail } from './tail.ts'

export const spec = defineInput({
  kind: 'input',
  name: 'tail',
  summary: 'Follows files and sends their lines.',
  description:
    'A stored position moves only after every output has acknowledged the lines before it, so the file is the buffer. ' +
    'With storage.type filesystem it moves when the lines are in the buffer on disk, to which each line is written a second time: ' +
    'docs/guides/buffer.md says when that is worth it. ' +
    'Rotated and deleted files are held open until they are drained, also while the input is paused. ' +
    'No record has a key twice. Path_Key, File_Id_Key and Offset_Key replace parsed fields of the same name; if their keys are ' +
    'equal, the last one stays. An unparsed line replaces any of them.',
  options: TAIL_OPTIONS,
  example: '[INPUT]\n    Name tail\n    Path /var/log/*.log\n    DB   pos.db\n    Tag  app\n',
  counters: TAIL_COUNTERS,
  places: 'agent, content of the file, offset of the first byte, and lines of which it consists',
  statePath: ({ db }) => db,
  asksFilters: true,
  maxRecordBytes: ({ bufferMaxSize }) => bufferMaxSize,
  reads: ({ path, excludePath = [] }, file) =>
    path.flat().some((text) => new PathPattern(text).matches(file)) &&
    !excludePath.flat().some((text) => new ExcludePattern(text).matches(file)),
  preview: async (options, ctx) => {
    const { previewTail } = await import('./preview.ts')
    return previewTail(
      options,
      ctx,
      options.tagRegex === undefined ? undefined : new TagRegex(options.tagRegex, undefined),
    )
  },
  sampleOptions: (options, path) => ({
    ...withJoinRulesOfPaths(options),
    path: [[escapePattern(path)]],
    excludePath: [],
    followSymlinks: 'on',
    tagRegex: undefined,
    // A sample has no path of its own.
    pathKey: undefined,
    fileIdKey: undefined,
    readFromHead: true,
    ignoreOlder: 0,
    exitOnEof: true,
    inotifyWatcher: false,
    db: undefined,
  }),
  create: (options, ctx) =>
    new Tail(
      options,
      ctx,
      options.tagRegex === undefined ? undefined : new TagRegex(options.tagRegex, ctx.regexLimit),
    ),
})

import { defineFilter } from '../../../core/plugin.ts'
import { FAILED_RECORDS } from '../../../lib/plugin/failed-records.ts'
import { SCRIPT_OPTIONS } from './options.ts'
import { ScriptFilter } from './script-filter.ts'

const EXAMPLE = [
  'export function cb(tag, time, record) {',
  "  if (record.level === 'debug') return [-1]",
  '  record.ms = Math.round(record.seconds * 1000)',
  '  delete record.seconds',
  '  return [2, time, record]',
  '}',
].join('\n')

const DESCRIPTION = `A function in JavaScript that is called with each record, within the agent. \`/etc/shipper/orders.js\`:

\`\`\`js
${EXAMPLE}
\`\`\`

It returns a list \`[code, time, record]\` with the codes of the filter lua:

| result | what becomes of the record |
|---|---|
| \`[-1]\` | it is dropped |
| \`[0]\` | it goes on unchanged, byte for byte, whatever the function did with the object |
| \`[1, time, record]\` | it gets this time and these fields |
| \`[2, time, record]\` | it gets these fields; \`time\` is not looked at |
| \`[1 or 2, time, [record, record]]\` | it becomes several records, or none, with this time |

**Time** is a number, the seconds since 1970, exact to about 200 ns. With Time_As nanoseconds it is a BigInt, which is exact. A result may have
a number of seconds, a BigInt of nanoseconds, or a Date. The codes 0 and 2 keep the time to the nanosecond. Metadata is kept.

**Values.** A map is a plain object, a list an array, text a string. An integer beyond 2^53 is a BigInt, any other number a number. Bytes
(bin) are a Buffer, an extension type is an object with \`type\` and \`data\`. Of a key that the record has twice the last value counts. Keys
that are numbers become text, and JavaScript puts keys such as \`"7"\` before the others. A record with the key \`__proto__\`, or with a key
that is neither text nor a number, fails. Text and keys that are not UTF-8 have U+FFFD for what cannot be decoded; two keys of a record
that differ only there fail it. In a result:

- a number is an integer if it is one (\`2.0\` is 2), else a float64, NaN and Infinity included; a BigInt must fit 64 bits
- a pair whose value is undefined is left out, an undefined item of a list is null; a Date is text (\`2026-01-31T12:00:00.000Z\`)
- a Buffer or Uint8Array is bin; getters are called; keys that are symbols are left out
- a function, a symbol, a Map or any other object with a class, values nested more than 500 deep or within themselves, and more than
  16 MB for one record make the record fail

A key that is not UTF-8 keeps its bytes as long as its text is the same. A value that the function has not changed keeps its bytes: a
float that is whole, the width of an integer or a float32, text that is not UTF-8. A value is encoded anew, and is equal but may have another
encoding, if the function changes the order of the keys and its key now stands before keys that it followed, and if the record has its key
twice or as a number.

**Errors.** If the function throws, or returns a promise or another result than these, On_Error says what becomes of that one record;
the others are not affected. A file that cannot be loaded ends the start, with the place in the file, and so does one that waits for more
than 10 seconds in an \`await\` at its top level; SIGTERM is heeded after that time. A file that is missing, unreadable or not a regular
file is found by \`-D\`, too.

The message of an error goes to the log and to the dead letters. What messages of TypeError, SyntaxError and RangeError quote is replaced by
\`...\`, as JSON.parse quotes what it cannot read; a few messages of the runtime contain data without quotes (an unknown encoding, a path), and
your own errors are logged as they are: put no secrets into them.

What a timer, a microtask or a promise of the script throws later belongs to no record: **it stops the agent**, in order, with status 70 and
the place in the script in the log (\`E_SCRIPT\`); records without an acknowledgement are read again by the next start. So does \`process.exit\`,
at once and with the same status, whatever the script has given.

**Cost.** A record of 460 bytes with 13 values takes 1.1 µs if it is kept, and 2.3 µs if the function returns it, changed or not.
For comparison: the filter grep, which works on bytes, takes 0.16 µs; decoding the record and encoding it again with @msgpack/msgpack
takes about 4.5 µs (\`bun bench/filters.bench.ts grep script-keep script-set\`). What the function itself does comes on top. While there is much to read, the
objects that are no longer used take some 100 to 200 MB until the runtime collects them; that does not grow with the time.

**An endless loop cannot be stopped**: the function runs in the only thread, and the agent hangs. A service manager with a watchdog, or a
liveness probe at the HTTP server, ends such an agent; after its restart tail reads the same lines again, and the loop is there again. The
filter lua has a time limit. The file is trusted: it may do all that the agent may. It is loaded once, so filters that name the
same file share its variables; a change takes effect at the next start.

`

/** Memory of the objects of records until they are collected, while there is much to read; it is that of the whole program. */
const GARBAGE_BYTES = 200_000_000

export const spec = defineFilter({
  kind: 'filter',
  name: 'script',
  summary: 'Calls a JavaScript function of yours with each record.',
  description: DESCRIPTION,
  options: SCRIPT_OPTIONS,
  example:
    '[FILTER]\n    Name     script\n    Match    *\n    Script   /etc/shipper/orders.js\n    On_Error pass\n',
  counters: FAILED_RECORDS,
  memory: () => ({
    bytes: GARBAGE_BYTES,
    what: 'objects that the runtime has not collected yet',
    isShared: true,
  }),
  create: (options, ctx) => new ScriptFilter(options, ctx),
})

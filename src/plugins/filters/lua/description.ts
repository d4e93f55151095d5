export const DESCRIPTION = `The filter of fluent-bit: its scripts run as they are. The function gets the tag, the time and the record as a table, and returns a
code, a time and a table:

\`\`\`lua
function cb(tag, timestamp, record)
    if record.level == "debug" then return -1, timestamp, record end
    record.team = tag:match("^[^.]+")
    return 2, timestamp, record
end
\`\`\`

| code | |
|---|---|
| -1 | the record is dropped |
| 0 | it goes on as it was, whatever the script did with the table |
| 1 | the table is the new record, with the time that was returned (nil: with its own) |
| 2 | the table is the new record, with its own time |

An array of tables makes a record of each. A function with five parameters, \`cb(tag, timestamp, group, metadata, record)\`, returns code,
time, metadata and record; \`group\` is an empty table. Variables of the script live as long as the agent. Each filter has an interpreter
of its own: two filters that name the same script do not share its variables.

**What a script sees.** Numbers are 64-bit floats, as in fluent-bit; bin and ext types are strings; null is nil, as if the
key were missing, or with Enable_Flb_Null the value \`flb_null\`. Of a key that a record has twice the last value counts.

**What a script does not touch keeps its bytes**: integers beyond 2^53 their digits, floats their type, null, ext types, empty lists, bytes
that are not UTF-8. This holds for each pair of the record, and of the maps and lists in it, that has the same key and value in the same
table as before. Keys keep their order, and new ones follow. (In fluent-bit large integers are rounded, null is lost, and the order is
Lua's.) A key whose value is null is nil for the script already, so setting it to nil does not remove it; \`Remove\` of the filter modify does.
If the script returns a new table instead of the one that it got, keys of the record keep their order and numbers their type, but pairs
with null are lost.

**Other values.** A whole number that fits 64 bits is an integer. A table whose keys are 1, 2, 3... is a list, also with a few gaps, which
become null. In other tables whole numbers become text: \`{5, k = 6}\` is \`{"1":5,"k":6}\`; in fluent-bit \`k\` is lost.

**Errors concern one record**, which On_Error then decides about; in fluent-bit an error lets all records of a chunk pass unchanged. Errors
are: an error of the script; a result that is not a table; functions, coroutines and files as values; keys that are neither text nor whole
numbers; tables that contain themselves, or more than 100 levels; more than 16 MB from one call; a time that is no number of seconds from
1970 to 2106; Time_Limit and Memory_Limit. The message has the file and the line of the script, repetitions are folded. The text that
a script passes to \`error\` is in the log and in the dead letters: it should not contain secrets. **An unknown code, or the code 1 or 2 with nil instead of a record**, keeps the
record as it was, as in fluent-bit, and is counted and logged. A script that does not load ends the start.

**Limits.** The CPU time of a call is looked at about each millisecond, at first after 100 instructions of Lua; one long call of a library
function is not ended: in particular a pattern with many \`.-\` or \`.*\` on a long text can take minutes, in which nothing else runs, and SIGTERM is not heeded.
After a call that has reached Time_Limit the limit is halved, down to 10 ms, and grows again by a twentieth of the time that passes, so
records with which the script never ends take at most a tenth of the time beyond 10 ms and a load of the script (about 3 ms) each, also when
they are mixed with others. A chunk is not interrupted: thousands of them hold up the agent for as long as they take. The limit is
never less than twice what a successful call has needed in the last minute. When a limit was reached, or more than half of Memory_Limit is
still in use after an error for lack of memory, the script is loaded anew: its variables are lost, which is logged. The same happens when
the interpreter itself fails.

**The language** is Lua 5.1 with what LuaJIT adds to its libraries and scripts use: \`bit\`, \`load\` of a text, \`string.format\` with
numbers of more than 32 bits and with any value for \`%s\`, \`string.rep\` with a separator, \`table.move\`, \`xpcall\` with arguments,
\`math.log\` with a base; and with \`\\x41\` and \`\\z\` in strings of the script itself. Not there are \`goto\`, numbers such as \`1LL\`,
\`ffi\`, \`jit\`, modules in C, \`os.exit\`, \`os.execute\`, \`io.popen\`, \`debug.sethook\`, \`debug.getregistry\`, and finalizers
(\`newproxy\`, \`__gc\`), which nothing could end; \`debug.setmetatable\` takes tables only. Standard input is empty. Files can be read
and written (\`io.open\`, \`io.lines\`, \`dofile\`), at most 64 at a time; \`require\` looks beside the script first. \`os.date\` and
\`os.time\` use the zone of the variable TZ. \`FLB_ENV\` has the variables of the environment. What a script prints goes to the log, at most
100 lines a second.

**Cost.** A script that sets a key and compares one takes about 3 microseconds for a record of seven keys, one with \`gsub\` and \`match\`
about 5. An idle agent with the filter needs about 3 MB more memory, one at work 25 to 50 MB; an agent whose configuration has no such
filter does not load it.`

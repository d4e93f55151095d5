/** Traces as the runtimes write them, with messages of one and of several lines. */
export const WRITTEN: Record<string, string[]> = {
  java: [
    // logback, with the root cause first
    `06:00:00.000 [main] ERROR app.Main - failed: org.postgresql.util.PSQLException: ERROR: duplicate key value
  Detail: Key (id)=(1) already exists.
	at org.postgresql.core.v3.QueryExecutorImpl.receiveErrorResponse(QueryExecutorImpl.java:2713) ~[postgresql-42.7.3.jar:42.7.3]
	at java.base/java.lang.Thread.run(Thread.java:840)
Wrapped by: org.springframework.dao.DuplicateKeyException: could not execute
	at org.springframework.Foo.bar(Foo.java:1)
	... 42 common frames omitted`,
    `Exception in thread "main" java.lang.RuntimeException: a
	at Main.main(Main.java:3)
Caused by: java.lang.Exception: i
	... 1 more`,
    `java.lang.Exception: x
	at Main.main(Main.java:3)
	Suppressed: java.io.IOException
		... 1 more
	Suppressed: java.io.IOException: two
lines
		at Main.close(Main.java:9)
		... 1 more
Caused by: java.lang.Error: [deep]
	... 2 frames truncated
Caused by: [CIRCULAR REFERENCE: java.lang.Exception: x]`,
    // Openjdk 17, with the next trace after it
    `java.lang.Exception: two
lines
	at Circ.main(Circ.java:7)
Caused by: java.lang.Exception: x
	... 8 more
Caused by: [CIRCULAR REFERENCE: java.lang.Exception: two
lines]`,
    `java.lang.RuntimeException: next
	at A.main(A.java:13)`,
    `java.lang.Exception: s2
	at Circ.main(Circ.java:9)
	Suppressed: java.lang.Exception: t2
		... 8 more
	Caused by: [CIRCULAR REFERENCE: java.lang.Exception: s2]
	Suppressed: java.io.IOException: other
		... 8 more
	Suppressed: [CIRCULAR REFERENCE: java.lang.Exception: s2]
Caused by: java.lang.Error: cause
	... 8 more
Caused by: [CIRCULAR REFERENCE: java.lang.Exception: s2]`,
    `java.lang.RuntimeException: next
	at A.main(A.java:13)`,
    // Java 8, of an exception without frames
    `java.lang.Exception: y
	[CIRCULAR REFERENCE:java.lang.Exception: y]`,
    `java.lang.RuntimeException: next
	at A.main(A.java:13)`,
    // logback
    `java.lang.Exception: y
	at A.main(A.java:12)
Caused by: java.lang.Exception: x
	... 1 common frames omitted
Caused by: [CIRCULAR REFERENCE: java.lang.Exception: blank

lines]`,
    `java.lang.RuntimeException: next
	at A.main(A.java:13)`,
    `com.example.app.Fault: has no usual name
and two lines
	at com.example.app.Main$Inner.lambda$run$0(Main.java:3)
	at com.example.app.Main$$Lambda/0x00007f.run(Unknown Source)
	at app//com.example.Other.go(Native Method)`,
  ],
  python: [
    `Traceback (most recent call last):
  File "/src/main.py", line 3, in <module>
    import nothing
ModuleNotFoundError: No module named 'nothing'`,
    `  File "/src/main.py", line 2
    print 'x'
    ^^^^^^^^^
SyntaxError: Missing parentheses in call to 'print'. Did you mean print(...)?`,
    `Traceback (most recent call last):
  File "/src/a.py", line 9, in f
    return g(
           ~^
        1,
        ^^
    ...<2 lines>...
    )
  File "/src/a.py", line 5, in g
  [Previous line repeated 993 more times]
RecursionError: maximum recursion depth exceeded`,
    `--- Logging error ---
Traceback (most recent call last):
  File "/usr/lib/python3.11/logging/__init__.py", line 1110, in emit
    msg = self.format(record)
TypeError: not all arguments converted during string formatting
Call stack:
  File "/src/main.py", line 4, in <module>
    logging.error('x', 1)
Message: 'x'
Arguments: (1,)`,
    `Fatal Python error: Segmentation fault

Current thread 0x00007f7f8e0f0740 (most recent call first):
  File "/src/main.py", line 3 in f
  File "/src/main.py", line 5 in <module>

Extension modules: numpy.core (total: 1)`,
  ],
  go: [
    `panic: a
second line

goroutine 1 [running]:
main.main()
	/src/main.go:4 +0x39`,
    `panic: first [recovered]
	panic: second

goroutine 18 [running]:
testing.tRunner.func1.2({0x4f1b20, 0x5a3a10})
	/go/src/testing/testing.go:1545 +0x238

goroutine 1 [chan receive, 2 minutes]:
main.main()
	/src/main.go:9 +0x61`,
    `panic: runtime error: invalid memory address or nil pointer dereference
[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x47a7a1]

goroutine 1 gp=0xc000002380 m=0 mp=0x5b0d40 [running]:
main.inner(...)
	/src/main.go:5
main.(*T[...]).Do(0xc000012345)
	/src/main.go:9 +0x61
created by main.main in goroutine 1
	/src/main.go:3 +0x1`,
    `runtime: goroutine stack exceeds 1000000000-byte limit
runtime: sp=0xc0200e0390 stack=[0xc0200e0000, 0xc0400e0000]
fatal error: stack overflow

runtime stack:
runtime.throw({0x469a5e?, 0x0?})
	/go/src/runtime/panic.go:1047 +0x5d

goroutine 1 [running]:
main.f(0x1)
	/src/main.go:3 +0x25
...additional frames elided...
main.main()
	/src/main.go:6 +0x1d`,
    `SIGQUIT: quit
PC=0x46a1e1 m=0 sigcode=0

goroutine 0 [idle]:
runtime.futex(0x5c5b48, 0x80, 0x0, 0x0, 0x0, 0x0)
	/go/src/runtime/sys_linux_amd64.s:557 +0x21

rax    0xca
rip    0x46a1e1
rflags 0x286
cs     0x33`,
    `2026/11/21 06:00:00 http: panic serving 127.0.0.1:4242: boom
goroutine 34 [running]:
net/http.(*conn).serve.func1()
	/go/src/net/http/server.go:1947 +0xbe`,
  ],
  ruby: [
    // 2.7 on a terminal
    `Traceback (most recent call last):
	2: from main.rb:9:in \`<main>'
	1: from main.rb:5:in \`outer'
main.rb:2:in \`inner': divided by 0 (ZeroDivisionError)`,
    // 3.1
    `main.rb:2:in \`foo': undefined local variable or method \`fo' for main:Object (NameError)

  fo + 1
  ^^
Did you mean?  foo
	from main.rb:5:in \`<main>'`,
    // 3.3, with a chain of calls
    `main.rb:1:in \`<main>': undefined method \`[]' for nil (NoMethodError)

data[:a][:b][:c]
        ^^^^`,
    // 3.4
    `main.rb:4:in 'Object#outer': second (RuntimeError)
of two lines
	from main.rb:6:in '<main>'
main.rb:2:in 'Integer#/': divided by 0 (ZeroDivisionError)
	from main.rb:2:in 'Object#inner'
	 ... 2 levels...
	from main.rb:6:in '<main>'`,
    `main.rb:1: syntax errors found (SyntaxError)
> 1 | foo(
    |     ^ unexpected end-of-input; expected a \`)\` to close the arguments`,
    `E, [2026-11-21T06:00:00.000000 #1] ERROR -- : boom (RuntimeError)
/app/lib/a.rb:1:in 'A#b'
/app/lib/a.rb:9:in 'block in <main>'`,
    // Rails
    `ActionView::Template::Error (undefined method \`name' for nil):
    1: <h1><%= @user.name %></h1>
  
app/views/users/show.html.erb:1:in \`_app_views_users_show'
app/controllers/users_controller.rb:5:in \`show'`,
  ],
  node: [
    `/src/main.js:3
    throw new Error(\`a
          ^

Error: a
b
    at Object.<anonymous> (/src/main.js:3:11)
    at node:internal/main/run_main_module:28:49

Node.js v22.11.0`,
    `Error: outer
    at main (/src/main.js:1:1)
    ... 3 lines matching cause stack trace ...
    at async Promise.all (index 0) {
  code: 'E_OUTER',
  [cause]: Error: inner
      at other (/src/main.js:2:2)
}`,
    `[Error: ENOENT: no such file or directory, open '/nope'] {
  errno: -2,
  code: 'ENOENT',
  syscall: 'open',
  path: '/nope'
}`,
    `(node:42) UnhandledPromiseRejectionWarning: Error: old
    at main (/src/main.js:1:1)
(Use \`node --trace-warnings ...\` to show where the warning was created)`,
    `PrismaClientKnownRequestError: 
Invalid \`prisma.user.create()\` invocation:


Unique constraint failed on the fields: (\`email\`)
    at Ln.handleRequestError (/src/node_modules/@prisma/client/runtime/library.js:121:7315)`,
    `Uncaught:
Error [ERR_HTTP_HEADERS_SENT]: Cannot set headers
    at new NodeError (node:internal/errors:405:5)`.slice('Uncaught:\n'.length),
    `AssertionError [ERR_ASSERTION]: Expected values to be strictly equal:
+ actual - expected

+ 1
- 2

    at Object.<anonymous> (/src/main.js:1:8) {
  generatedMessage: true,
  code: 'ERR_ASSERTION'
}`,
    `DOMException [AbortError]: This operation was aborted
    at new DOMException (node:internal/per_context/domexception:53:5)`,
    // v20, with classes whose names do not end with Error
    `V [Error]: custom
of two lines
    at Object.<anonymous> (/src/n.js:8:20)
    at node:internal/main/run_main_module:28:49`,
    `failed: My$1 [TypeError]: x
    at /src/n.js:8:20`,
    `Übel [Error]
    at /src/n.js:8:20`,
    `[Error: null prototype]: x
    at /src/n.js:16:25`,
    `<ref *1> V [Error]: x
    at /src/n.js:34:25 {
  self: [Circular *1]
}`,
    `Fault [E_CUSTOM]: x
    at /src/n.js:34:25 {
  code: 'E_CUSTOM'
}`,
    `/src/u1.js:2
throw new V('custom')
^

V [Error]: custom
    at Object.<anonymous> (/src/u1.js:2:7)

Node.js v20.20.2`,
    ...[
      'evalmachine.<anonymous>:1',
      'plugin.js:12',
      'lib/plugin.mts:12',
      ':1',
      '[stdin]:1',
      '[worker eval]:1',
      'undefined:1',
      '<anonymous_script>:1',
      'data:text/javascript,var a = ;:1',
      'C:\\src\\a.js:1',
    ].map(
      (place) => `${place}
var a = ;
        ^

SyntaxError: Unexpected token ';'
    at new Script (node:vm:117:7)
    at /src/n.js:35:15`,
    ),
    // An error of a worker, which the main thread throws again
    `node:internal/event_target:1105
  process.nextTick(() => { throw err; });
                           ^
[worker eval]:1
class V extends Error{}; throw new V("x")
                         ^

V [Error]: x
    at [worker eval]:1:32
    at runScriptInThisContext (node:internal/vm:209:10)

Node.js v20.20.2`,
    `(node:29551) [MY_CODE] Custom: text
    at Object.<anonymous> (/src/u15.js:1:46)`,
  ],
  dotnet: [
    `Unhandled exception. System.InvalidOperationException: outer
of two lines
 ---> System.ArgumentException: inner (Parameter 'x')
   at Program.Inner() in /src/Program.cs:line 5
   --- End of inner exception stack trace ---
   at Program.Main(String[] args) in /src/Program.cs:line 20`,
    `System.AggregateException: One or more errors occurred. (first) (second)
 ---> System.Exception: first
   at Program.<>c.<Main>b__0_0() in /src/Program.cs:line 8
   at System.Threading.Tasks.Task.InnerInvoke()
--- End of stack trace from previous location ---
   at System.Threading.ExecutionContext.RunFromThreadPoolDispatchLoop(Thread threadPoolThread, ExecutionContext executionContext, ContextCallback callback, Object state)
   --- End of inner exception stack trace ---
   at System.Threading.Tasks.Task.WaitAll(Task[] tasks)
   at Program.Main(String[] args) in /src/Program.cs:line 10
 ---> (Inner Exception #1) System.Exception: second
   at Program.<>c.<Main>b__0_1() in /src/Program.cs:line 9<---`,
    `System.Net.Http.HttpRequestException: Connection refused (localhost:1)
 ---> System.Net.Sockets.SocketException (111): Connection refused
   at System.Net.Sockets.Socket.AwaitableSocketAsyncEventArgs.ThrowException(SocketError error, CancellationToken cancellationToken)
   --- End of inner exception stack trace ---
   at System.Net.Http.HttpConnectionPool.ConnectToTcpHostAsync(String host, Int32 port)`,
    `Microsoft.EntityFrameworkCore.DbUpdateException: An error occurred while saving the entity changes.
 ---> Npgsql.PostgresException (0x80004005): 23505: duplicate key value violates unique constraint "pk"

DETAIL: Detail redacted as it may contain sensitive data.
   at Npgsql.Internal.NpgsqlConnector.ReadMessageLong(Boolean async)
  Exception data:
    Severity: ERROR
    SqlState: 23505
   --- End of inner exception stack trace ---
   at Microsoft.EntityFrameworkCore.DbContext.SaveChanges()`,
    `Microsoft.Data.SqlClient.SqlException (0x80131904): Timeout expired.
 ---> System.ComponentModel.Win32Exception (258): Unknown error 258
   at Microsoft.Data.SqlClient.SqlConnection.OnError(SqlException exception)
ClientConnectionId:00000000-0000-0000-0000-000000000000
Error Number:-2,State:0,Class:11`,
    `fail: Microsoft.AspNetCore.Server.Kestrel[13]
      Connection id "0HN", Request id "0HN:1": An unhandled exception was thrown by the application.
      System.NullReferenceException: Object reference not set to an instance of an object.
         at Program.<>c.<<Main>$>b__0_0() in /src/Program.cs:line 5
      --- End of stack trace from previous location ---
         at Microsoft.AspNetCore.Routing.EndpointMiddleware.Invoke(HttpContext httpContext)`,
    `Unhandled Exception:
System.Exception: mono
  at Program.Main () [0x00000] in <a1b2>:0`.slice('Unhandled Exception:\n'.length),
  ],
  php: [
    `PHP Fatal error:  Uncaught Exception: first
of two lines in /app/a.php:3
Stack trace:
#0 /app/a.php(7): inner()
#1 {main}

Next RuntimeException: second in /app/a.php:9
Stack trace:
#0 {main}
  thrown in /app/a.php on line 9`,
    `[21-Nov-2026 06:00:00 UTC] PHP Fatal error:  Uncaught TypeError: strlen(): Argument #1 ($string) must be of type string, array given in /app/a.php:2
Stack trace:
#0 /app/a.php(2): strlen(Array)
#1 {main}
  thrown in /app/a.php on line 2`,
    `[21-Nov-2026 06:00:00 UTC] PHP Warning:  Undefined variable $x in /app/a.php on line 3
[21-Nov-2026 06:00:00 UTC] PHP Stack trace:
[21-Nov-2026 06:00:00 UTC] PHP   1. {main}() /app/a.php:0
[21-Nov-2026 06:00:00 UTC] PHP   2. f() /app/a.php:5`,
    `[2026-11-21 06:00:00] production.ERROR: boom {"exception":"[object] (RuntimeException(code: 0): boom at /app/x.php:12)
[stacktrace]
#0 /app/y.php(3): f()
#1 {main}

[previous exception] [object] (PDOException(code: 23000): SQLSTATE[23000] at /app/z.php:1)
[stacktrace]
#0 {main}
"} `,
    `App\\Exceptions\\Bad: thrown in /app/a.php:2
Stack trace:
#0 {main}`,
  ],
  rust: [
    `thread 'main' panicked at src/main.rs:2:5:
a
second line
note: run with \`RUST_BACKTRACE=1\` environment variable to display a backtrace`,
    `thread 'main' panicked at 'first
second', src/main.rs:2:5
stack backtrace:
   0: rust_begin_unwind
             at /rustc/90c5418/library/std/src/panicking.rs:584:5
   1: app::main
             at ./src/main.rs:2:5
note: Some details are omitted, run with \`RUST_BACKTRACE=full\` for a verbose backtrace.`,
    `thread 'main' (4242) has overflowed its stack
fatal runtime error: stack overflow, aborting`,
    `Error: cannot start

Caused by:
    0: cannot read the configuration
    1: No such file or directory (os error 2)

Stack backtrace:
   0: anyhow::error::<impl anyhow::Error>::msg
             at ./anyhow/src/error.rs:83:36
   1: app::main`,
  ],
  dart: [
    `Unhandled exception:
FormatException: Unexpected character (at character 1)
x
^

#0      inner (file:///src/main.dart:2:3)
#1      main (file:///src/main.dart:6:3)
<asynchronous suspension>
#2      _delayEntrypointInvocation.<anonymous closure> (dart:isolate-patch/isolate_patch.dart:297:19)`,
    `E/flutter (29920): [ERROR:flutter/lib/ui/ui_dart_state.cc(157)] Unhandled Exception: FormatException: bad
E/flutter (29920): #0      JsonCodec.decode (dart:convert/json.dart:153:41)
E/flutter (29920): <asynchronous suspension>
E/flutter (29920): #1      State._handleTap (package:flutter/src/material/ink_well.dart:706:14)`,
  ],
}

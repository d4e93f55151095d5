/** Traces of the programs in traces.test.ts, as the runtimes named here wrote them; paths are shortened. */
export const RECORDED: Record<string, string> = {
  // Python 3.11.7
  python: `Traceback (most recent call last):
  File "/src/main.py", line 6, in outer
    inner()
  File "/src/main.py", line 3, in inner
    return {}['missing']
           ~~^^^^^^^^^^^
KeyError: 'missing'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/src/main.py", line 9, in <module>
    outer()
  File "/src/main.py", line 8, in outer
    raise ValueError('bad value') from e
ValueError: bad value`,
  // v20.20.2
  node: `/src/main.cjs:2
function inner() { throw new TypeError('bad value', { cause: new Error('first') }) }
                   ^

TypeError: bad value
    at inner (/src/main.cjs:2:26)
    at outer (/src/main.cjs:3:20)
    ... 6 lines matching cause stack trace ...
    at node:internal/main/run_main_module:28:49 {
  [cause]: Error: first
      at inner (/src/main.cjs:2:62)
      at outer (/src/main.cjs:3:20)
      at Object.<anonymous> (/src/main.cjs:4:1)
      at Module._compile (node:internal/modules/cjs/loader:1521:14)
      at Module._extensions..js (node:internal/modules/cjs/loader:1623:10)
      at Module.load (node:internal/modules/cjs/loader:1266:32)
      at Module._load (node:internal/modules/cjs/loader:1091:12)
      at Function.executeUserEntryPoint [as runMain] (node:internal/modules/run_main:164:12)
      at node:internal/main/run_main_module:28:49
}

Node.js v20.20.2`,
  // openjdk version "17.0.15" 2025-04-15
  java: `Exception in thread "main" java.lang.RuntimeException: second
	at Main.main(Main.java:6)
	Suppressed: java.io.IOException: closing
		at Main.main(Main.java:7)
		at java.base/jdk.internal.reflect.NativeMethodAccessorImpl.invoke0(Native Method)
		at java.base/jdk.internal.reflect.NativeMethodAccessorImpl.invoke(NativeMethodAccessorImpl.java:77)
		at java.base/jdk.internal.reflect.DelegatingMethodAccessorImpl.invoke(DelegatingMethodAccessorImpl.java:43)
		at java.base/java.lang.reflect.Method.invoke(Method.java:569)
		at jdk.compiler/com.sun.tools.javac.launcher.Main.execute(Main.java:419)
		at jdk.compiler/com.sun.tools.javac.launcher.Main.run(Main.java:192)
		at jdk.compiler/com.sun.tools.javac.launcher.Main.main(Main.java:132)
Caused by: java.lang.IllegalStateException: first
	at Main.inner(Main.java:3)
	at Main.main(Main.java:5)
	at java.base/jdk.internal.reflect.NativeMethodAccessorImpl.invoke0(Native Method)
	at java.base/jdk.internal.reflect.NativeMethodAccessorImpl.invoke(NativeMethodAccessorImpl.java:77)
	at java.base/jdk.internal.reflect.DelegatingMethodAccessorImpl.invoke(DelegatingMethodAccessorImpl.java:43)
	at java.base/java.lang.reflect.Method.invoke(Method.java:569)
	at jdk.compiler/com.sun.tools.javac.launcher.Main.execute(Main.java:419)
	at jdk.compiler/com.sun.tools.javac.launcher.Main.run(Main.java:192)
	at jdk.compiler/com.sun.tools.javac.launcher.Main.main(Main.java:132)`,
  // go version go1.26.8
  go: `panic: runtime error: invalid memory address or nil pointer dereference
[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x47a7a1]

goroutine 1 [running]:
main.inner(...)
	/src/main.go:5
main.main()
	/src/main.go:9 +0x61`,
  // Ruby 3.4
  ruby: `main.rb:2:in 'Integer#/': divided by 0 (ZeroDivisionError)
	from main.rb:2:in 'Object#inner'
	from main.rb:6:in '<main>'`,
}

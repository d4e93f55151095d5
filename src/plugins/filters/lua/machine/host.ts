import { HostFiles } from './host-files.ts'
import { formatTime, localSeconds, textAt, writeLocal, writeUtc, zoneOfEnvironment } from './host-time.ts'
import type { LuaExports, LuaImports } from './module.ts'

const PAGE_BYTES = 65_536
/** Memory grows by an eighth at least, so that it is not grown for each small need. */
const GROWTH = 1.125
const ENOSYS = 52
const ENOTTY = 59
const LINE_FEED = 0x0a
const MAX_LINE_BYTES = 4096

/** Ends the run of a script at once: no `pcall` catches it. The state cannot be used any more. */
export class LuaEnd extends Error {}

/** What the module needs from outside: memory, files, time, the environment, and a way to unwind its stack. */
export class LuaHost {
  readonly #files: HostFiles
  readonly #limitBytes: number
  readonly #environment: Buffer[]
  readonly #onPrint: (line: string, isError: boolean) => void
  readonly #partial = ['', '']
  #lua!: LuaExports
  /** The whole memory of the module. A new object whenever that has grown. */
  memory: Buffer = Buffer.alloc(0)

  /** `onPrint` gets the lines that scripts print, without their line feeds. */
  constructor(limitBytes: number, onPrint: (line: string, isError: boolean) => void) {
    this.#limitBytes = limitBytes
    this.#onPrint = onPrint
    this.#files = new HostFiles((text, isError) => this.#print(text, isError ? 1 : 0))
    this.#environment = Object.entries(process.env).map(([name, value]) => Buffer.from(`${name}=${value}\0`))
  }

  /** Takes over the exports of the instance that was made with these imports. */
  attach(lua: LuaExports): void {
    this.#lua = lua
    this.memory = Buffer.from(lua.memory.buffer)
  }

  close(): void {
    this.#files.closeAll()
  }

  get imports(): LuaImports {
    return {
      env: { ...this.#control(), ...this.#memoryCalls(), ...this.#timeCalls(), ...this.#fileCalls() },
      wasi_snapshot_preview1: this.#streamCalls(),
    }
  }

  #control(): LuaImports['env'] {
    return {
      exit: () => {
        throw new LuaEnd('the script ended the interpreter, or there was an error outside of any function')
      },
      _emscripten_throw_longjmp: () => {
        throw Number.POSITIVE_INFINITY
      },
      // setjmp: what longjmp throws is caught here, everything else goes on to the caller of the interpreter.
      invoke_vii: (fn = 0, a = 0, b = 0) => {
        const stack = this.#lua.stackSave()
        try {
          ;(this.#lua.__indirect_function_table.get(fn) as (a: number, b: number) => void)(a, b)
        } catch (err) {
          if (err !== Number.POSITIVE_INFINITY) throw err
          this.#lua.stackRestore(stack)
          this.#lua.setThrew(1, 0)
        }
      },
      _emscripten_system: () => 0,
    }
  }

  #memoryCalls(): LuaImports['env'] {
    return {
      emscripten_memcpy_js: (to = 0, from = 0, bytes = 0) =>
        void this.memory.copyWithin(to, from, from + bytes),
      emscripten_resize_heap: (wanted = 0) => {
        const now = this.memory.length
        const needed = wanted >>> 0
        if (needed > this.#limitBytes) return 0
        const bytes = Math.min(Math.max(needed, now * GROWTH), this.#limitBytes)
        try {
          this.#lua.memory.grow(Math.ceil((bytes - now) / PAGE_BYTES))
        } catch {
          return 0 // The machine has no more: the script gets "not enough memory".
        }
        this.memory = Buffer.from(this.#lua.memory.buffer)
        return 1
      },
    }
  }

  #timeCalls(): LuaImports['env'] {
    return {
      emscripten_date_now: () => Date.now(),
      _emscripten_get_now_is_monotonic: () => 1,
      _gmtime_js: (low = 0, high = 0, at = 0) => writeUtc(this.memory, joined(low, high), at),
      _localtime_js: (low = 0, high = 0, at = 0) => writeLocal(this.memory, joined(low, high), at),
      _mktime_js: (at = 0) => {
        const seconds = localSeconds(this.memory, at)
        this.#lua.setTempRet0(Math.floor(seconds / 2 ** 32))
        return seconds >>> 0
      },
      _tzset_js: (west = 0, hasDst = 0, names = 0) => {
        const zone = zoneOfEnvironment()
        const pointers = zone.names.map((name) => this.allocate(Buffer.from(`${name}\0`)))
        this.memory.writeInt32LE(zone.west, west)
        this.memory.writeInt32LE(zone.hasDst ? 1 : 0, hasDst)
        for (const [i, pointer] of pointers.entries()) this.memory.writeUInt32LE(pointer, names + i * 4)
      },
      strftime: (to = 0, bytes = 0, format = 0, time = 0) => {
        const text = Buffer.from(formatTime(this.memory, time, textAt(this.memory, format)))
        if (text.length >= bytes) return 0
        this.memory[to + text.copy(this.memory, to)] = 0
        return text.length
      },
    }
  }

  #fileCalls(): LuaImports['env'] {
    const path = (at: number) => textAt(this.memory, at)
    return {
      __syscall_openat: (_folder = 0, at = 0, flags = 0, values = 0) =>
        this.#files.open(path(at), flags, values === 0 ? 0o666 : this.memory.readUInt32LE(values)),
      __syscall_unlinkat: (_folder = 0, at = 0) => this.#files.remove(path(at)),
      __syscall_rmdir: (at = 0) => this.#files.removeFolder(path(at)),
      __syscall_renameat: (_from = 0, from = 0, _to = 0, to = 0) => this.#files.rename(path(from), path(to)),
      __syscall_readlinkat: () => -ENOSYS,
      __syscall_dup3: () => -ENOSYS,
      __syscall_fcntl64: () => 0,
      // Standard output counts as a terminal, which is flushed after each line.
      __syscall_ioctl: (descriptor = 0) => (descriptor === 1 || descriptor === 2 ? 0 : -ENOTTY),
    }
  }

  #streamCalls(): LuaImports['wasi_snapshot_preview1'] {
    return {
      fd_close: (descriptor = 0) => Math.max(0, -this.#files.close(descriptor)),
      fd_read: (descriptor = 0, parts = 0, count = 0, result = 0) =>
        this.#transfer(parts, count, result, (part) => this.#files.read(descriptor, part)),
      fd_write: (descriptor = 0, parts = 0, count = 0, result = 0) =>
        this.#transfer(parts, count, result, (part) => this.#files.write(descriptor, part)),
      fd_seek: (descriptor = 0, low = 0, high = 0, whence = 0, result = 0) => {
        const position = this.#files.seek(descriptor, joined(low, high), whence)
        if (position < 0) return -position
        this.memory.writeUInt32LE(position >>> 0, result)
        this.memory.writeUInt32LE(Math.floor(position / 2 ** 32), result + 4)
        return 0
      },
      environ_sizes_get: (count = 0, bytes = 0) => {
        this.memory.writeUInt32LE(this.#environment.length, count)
        this.memory.writeUInt32LE(
          this.#environment.reduce((n, one) => n + one.length, 0),
          bytes,
        )
        return 0
      },
      environ_get: (pointers = 0, texts = 0) => {
        let at = texts
        for (const [i, one] of this.#environment.entries()) {
          this.memory.writeUInt32LE(at, pointers + i * 4)
          at += one.copy(this.memory, at)
        }
        return 0
      },
    }
  }

  /** Runs `run` for each part of a list of addresses and lengths, until one is not done completely. */
  #transfer(parts: number, count: number, result: number, run: (part: Buffer) => number): number {
    let total = 0
    for (let i = 0; i < count; i++) {
      const at = this.memory.readUInt32LE(parts + i * 8)
      const bytes = this.memory.readUInt32LE(parts + i * 8 + 4)
      const done = run(this.memory.subarray(at, at + bytes))
      if (done < 0) return -done
      total += done
      if (done < bytes) break
    }
    this.memory.writeUInt32LE(total, result)
    return 0
  }

  /** Copies bytes to memory of their own; throws LuaEnd when there is none. */
  allocate(bytes: Buffer): number {
    const at = this.#lua.malloc(bytes.length)
    if (at === 0) throw new LuaEnd('not enough memory')
    bytes.copy(this.memory, at)
    return at
  }

  #print(text: Buffer, stream: 0 | 1): void {
    let from = 0
    for (let end = text.indexOf(LINE_FEED); end >= 0; end = text.indexOf(LINE_FEED, from)) {
      this.#onPrint(
        this.#partial[stream] + text.toString('utf8', from, Math.min(end, from + MAX_LINE_BYTES)),
        stream === 1,
      )
      this.#partial[stream] = ''
      from = end + 1
    }
    const rest = this.#partial[stream] as string
    if (rest.length < MAX_LINE_BYTES)
      this.#partial[stream] = rest + text.toString('utf8', from, Math.min(text.length, from + MAX_LINE_BYTES))
  }
}

/** Returns a signed 64-bit integer of two halves. */
function joined(low: number, high: number): number {
  return high * 2 ** 32 + (low >>> 0)
}

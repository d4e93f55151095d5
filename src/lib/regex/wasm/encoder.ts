/** Value types. */
const I32 = 0x7f
export const V128 = 0x7b

/** Op codes of WebAssembly, those that the compiler of expressions uses. */
export const UNREACHABLE = 0x00
export const RETURN = 0x0f
export const SELECT = 0x1b
export const I32_EQZ = 0x45
export const I32_EQ = 0x46
export const I32_NE = 0x47
export const I32_LT_S = 0x48
export const I32_LT_U = 0x49
export const I32_GT_U = 0x4b
export const I32_LE_S = 0x4c
export const I32_LE_U = 0x4d
export const I32_GE_U = 0x4f
export const I32_CLZ = 0x67
export const I32_CTZ = 0x68
export const I32_ADD = 0x6a
export const I32_SUB = 0x6b
export const I32_MUL = 0x6c
export const I32_AND = 0x71
export const I32_OR = 0x72
export const I32_XOR = 0x73
export const I32_SHL = 0x74
export const I32_SHR_S = 0x75
export const I32_SHR_U = 0x76
export const I64_NE = 0x52
export const I64_SHR_U = 0x88
export const I32_WRAP_I64 = 0xa7
export const I64_EXTEND_I32_U = 0xad
export const LOAD8 = 0x2d
export const LOAD16 = 0x2f
export const LOAD32 = 0x28
export const LOAD64 = 0x29
export const STORE8 = 0x3a
export const STORE32 = 0x36

/** Op codes after the prefix of vectors. */
export const V_SWIZZLE = 14
export const V_EQ = 35
export const V_NE = 36
export const V_LE_U = 42
export const V_GE_U = 44
export const V_AND = 78
export const V_OR = 80
export const V_BITMASK = 100
export const V_SHR_U = 109
export const V_SUB = 113

const VOID = 0x40
const VECTOR = 0xfd
const FUNCTION_TYPE = 0x60
const MAGIC = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]

/** The target of a branch: the end of a block or of an `if`, or the start of a loop. */
export class Label {}

/** Writes the instructions of one function; all its parameters and its result are i32. */
export class FunctionBody {
  readonly params: number
  readonly #bytes: number[] = []
  /** Blocks that are open, the innermost one last. */
  readonly #open: (Label | undefined)[] = []
  readonly #locals: number[] = []

  constructor(params: number) {
    this.params = params
  }

  /** Declares a local and returns its number. */
  local(type = I32): number {
    return this.params + this.#locals.push(type) - 1
  }

  op(...ops: number[]): this {
    for (const op of ops) this.#bytes.push(op)
    return this
  }

  get(local: number): this {
    return this.op(0x20).#number(local)
  }

  set(local: number): this {
    return this.op(0x21).#number(local)
  }

  tee(local: number): this {
    return this.op(0x22).#number(local)
  }

  i32(value: number): this {
    this.#bytes.push(0x41)
    let rest = value
    for (; rest < -64 || rest > 63; rest >>= 7) this.#bytes.push((rest & 0x7f) | 0x80)
    return this.op(rest & 0x7f)
  }

  i64(value: bigint): this {
    return this.op(0x42, ...signed(BigInt.asIntN(64, value)))
  }

  /** A load or store at the address on the stack plus `offset`; nothing is assumed about alignment. */
  memory(op: number, offset = 0): this {
    return this.op(op, 0).#number(offset)
  }

  vector(op: number): this {
    return this.op(VECTOR).#number(op)
  }

  vectorLoad(offset = 0): this {
    return this.op(VECTOR, 0, 0).#number(offset)
  }

  vectorOf(bytes: readonly number[]): this {
    return this.op(VECTOR, 12, ...bytes)
  }

  /** Fills memory; address, byte and length are on the stack. */
  fill(): this {
    return this.op(0xfc, 11, 0)
  }

  call(func: number): this {
    return this.op(0x10).#number(func)
  }

  block(label: Label): this {
    this.#open.push(label)
    return this.op(0x02, VOID)
  }

  loop(label: Label): this {
    this.#open.push(label)
    return this.op(0x03, VOID)
  }

  if(): this {
    this.#open.push(undefined)
    return this.op(0x04, VOID)
  }

  else(): this {
    return this.op(0x05)
  }

  end(): this {
    this.#open.pop()
    return this.op(0x0b)
  }

  br(label: Label): this {
    return this.op(0x0c).#number(this.#depth(label))
  }

  brIf(label: Label): this {
    return this.op(0x0d).#number(this.#depth(label))
  }

  brTable(labels: readonly Label[]): this {
    const depths = labels.map((label) => this.#depth(label))
    this.op(0x0e).#number(depths.length - 1)
    for (const depth of depths) this.#number(depth)
    return this
  }

  /** Returns the function as an item of the code section. */
  encode(): Buffer {
    const locals = vector(this.#locals.map((type) => [1, type]))
    const size = unsigned(locals.length + this.#bytes.length + 1)
    return Buffer.concat([Buffer.from(size), locals, Buffer.from(this.#bytes), Buffer.of(0x0b)])
  }

  /** Appends a number from 0 on in LEB128. */
  #number(value: number): this {
    let rest = value
    for (; rest > 0x7f; rest >>>= 7) this.#bytes.push((rest & 0x7f) | 0x80)
    return this.op(rest)
  }

  #depth(label: Label): number {
    const at = this.#open.lastIndexOf(label)
    if (at < 0) throw new Error('a branch to a block that is not open')
    return this.#open.length - 1 - at
  }
}

/** Encodes a module that imports the memory `m.m` of `pages` and exports its first function as `match`. */
export function encodeModule(functions: readonly FunctionBody[], pages: number): Buffer<ArrayBuffer> {
  const types = functions.map(({ params }) => [FUNCTION_TYPE, params, ...Array(params).fill(I32), 1, I32])
  const name = (text: string): number[] => [text.length, ...Buffer.from(text)]
  const limits = [0x01, ...unsigned(pages), ...unsigned(pages)]
  return Buffer.concat([
    Buffer.from(MAGIC),
    section(1, types),
    section(2, [[...name('m'), ...name('m'), 0x02, ...limits]]),
    section(
      3,
      functions.map((_, i) => unsigned(i)),
    ),
    section(7, [[...name('match'), 0x00, 0x00]]),
    section(
      10,
      functions.map((each) => each.encode()),
    ),
  ])
}

type Bytes = Buffer | readonly number[]

function section(id: number, items: readonly Bytes[]): Buffer {
  const body = vector(items)
  return Buffer.concat([Buffer.of(id, ...unsigned(body.length)), body])
}

/** Returns items after their number. */
function vector(items: readonly Bytes[]): Buffer {
  return Buffer.concat([unsigned(items.length), ...items].map((item) => Buffer.from(item as Buffer)))
}

/** LEB128 of a number from 0 on. */
function unsigned(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80)
  bytes.push(rest)
  return bytes
}

function signed(value: bigint): number[] {
  const bytes: number[] = []
  for (let rest = value; ; rest >>= 7n) {
    const low = Number(rest & 0x7fn)
    const isLast = rest >> 6n === 0n || rest >> 6n === -1n
    bytes.push(isLast ? low : low | 0x80)
    if (isLast) return bytes
  }
}

import type { OffsetRow } from '../../../../core/offset-store.ts'

/** Maximum number of earlier contents remembered per file; beyond that the oldest is forgotten. */
const MAX_PAST_CONTENTS = 8

/** Properties of a content that was read, by which a copy of it is recognized. */
export interface KnownContent
  extends Pick<OffsetRow, 'offset' | 'marker' | 'markerSize' | 'fingerprint' | 'fingerprintSize'> {
  /**
   * Bytes of the fingerprint. With them, a copy that is shorter than the fingerprint can still be compared.
   */
  head?: Buffer | undefined
  /** Time in milliseconds at which the content was replaced; copies of it were made before. */
  untilMs?: number
  /** Size of the copy that continues at the offset: other copies have nothing new before that. */
  copiedTo?: number | undefined
}

/** The .gz that has taken the place of a file: no other one with the same lines was made of that. */
export interface Successor {
  /** Identity key; undefined while none is known. */
  key?: string
}

const NONE: readonly KnownContent[] = []

/** State of a file's rotation: when it left its path, and since when it has its current content. */
export class RotationState {
  #rotatedMs: number | undefined
  #leftPath: string | undefined
  #deleted = false
  #contentSinceMs: number
  /** Contents of the file before each truncation or rewrite, the newest last. */
  get pastContents(): readonly KnownContent[] {
    return this.#pastContents ?? NONE
  }

  #pastContents: KnownContent[] | undefined

  #successor: Successor | undefined

  /** Shared with what is remembered of the file once it is closed. */
  get successor(): Successor {
    this.#successor ??= {}
    return this.#successor
  }

  #replacedMs: number | undefined
  #heir: { key: string; size: number } | undefined

  constructor(contentSinceMs: number) {
    this.#contentSinceMs = contentSinceMs
  }

  /**
   * Time in milliseconds at which the file was renamed, deleted or replaced; undefined while it is at its
   * path.
   */
  get rotatedMs(): number | undefined {
    return this.#rotatedMs
  }

  /** Path that the file has left; undefined while it is at its path. */
  get leftPath(): string | undefined {
    return this.#leftPath
  }

  get isRotated(): boolean {
    return this.#rotatedMs !== undefined
  }

  /** True when the file no longer has a name. */
  get isDeleted(): boolean {
    return this.#deleted
  }

  /**
   * Time in milliseconds since which the file has its current content. A sibling created before that is an
   * older file, or a copy of the content before the file was truncated.
   */
  get contentSinceMs(): number {
    return this.#contentSinceMs
  }

  markRotated(nowMs: number, path: string): void {
    this.#rotatedMs = nowMs
    this.#leftPath = path
  }

  markDeleted(): void {
    this.#deleted = true
  }

  /** Records that the file is at a path matched by Path again. */
  markFollowed(): void {
    this.#rotatedMs = undefined
    this.#leftPath = undefined
    this.#deleted = false
  }

  /** True between the detection of a truncation or rewrite and the start of reading the new content. */
  get isReplaced(): boolean {
    return this.#replacedMs !== undefined
  }

  /** True when a copy of the previous content was found, which continues at the offset of this file. */
  get hasHeir(): boolean {
    return this.#heir !== undefined
  }

  /** True when that copy is the file with this identity key. */
  isHeir(key: string): boolean {
    return this.#heir?.key === key
  }

  /**
   * Time in milliseconds at which a truncation or rewrite was detected, or since when there is a copy of the new content;
   * undefined once the new content is read.
   */
  get replacedMs(): number | undefined {
    return this.#replacedMs
  }

  markReplaced(nowMs: number): void {
    this.#replacedMs = nowMs
  }

  /**
   * Records that a copy of the new content, which appeared at `ms`, is not read, as the file has all of it: the file may
   * lose that before it is read.
   */
  recordSpareCopy(ms: number): void {
    if (this.#replacedMs !== undefined) this.#replacedMs = Math.min(this.#replacedMs, ms)
  }

  /** `key`: identity key of the copy; `size`: size of its content. */
  recordHeir(key: string, size: number): void {
    this.#heir = { key, size }
  }

  /** Adds a content that the file had before it was opened. */
  addPast(content: KnownContent): void {
    this.#pastContents ??= []
    this.#pastContents.push(content)
  }

  /** Records that the content was replaced, after `ms`. */
  recordRewrite(ms: number, before: KnownContent): void {
    // Backups of the beginning are made of the present content: for those before the last one hashes suffice.
    this.#pastContents ??= []
    for (const past of this.#pastContents) past.head = undefined
    this.#pastContents.push({ ...before, untilMs: ms, copiedTo: this.#heir?.size })
    if (this.#pastContents.length > MAX_PAST_CONTENTS) this.#pastContents.shift()
    this.#contentSinceMs = ms
    this.#replacedMs = undefined
    this.#heir = undefined
  }
}

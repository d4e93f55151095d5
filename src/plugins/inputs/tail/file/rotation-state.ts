import type { OffsetRow } from '../../../../core/offset-store.ts'

/** Contents of before that are remembered for one file; beyond that the oldest is forgotten. */
const MAX_PAST_CONTENTS = 8

/** What is known of a content that was read: enough to recognize a copy of it. */
export interface KnownContent
  extends Pick<OffsetRow, 'offset' | 'marker' | 'markerSize' | 'fingerprint' | 'fingerprintSize'> {
  /** The bytes of the fingerprint, of short contents: a copy may be made before the last of them was written. */
  head?: Buffer | undefined
  /** Time in milliseconds until which the file had this content: a copy was made before. */
  untilMs?: number
}

/** State of a file's rotation: when it left its path, and since when it has its current content. */
export class RotationState {
  #rotatedMs: number | undefined
  #deleted = false
  #contentSinceMs: number
  /** Contents that the file had before it was truncated or rewritten, the newest last. */
  readonly pastContents: KnownContent[] = []

  #isReplaced = false
  #heir: string | undefined

  constructor(contentSinceMs: number) {
    this.#contentSinceMs = contentSinceMs
  }

  /** Time in milliseconds at which the file was renamed, deleted or replaced; undefined while it is at its path. */
  get rotatedMs(): number | undefined {
    return this.#rotatedMs
  }

  get isRotated(): boolean {
    return this.#rotatedMs !== undefined
  }

  /** True when the file no longer has a name. */
  get isDeleted(): boolean {
    return this.#deleted
  }

  /**
   * Time in milliseconds since which the file has its current content. A sibling created before that is an older file, or a copy
   * of the content before the file was truncated.
   */
  get contentSinceMs(): number {
    return this.#contentSinceMs
  }

  markRotated(nowMs: number): void {
    this.#rotatedMs = nowMs
  }

  markDeleted(): void {
    this.#deleted = true
  }

  /** Records that the file is at a path matched by Path again. */
  markFollowed(): void {
    this.#rotatedMs = undefined
    this.#deleted = false
  }

  /** True from when it is seen that the content was truncated or rewritten until the new one is read. */
  get isReplaced(): boolean {
    return this.#isReplaced
  }

  /** True when a copy of the content of before was found, which is read from where it was read to. */
  get hasHeir(): boolean {
    return this.#heir !== undefined
  }

  /** True when that copy is the file with this identity key. */
  isHeir(key: string): boolean {
    return this.#heir === key
  }

  markReplaced(): void {
    this.#isReplaced = true
  }

  /** `key`: identity key of the copy. */
  recordHeir(key: string): void {
    this.#heir = key
  }

  /** Records that the content was replaced, after `ms`. */
  recordRewrite(ms: number, before: KnownContent): void {
    this.#contentSinceMs = ms
    this.#isReplaced = false
    this.#heir = undefined
    this.pastContents.push({ ...before, untilMs: ms })
    if (this.pastContents.length > MAX_PAST_CONTENTS) this.pastContents.shift()
  }
}

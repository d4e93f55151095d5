/** The rotation of a file: when it left its path, and since when it has its present content. */
export class RotationState {
  #rotatedMs: number | undefined
  #deleted = false
  #contentSinceMs: number

  constructor(contentSinceMs: number) {
    this.#contentSinceMs = contentSinceMs
  }

  /** Time in milliseconds at which the file was renamed, deleted or replaced; undefined while its path leads to it. */
  get rotatedMs(): number | undefined {
    return this.#rotatedMs
  }

  get isRotated(): boolean {
    return this.#rotatedMs !== undefined
  }

  /** True when no name leads to the file any more. */
  get isDeleted(): boolean {
    return this.#deleted
  }

  /**
   * Time in milliseconds since when the file has its present content. A sibling that was created before is older, or a
   * copy of what was in the file before it was truncated.
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

  /** Records that a path matched by Path leads to the file again. */
  markFollowed(): void {
    this.#rotatedMs = undefined
    this.#deleted = false
  }

  /** Records that the content was replaced, after `ms`. */
  recordRewrite(ms: number): void {
    this.#contentSinceMs = ms
  }
}

/** The part of a package without types that compression uses. */
declare module 'snappyjs' {
  const snappy: {
    compress(bytes: Uint8Array): Uint8Array
    uncompress(bytes: Uint8Array): Uint8Array
  }
  export default snappy
}

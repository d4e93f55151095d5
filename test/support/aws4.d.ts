/** The signer that ours is compared with; it has no types of its own. */
declare module 'aws4' {
  const aws4: {
    sign(
      request: Record<string, unknown>,
      credentials: { accessKeyId: string; secretAccessKey: string; sessionToken?: string },
    ): { headers: Record<string, string> }
  }
  export default aws4
}

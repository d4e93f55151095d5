import { type BadRequest, type RequestHead, readHead } from '../../lib/net/http-server/head.ts'

/** The part of a request that the agent's server looks at: it understands requests without a body. */
export interface HttpRequest {
  method: string
  path: string
  query: string
  /** Host that the client believes to talk to, without a port; undefined when HTTP/1.0 names none. */
  host: string | undefined
  hasBody: boolean
  keepAlive: boolean
  /** True when the client understands an answer in chunks: HTTP/1.1. */
  takesChunks: boolean
  /** Offset after the request in the bytes that were read. */
  end: number
}

/** Maximum length of a target; those that exist have at most 40 characters. */
export const MAX_TARGET_CHARS = 1024

/** Reads the first request in `bytes`; returns undefined when more bytes are needed. */
export function readRequest(bytes: Buffer, maxBytes: number): HttpRequest | BadRequest | undefined {
  const head = readHead(bytes, { headerBytes: maxBytes, targetChars: MAX_TARGET_CHARS })
  if (head === undefined || 'status' in head) return head
  return requestOf(head)
}

export function requestOf(head: RequestHead): HttpRequest {
  const { method, path, query, host, keepAlive, isCurrent, framing, end } = head
  return { method, path, query, host, hasBody: framing !== 0, keepAlive, takesChunks: isCurrent, end }
}

import { signature } from './aws-calls.ts'

const KEY = /<Key>(.*?)<\/Key>/g

/** A server that behaves as Amazon's S3, and what a test asks it. */
export abstract class S3Server {
  abstract get url(): string

  async createBucket(name: string): Promise<void> {
    await this.#s3('PUT', `/${name}`)
  }

  /** Returns the objects of a bucket in the order of their keys. */
  async objects(bucket: string): Promise<[key: string, bytes: Buffer][]> {
    const found: [string, Buffer][] = []
    let after = ''
    for (;;) {
      const list = await this.#s3('GET', `/${bucket}?list-type=2&start-after=${encodeURIComponent(after)}`)
      const keys = [...(await list.text()).matchAll(KEY)].map(([, key = '']) => unescaped(key))
      for (const key of keys) {
        const object = await this.#s3('GET', `/${bucket}/${key.split('/').map(encodeURIComponent).join('/')}`)
        found.push([key, Buffer.from(await object.arrayBuffer())])
      }
      after = keys.at(-1) ?? ''
      if (keys.length === 0) return found
    }
  }

  /** Returns the number of uploads in parts that are neither completed nor aborted. */
  async openUploads(bucket: string): Promise<number> {
    const answer = await this.#ask('GET', `/${bucket}?uploads`)
    const text = await answer.text()
    // gofakes3 answers so where there never was an upload.
    if (answer.status === 404 && text.includes('<Code>NoSuchUpload</Code>')) return 0
    if (answer.status !== 200) throw new Error(`uploads of ${bucket}: ${answer.status} ${text}`)
    return text.split('<UploadId>').length - 1
  }

  #ask(method: string, path: string): Promise<Response> {
    return fetch(`${this.url}${path}`, {
      method,
      headers: { authorization: signature('s3') },
      keepalive: false,
    })
  }

  async #s3(method: string, path: string): Promise<Response> {
    const answer = await this.#ask(method, path)
    if (answer.status !== 200) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
    return answer
  }
}

function unescaped(text: string): string {
  return text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&')
}

import { createHmac } from 'node:crypto'
import { ShipperError } from '../../../core/error.ts'
import { FsFailure, readRegular, stat } from '../../../lib/fs/file-system.ts'
import type { RedactOptions } from './options.ts'

const HASH_DIGITS = 16
const MIN_KEY_BYTES = 16
/** No key is longer than a few blocks of SHA-256. */
const MAX_KEY_BYTES = 65_536
const SEPARATORS = /[ -]/g

/** The texts that are put in place of secrets. */
export class Replacements {
  readonly #isHash: boolean
  readonly #template: string
  readonly #file: string | undefined
  #key: Buffer | undefined
  readonly #texts = new Map<string, Buffer>()

  /** Throws E_CONFIG_BAD_VALUE or E_CONFIG_MISSING_OPTION for options that do not fit together. */
  constructor({ action, replacement, hashKey, hashKeyFile }: RedactOptions) {
    this.#isHash = action === 'hash'
    this.#template = replacement ?? (this.#isHash ? '[{kind}#{hash}]' : '[REDACTED:{kind}]')
    this.#file = hashKeyFile
    this.#key = hashKey === undefined ? undefined : Buffer.from(hashKey)
    if (this.#template.includes('{hash}') !== this.#isHash)
      throw badOptions(
        this.#isHash ? 'with Action hash the replacement must have {hash}' : '{hash} needs Action hash',
        replacement === undefined ? 'action' : 'replacement',
      )
    const given = [hashKey, hashKeyFile].filter((value) => value !== undefined).length
    if (this.#isHash && given === 0)
      throw new ShipperError(
        'E_CONFIG_MISSING_OPTION',
        'the action hash needs "hash_key" or "hash_key_file"',
        {
          option: 'action',
          hint: 'make a key with `openssl rand -hex 32`',
        },
      )
    if (given === 2) throw badOptions('"hash_key" and "hash_key_file" are both set', 'hash_key_file')
    if (!this.#isHash && given > 0) throw badOptions('a key needs Action hash', 'action')
    if (hashKeyFile !== undefined) checkFile(hashKeyFile)
  }

  /** Reads Hash_Key_File. Throws when that cannot be done, or the key is short. */
  load(): void {
    if (this.#file === undefined) return
    const bytes = readRegular(this.#file, MAX_KEY_BYTES)
    if (bytes instanceof FsFailure) throw unreadable(this.#file, bytes)
    const text = bytes.toString('latin1').replace(/\r?\n$/, '')
    if (text.length < MIN_KEY_BYTES)
      throw badOptions(`Hash_Key_File has less than ${MIN_KEY_BYTES} bytes: ${this.#file}`, 'hash_key_file')
    this.#key = Buffer.from(text, 'latin1')
  }

  /** Returns the text for a secret of this kind, buf[start, end). */
  textOf(kind: string, buf: Buffer, start: number, end: number): Buffer {
    return this.#isHash ? this.#hashed(kind, canonical(kind, buf, start, end)) : this.#plain(kind)
  }

  /** Returns the text for a card number that is an integer with these digits. */
  ofNumber(kind: string, digits: string): Buffer {
    return this.#isHash ? this.#hashed(kind, Buffer.from(digits)) : this.#plain(kind)
  }

  #plain(kind: string): Buffer {
    let text = this.#texts.get(kind)
    if (text === undefined) {
      text = Buffer.from(this.#template.replaceAll('{kind}', kind))
      this.#texts.set(kind, text)
    }
    return text
  }

  #hashed(kind: string, value: Buffer): Buffer {
    const hash = createHmac('sha256', this.#key as Buffer)
      .update(value)
      .digest('hex')
      .slice(0, HASH_DIGITS)
    return Buffer.from(this.#template.replaceAll('{kind}', kind).replaceAll('{hash}', hash))
  }
}

/** Looks at the file without opening it, as a check of the configuration does. */
function checkFile(path: string): void {
  const found = stat(path)
  if (found instanceof FsFailure) throw unreadable(path, found)
  if (!found.isFile()) throw badOptions(`Hash_Key_File is not a regular file: ${path}`, 'hash_key_file')
}

function unreadable(path: string, { message }: FsFailure): ShipperError {
  return badOptions(`Hash_Key_File ${path} cannot be read: ${message}`, 'hash_key_file')
}

/** Returns the bytes that equal values have in common: a card number or an IBAN without separators, an address in lower case. */
function canonical(kind: string, buf: Buffer, start: number, end: number): Buffer {
  if (kind === 'card' || kind === 'iban')
    return Buffer.from(buf.toString('latin1', start, end).replace(SEPARATORS, ''), 'latin1')
  if (kind === 'email') return Buffer.from(buf.toString('latin1', start, end).toLowerCase(), 'latin1')
  return buf.subarray(start, end)
}

function badOptions(message: string, option: string): ShipperError {
  return new ShipperError('E_CONFIG_BAD_VALUE', message, {
    option,
    hint: 'see docs/plugins/filter-redact.md',
  })
}

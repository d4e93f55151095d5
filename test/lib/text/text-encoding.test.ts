import { describe, expect, test } from 'bun:test'
import {
  GENERIC_ENCODINGS,
  genericEncoding,
  MAX_GROWTH,
  TextEncoding,
} from '../../../src/lib/text/text-encoding.ts'
import { fc } from '../../support/property.ts'

/**
 * Text and its bytes in each encoding, from Python's codecs. Some have trail bytes in the ASCII range (0x5c,
 * 0x7c).
 */
const SAMPLES: Record<string, [text: string, hex: string]> = {
  ShiftJIS: ['エラー: 表ソ能 ｱｲｳ ①', '83478389815b3a20955c835c945c20b1b2b3208740'],
  UHC: ['오류: 똠방각하 햏', 'bfc0b7f93a208c63b9e6b0a2c7cf20c164'],
  GBK: ['错误: 镕祎', 'b4edcef33a20e946b574'],
  GB18030: ['错误: 镕祎 😀 ñ', 'b4edcef33a20e946b574209439fc362081308a39'],
  Big5: ['錯誤: 許功蓋 裡', 'bff9bb7e3a20b35ca55cbb5c20b8cc'],
  Win866: ['Ошибка ░▒▓ Ёё', '8ee8a8a1aaa020b0b1b220f0f1'],
  Win874: ['ข้อผิดพลาด “x” €', 'a2e9cdbcd4b4bec5d2b4209378942080'],
  Win1250: ['Błąd: žluťoučký €', '42b3b9643a209e6c759d6f75e86bfd2080'],
  Win1251: ['Ошибка: Ђўґ №', 'cef8e8e1eae03a2080a2b420b9'],
  Win1252: ['Ärger: “naïve” €', 'c4726765723a20936e61ef7665942080'],
  Win1253: ['Σφάλμα: “Ω” €', 'd3f6dcebece13a2093d9942080'],
  Win1254: ['Şağ İıĞ €', 'de61f020ddfdd02080'],
  Win1255: ['שגיאה: ₪ “א”', 'f9e2e9e0e43a20a42093e094'],
  Win1256: ['خطأ: پ چ €', 'ced8c33a2081208d2080'],
}
const ALIASES: Record<string, string> = {
  SJIS: 'ShiftJIS',
  CP932: 'ShiftJIS',
  'Windows-31J': 'ShiftJIS',
  CP949: 'UHC',
  'Windows-949': 'UHC',
  CP936: 'GBK',
  CP950: 'Big5',
}

function sampleOf(name: string): [text: string, hex: string] {
  return SAMPLES[ALIASES[name] ?? name.replace('CP', 'Win')] as [string, string]
}

function decoded(encoding: TextEncoding, bytes: Buffer): string {
  const out = Buffer.alloc(bytes.length * MAX_GROWTH)
  return out.toString('utf8', 0, encoding.decode(bytes, 0, bytes.length, out))
}

const all = [
  ...GENERIC_ENCODINGS.map((name) => [name, genericEncoding(name)] as const),
  ['utf-16le', new TextEncoding('utf-16le')] as const,
  ['utf-16be', new TextEncoding('utf-16be')] as const,
]

describe('an encoding', () => {
  test.each([...GENERIC_ENCODINGS])('%s decodes its sample', (name) => {
    const [text, hex] = sampleOf(name)
    expect(decoded(genericEncoding(name), Buffer.from(hex, 'hex'))).toBe(text)
  })

  test.each(all)(
    '%s has as many newlines in the text as in any bytes, at most three times as long',
    (_, encoding) => {
      const byte = fc.oneof(fc.nat(255), fc.constantFrom(0, 10, 13, 0x30, 0x39, 0x81, 0xd8, 0xdc))
      fc.assert(
        fc.property(fc.array(byte, { maxLength: 40 }), (bytes) => {
          const end = encoding.unitBytes === 2 ? [10, 0, 0, 10] : [10]
          const src = Buffer.from([...bytes.slice(0, bytes.length & ~1), ...end])
          let lines = 0
          for (let at = 0; at >= 0; ) {
            at = encoding.newline(src, at, src.length, 0)
            if (at < 0) break
            lines++
            at += encoding.unitBytes
          }
          const text = decoded(encoding, src)
          expect([...text].filter((char) => char === '\n')).toHaveLength(lines)
          expect(Buffer.byteLength(text)).toBeLessThanOrEqual(src.length * MAX_GROWTH)
        }),
        { numRuns: 300 },
      )
    },
  )

  test.each(all)('%s discards an incomplete character', (_, encoding) => {
    const out = Buffer.alloc(64)
    const isWide = encoding.unitBytes === 2
    const text = isWide ? Buffer.from([0x41, 0x41, 0x41]) : Buffer.from([0x41, 0x81])
    encoding.decodeCut(text, 0, text.length, out)
    const size = encoding.decode(Buffer.from([0x42, 0x42]), 0, 2, out)
    expect(out.toString('utf8', 0, size)).toBe(isWide ? '\u4242' : 'BB')
  })

  test('finds newlines of UTF-16 only at even offsets of the file', () => {
    const le = new TextEncoding('utf-16le')
    const src = Buffer.from('0a4e0a00004e0a000a', 'hex')
    expect([le.newline(src, 0, 9, 0), le.newline(src, 4, 9, 0), le.newline(src, 0, 3, 0)]).toEqual([2, 6, -1])
    expect(le.newline(src, 0, 9, 1)).toBe(-1)
    const be = new TextEncoding('utf-16be')
    expect(be.newline(Buffer.from('4e0a0a00000a', 'hex'), 0, 6, 0)).toBe(4)
    expect(be.newline(Buffer.from('4e00000a', 'hex'), 0, 4, 1)).toBe(-1)
  })
})

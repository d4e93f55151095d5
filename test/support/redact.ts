/** A slow reference of the filter redact: each kind is an expression that is tried at every character. */

interface Range {
  start: number
  end: number
}

const CARD_FORMS = ['\\d{13,19}', ...['4444', '44443', '465', '464', '4441'].map(groups)]

function groups(shape: string): string {
  return ['( )', '(-)']
    .map((separator) => [...shape].map((n) => `\\d{${n}}`).join(separator.slice(1, -1)))
    .map((text) => `(?:${text})`)
    .join('|')
}
const CARDS = CARD_FORMS.map(
  (form) => new RegExp(`(?<![A-Za-z0-9])(?<!\\d[.-])(?:${form})(?![A-Za-z0-9])(?![.-]\\d)`, 'y'),
)
const ISSUER =
  /^(?:4|5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720|3[47]|30[0-5]|3095|36|3[89]|6011|64[4-9]|65|62|81[0-6]|817[01]|352[89]|35[3-8]|220[0-4]|50(?:18|20|38)|5893|6304|6759|676[1-3]|9792|508[5-9]|6069|60[78])/

function isCard(text: string): boolean {
  const digits = text.replace(/\D/g, '')
  const sum = [...digits]
    .reverse()
    .map(Number)
    .reduce((total, digit, i) => total + (i % 2 === 0 ? digit : digit > 4 ? digit * 2 - 9 : digit * 2), 0)
  return ISSUER.test(digits) && hasLength(digits) && sum % 10 === 0
}

function hasLength(digits: string): boolean {
  const n = digits.length
  if (/^4/.test(digits)) return [13, 16, 19].includes(n)
  if (/^3[47]/.test(digits)) return n === 15
  if (/^36/.test(digits)) return n >= 14
  if (/^3[089]/.test(digits)) return n === 14 || n === 16
  if (/^(?:5[1-5]|222[1-9]|22[3-9]|2[3-6]|27|9|508[5-9]|6069|60[78])/.test(digits)) return n === 16
  if (/^(?:50(?:18|20|38)|5893|6304|6759|676[1-3])/.test(digits)) return n >= 13
  return n >= 16
}

const COUNTRIES: Record<string, number> = { DE: 22, GB: 22, NO: 15, FR: 27, MT: 31 }
const IBAN_FORMS = Object.entries(COUNTRIES).map(([country, length]) => {
  const rest = Array.from({ length: length - 4 }, (_, i) => (i % 4 === 0 ? '[ -]?[A-Z0-9]' : '[A-Z0-9]'))
  return new RegExp(`(?<![A-Za-z0-9])${country}\\d\\d${rest.join('')}(?![A-Za-z0-9])`, 'y')
})

function isIban(text: string): boolean {
  const chars = text.replace(/[ -]/g, '')
  const moved = chars.slice(4) + chars.slice(0, 4)
  return BigInt(moved.replace(/[A-Z]/g, (c) => String(c.charCodeAt(0) - 55))) % 97n === 1n
}

const EMAIL = /[A-Za-z0-9_%+][A-Za-z0-9._%+-]{0,63}(?<!\.)@(?!-)(?:[A-Za-z0-9\x80-\xff-]+\.)+[A-Za-z]{2,}/y
const isEmail = (text: string): boolean =>
  !/\.(?:service|socket|timer|target|mount|automount|slice|scope|path|device|swap)$/.test(text)

const JWT =
  /(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{7,}(?:\.eyJ[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]*){0,3}|(?:\.[A-Za-z0-9_-]*){2,4})/y
const KEYS = [
  /(?<![A-Za-z0-9])(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])/y,
  /(?<![A-Za-z0-9])gh[pousr]_[A-Za-z0-9]{36,}/y,
  /(?<![A-Za-z0-9])(?:github_pat_[\w-]{22,}|glpat-[\w-]{20,}|xox[bapres]-[\w-]{10,})/y,
  /(?<![A-Za-z0-9])(?:[sr]k_(?:live|test)_[A-Za-z0-9]{16,}|sk-(?:proj|ant)-[\w-]{20,})/y,
  /-----BEGIN [A-Z ]*PRIVATE KEY-----(?:[\s\S]*?-----END [\s\S]*?-----|[\s\S]*)/y,
]
const PASSWORD =
  /(?:password|passwd|passphrase)\\?["']? {0,3}[=:][=>]?[ \t]{0,64}((?=\\["'])\\"(?:(?!\\?")[\s\S])*|"(?:\\[\s\S]|[^"\\])*|(?:[^\s,;&"'`)}\]<>|\\{[\0][^\s,;&"'`)}\]<>|\\\0]*)?)/iy

/** The sources of the line `passwd:` in nsswitch.conf. */
const SOURCE = /^\\?["']?(?:compat|files|sss|systemd|ldap|nis|nisplus|db|winbind)$/

interface Form {
  forms: RegExp[]
  /** Judges the value of a match, given all of it. */
  is?: (text: string, all: string) => boolean
  group?: number
}

const FORMS: Record<string, Form> = {
  card: { forms: CARDS, is: isCard },
  iban: { forms: IBAN_FORMS, is: isIban },
  email: { forms: [EMAIL], is: isEmail },
  jwt: { forms: [JWT] },
  key: { forms: KEYS },
  password: {
    forms: [PASSWORD],
    group: 1,
    is: (text, all) =>
      !/^\\?"?$/.test(text) &&
      !(/^passwd/i.test(all) && SOURCE.test(text)) &&
      !/^\\?["']?(?:null|nil|none|true|false|undefined|\(null\)|\*.*)$/i.test(text),
  },
}

/** Returns the secrets of a kind in a text of latin1; those that overlap are included, but for passwords. */
export function referenceHits(text: string, kind: string): Range[] {
  const { forms, is = () => true, group = 0 } = FORMS[kind] as Form
  const found: Range[] = []
  for (let at = 0; at < text.length; at++)
    for (const form of forms) {
      form.lastIndex = at
      const match = form.exec(text)
      const value = match?.[group]
      if (match === null || value === undefined || !is(value, match[0])) continue
      const end = at + match[0].length
      const marks = group === 0 ? 0 : (/^\\?["']/.exec(value)?.[0].length ?? 0)
      found.push({ start: end - value.length + marks, end })
      // What is within a password that was found, and a name whose quotation marks are those around it, is none by itself.
      if (kind === 'password') at = end - 1
      break
    }
  return found
}

export const REFERENCE_KINDS = Object.keys(FORMS)

/** Pieces of texts that are secrets, almost secrets, and what stands around them. */
export const PIECES = [
  '4111111111111111',
  '4111 1111 1111 1111',
  '4111-1111-1111-1111',
  '378282246310005',
  '3782 822463 10005',
  '4222222222222',
  '4111111111111112',
  '1795240800123',
  '4111 ',
  '1111 ',
  'DE89370400440532013000',
  'DE89 3704 0044 0532 0130 00',
  'NO9386011117947',
  'MT84MALT011000012345MTLCAST001S',
  'DE88370400440532013000',
  'GB82',
  'joe@example.com',
  'a.b-c+d@x-y.co.uk',
  'joe@host',
  '@',
  '.',
  'x@y.service',
  'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln',
  'eyJhbGciOiJIUzI1NiJ9',
  '.eyJ',
  `AKIA${'IOSFODNN7EXAMPLE'}`,
  `ghp_${'a1B2'.repeat(9)}`,
  `xoxb-${'123456789012'}`,
  `sk_live_${'4eC39HqLyjWDarjt'}`,
  '-----BEGIN RSA PRIVATE KEY-----',
  '-----END RSA PRIVATE KEY-----',
  'password=',
  '"passwd":"',
  'Passphrase: ',
  '\\"password\\":\\"',
  'hunter2',
  'null',
  ' ',
  '-',
  '"',
  '\\"',
  ',',
  '\n',
  'é',
  'x',
  '7',
  'Z',
  '=',
  ':',
  '_',
  '/',
] as const

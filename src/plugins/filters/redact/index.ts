import { defineFilter } from '../../../core/plugin.ts'
import { FAILED_RECORDS } from '../../../lib/plugin/failed-records.ts'
import { regexCounter } from '../../../lib/regex/counters.ts'
import { REDACT_OPTIONS } from './options.ts'
import { Redact } from './redact.ts'

const DESCRIPTION = `Finds secrets in the texts of a record, wherever they are: nested maps, lists, keys, metadata, and bytes (bin) too.

| Kind | what is found |
|---|---|
| \`card\` | numbers of 13 to 19 digits of a known issuer with the right check digit (Luhn), in one run or in groups as on cards (\`4111 1111 1111 1111\`), also as an integer, which becomes text; a hyphen with up to four digits, or \`.00\`, may be beside one run |
| \`iban\` | upper-case IBANs, in one piece or in groups of four, with the length of their country and the right check digits |
| \`email\` | addresses with a domain, or an IP address in brackets; not names of systemd’s units (\`getty@tty1.service\`), of files (\`logo@2x.png\`), nor \`git@host:path\` |
| \`jwt\` | JSON Web Tokens, signed or encrypted |
| \`key\` | AWS access key ids, tokens of GitHub, GitLab, Slack, Stripe, OpenAI, Anthropic and Google, \`sk-\` with 32 letters and digits, blocks of private keys, all of the credential after \`Authorization:\` and its scheme, the token after \`Bearer\` (of 16 characters with a digit, or 20 in upper and lower case), the password in a URL |
| \`password\` | the value of \`password\`, \`passwd\`, \`passphrase\`, \`pwd\`; and if it has eight characters with a digit, of \`secret\`, \`token\`, \`api_key\`, \`access_key\`, \`secret_key\`, \`private_key\`, \`account_key\`: in a text \`name=value\`, \`name: value\` or \`"name":"value"\`, or as a key with its value; the name may have a prefix (\`db_password\`). A name holds for all numbers and texts in a list or map under it |
| \`ipv4\`, \`ipv6\` | addresses; not among the default |

\`\`\`
[FILTER]
    Name      redact
    Match     *
    Kind      card,iban,email,jwt,key,password
    Pattern   order \\bORD-\\d{8}\\b
\`\`\`

\`{"msg":"mail to joe@example.com failed","db_password":"hunter2"}\` becomes
\`{"msg":"mail to [REDACTED:email] failed","db_password":"[REDACTED:password]"}\`.

**Lists and maps.** What is under a name of a secret is replaced value by value in a record: \`{"password":{"value":"x"}}\` becomes
\`{"password":{"value":"[REDACTED:password]"}}\`. Within a text all from the first value to the last one becomes one replacement, which mostly
leaves JSON intact; the first one must be within 256 bytes. A nested key ending with \`name\` (\`secretName\`) is not replaced for the names that need
a digit.

**Authorization.** In a quoted value or the value of a key, all after the scheme is replaced, whatever the scheme. In a line without quotation marks it
is the word after it, with the parameters that follow a comma (\`Digest\`, \`AWS4-HMAC-SHA256\`); a scheme that is not well known needs a word of eight
characters with a digit after it there. In a list, the item after one that is only a well-known scheme (\`["Basic","dXNl..."]\`) is the credential.

**Line breaks.** A value may be on the line after its name, or after line breaks that are escaped once (\`\\n\`), if it is indented, or if name and value
are in quotation marks as in JSON: at most 64 blanks and line breaks are between them. A word at the beginning of a line is not the value of the line
before it, nor is one that ends with a colon, or the \`at\` of a stack trace.

**Pseudonyms.** With Action hash, equal values get equal pseudonyms, so that they can still be counted and joined: \`[email#3c1f...]\`. A
card number or IBAN has the same one with and without separators, an address in upper and lower case, and a number however it
is encoded. Hash_Key_File must be a regular file of at most 64 KiB; a check of the configuration looks at it, too. \`migrate\` writes Hash_Key as it is, as
all secrets: name a file or a variable instead. Whoever has the key can find
the number that belongs to a pseudonym by trying all.

**Patterns** are regular expressions as in a parser, matched on bytes. After a match the search
continues after it as if the text began there: \`^\` and \`\\b\` match at that place. An empty match is ignored, and does not count; on a
text of more than about 20,000 bytes an expression that matches the empty text at most places (\`z*\`) fails: write \`z+\`.

**Failing closed.** A record on which a pattern reaches Regex_Step_Limit or matches more than 10,000 times, and bytes that are no record,
are not passed on: On_Error says what becomes of them. **Dead letters have such a record as it was**, with what is secret in it.

**What is not found:** a secret that is split over several values or lines (other than a credential after its scheme in a list; the lines of a private key after its first, unless they are
one record), that is encoded (\`%40\`, \`\\u0040\`, base64; an escape before a secret does no harm), a card number with other separators, in groups with
a further hyphen and digits beside them, as a float or directly after letters (other than \`PAN\`, \`card\`, \`cc\` and \`%B\`), lower-case IBANs, addresses
with a local part that is not ASCII or in quotation marks, passwords in a URL with a slash, quotation mark or comma, a user name in a URL without a password (unless it
is a token of its own), what is in MessagePack extensions unless the name of a password is their key, the rest of a password without quotation
marks from a blank, comma, semicolon or bracket on, names in the plural (\`passwords\`) or with something after them (\`password2\`,
\`password_confirm\`), values in a nested YAML map (\`password:\` and \`value: x\` on the next line) of a text, a scheme and its credential in two keys of
a map, tokens of other issuers (\`npm_\`, \`dckr_pat_\`),
passwords without a name such as \`password=\` before them, and a source of nsswitch.conf (\`files\`, \`db\`) as the value of
\`passwd\`. In a text that contains JSON, names and values are found, even if its quotation marks are escaped once.

**What is replaced although it is no secret:** about one in thirty random numbers of 16 digits looks like a card number (one in 32 of those without a zero in front; one in sixty of 19
digits). Times in milliseconds and nanoseconds, UUIDs and hexadecimal ids do not. Other names
with an \`@\` and a dot (\`class@method.invoke\`) do, a word of eight characters with a digit after \`Invalid token:\`, and settings under the name of
a password (\`{"password":{"min_length":8}}\`).

Nothing is decoded: a chunk is searched as bytes by a WebAssembly module, and only texts with something suspicious are looked at. With
Pattern, ipv4 or ipv6 each text is, which takes about eight times as long. A record of 460 bytes without a secret takes 0.35 µs, twice as long as
with grep (\`bun bench/filters.bench.ts redact redact-pattern\`). A chunk without a secret is left as it is. If two redacted keys of a map would be equal, the second one gets \`#2\`.`

export const spec = defineFilter({
  kind: 'filter',
  name: 'redact',
  summary: 'Replaces card numbers, addresses, tokens and passwords in records, or makes pseudonyms of them.',
  description: DESCRIPTION,
  options: REDACT_OPTIONS,
  example: '[FILTER]\n    Name  redact\n    Match *\n    Kind  card,iban,email\n',
  counters: {
    redacted: {
      help: 'secrets that were replaced',
      reasons: {
        card: 'card numbers',
        iban: 'bank account numbers',
        email: 'e-mail addresses',
        jwt: 'JSON Web Tokens',
        key: 'keys, credentials and private keys',
        password: 'values of names of secrets',
        ipv4: 'IPv4 addresses',
        ipv6: 'IPv6 addresses',
        pattern: 'matches of Pattern',
      },
    },
    ...FAILED_RECORDS,
    ...regexCounter('redact'),
  },
  keepsPlaces: () => true,
  create: (options, ctx) => new Redact(options, ctx),
})

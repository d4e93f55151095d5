import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../bootstrap.mjs'
import type { Package } from './bundled.ts'
import { LINKED, revisionOf } from './linked.ts'

const LINE = '-'.repeat(80)
const OPERATORS = /\s+(?:AND|OR)\s+|\s+WITH\s+\S+/
const TEXTS = 'node_modules/spdx-license-list/licenses'

/** Makes THIRD-PARTY-LICENSES: the third-party parts of the binary, their owners and the license texts. */
export function thirdPartyLicences(packages: Package[], bun: string): string {
  const ids = [...new Set(['MIT', ...LINKED.flatMap(({ licence }) => idsOf(licence))])].sort()
  const parts = [
    `This program contains the packages and the runtime below. Its own licence is in LICENSE.\n`,
    ...packages.map((each) => `${heading(`${each.name} ${each.version}`, each.licence)}\n${textOf(each)}`),
    `${heading(`bun ${bun}, the runtime`, 'MIT')}
The source and the full list of what bun contains: https://github.com/oven-sh/bun, LICENSE.md. It links statically,
under the licences whose texts follow:

${LINKED.map((each) => `  ${each.name.padEnd(16)} ${each.licence.padEnd(32)} ${revisionOf(each) ?? ''}`.trimEnd()).join('\n')}

WebKit and tinycc are under the LGPL: you may change them and link the program anew. Their sources are at
https://github.com/oven-sh/webkit and https://github.com/tinycc/tinycc; bun's LICENSE.md says how to build bun with
them, and this program's docs/RELEASE.md how to build the program with that bun.
`,
    ...ids.map((id) => `${heading(id, 'text of the licence')}\n${standardText(id)}`),
  ]
  return parts.join('\n')
}

/** Returns the SPDX ids of an expression: `MIT AND Zlib` has two; an exception has no text of its own in the list. */
export function idsOf(expression: string): string[] {
  return expression.split(OPERATORS).filter((id) => id !== '')
}

function heading(name: string, licence: string): string {
  return `${LINE}\n${name} (${licence})\n${LINE}\n`
}

function textOf({ name, licence, texts }: Package): string {
  if (texts.length > 0) return texts.join('\n')
  return `${name} comes without the text of its licence. The usual one:\n\n${idsOf(licence).map(standardText).join('\n')}`
}

function standardText(id: string): string {
  const { licenseText } = JSON.parse(readFileSync(join(ROOT, TEXTS, `${id}.json`), 'utf8')) as {
    licenseText: string
  }
  return `${licenseText.trim()}\n`
}

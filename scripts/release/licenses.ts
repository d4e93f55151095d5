import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../bootstrap.mjs'
import type { Package } from './bundled.ts'
import { LINKED, revisionOf } from './linked.ts'

const LINE = '-'.repeat(80)
const OPERATORS = /\s+(?:AND|OR)\s+|\s+WITH\s+\S+/
const TEXTS = 'node_modules/spdx-license-list/licenses'

/** Returns THIRD-PARTY-LICENSES: the packages and libraries in the binary, with their licenses. */
export function thirdPartyLicenses(packages: Package[], bun: string): string {
  const ids = [...new Set(['MIT', ...LINKED.flatMap(({ license }) => idsOf(license))])].sort()
  const parts = [
    `This program contains the packages and the runtime below. Its own license is in LICENSE.\n`,
    ...packages.map((each) => `${heading(`${each.name} ${each.version}`, each.license)}\n${textOf(each)}`),
    `${heading('Lua 5.1, in the WebAssembly module of wasmoon-lua5.1', 'MIT')}
Copyright (C) 1994-2012 Lua.org, PUC-Rio. The text of the license follows below.
`,
    `${heading(`bun ${bun}, the runtime`, 'MIT')}
The source of bun and the complete list of what it contains are at https://github.com/oven-sh/bun, see LICENSE.md. It
links these libraries statically, under the licenses whose texts follow:

${LINKED.map((each) => `  ${each.name.padEnd(16)} ${each.license.padEnd(32)} ${revisionOf(each) ?? ''}`.trimEnd()).join('\n')}

WebKit and tinycc are under the LGPL: you may change them and link the program again. Their sources are at
https://github.com/oven-sh/webkit and https://github.com/tinycc/tinycc; LICENSE.md of bun describes how to build bun
with them, and docs/RELEASE.md of this program how to build the program with that bun.
`,
    ...ids.map((id) => `${heading(id, 'text of the license')}\n${standardText(id)}`),
  ]
  return parts.join('\n')
}

/** Returns the ids of a license expression: two for `MIT AND Zlib`. Exceptions are left out, because they have no text. */
export function idsOf(expression: string): string[] {
  return expression.split(OPERATORS).filter((id) => id !== '')
}

function heading(name: string, license: string): string {
  return `${LINE}\n${name} (${license})\n${LINE}\n`
}

function textOf({ name, license, texts }: Package): string {
  if (texts.length > 0) return texts.join('\n')
  return `${name} does not include the text of its license. The standard text:\n\n${idsOf(license).map(standardText).join('\n')}`
}

function standardText(id: string): string {
  const { licenseText } = JSON.parse(readFileSync(join(ROOT, TEXTS, `${id}.json`), 'utf8')) as {
    licenseText: string
  }
  return `${licenseText.trim()}\n`
}

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Metafile } from '../build.ts'

/** An npm package whose code is in the binary. */
export interface Package {
  name: string
  version: string
  /** SPDX id or expression. */
  license: string
  /** npm's `sha512-BASE64` of the installed package. */
  integrity: string
  /** Bundled packages that it depends on, as `name@version`, because two versions of a package may be bundled. */
  needs: string[]
  /** Contents of its license files. */
  texts: string[]
}

interface Locked {
  version: string
  license?: string
  integrity?: string
  dependencies?: Record<string, string>
}

const PACKAGE_DIRECTORY = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//
const LICENSE_FILE = /^(?:licen[sc]e|copying|notice)\b/i

/** Returns the directories of the packages with bytes in the output, without those that are imported but not used. */
export function bundledDirectories({ outputs }: Metafile): string[] {
  const inputs = Object.values(outputs).flatMap((output) => Object.entries(output.inputs))
  const used = inputs.filter(([, { bytesInOutput }]) => bytesInOutput > 0)
  return [...new Set(used.flatMap(([path]) => PACKAGE_DIRECTORY.exec(path)?.[1] ?? []))].sort()
}

/** Returns the packages in these directories as described by package-lock.json and the packages themselves. */
export function describe(root: string, directories: string[]): Package[] {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, Locked>
  }
  const resolve = (directory: string, name: string): string[] => {
    const found = candidatesFor(directory, name).find((path) => path in lock.packages)
    const version = found === undefined ? undefined : lock.packages[found]?.version
    return version !== undefined && directories.includes(found ?? '') ? [`${name}@${version}`] : []
  }
  return directories.map((directory) => {
    const entry = lock.packages[directory]
    if (entry?.integrity === undefined)
      throw new Error(`${directory} is in the binary but not in package-lock.json`)
    const { version, integrity, dependencies = {} } = entry
    const needs = Object.keys(dependencies).flatMap((name) => resolve(directory, name))
    const license = entry.license ?? licenseOf(join(root, directory))
    return {
      name: nameOf(directory),
      version,
      license,
      integrity,
      needs,
      texts: licenseTexts(join(root, directory)),
    }
  })
}

/** Returns the packages that the program itself imports, as `name@version`. */
export function directOf(root: string, packages: Package[]): string[] {
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>
  }
  return packages.flatMap(({ name, version }) => (dependencies[name] === version ? `${name}@${version}` : []))
}

/** Returns where node looks for a package that `directory` imports, the nearest first. */
function candidatesFor(directory: string, name: string): string[] {
  const parents = directory
    .split('/node_modules/')
    .map((_, at, parts) => parts.slice(0, at + 1).join('/node_modules/'))
  return [...parents.map((parent) => `${parent}/node_modules/${name}`).reverse(), `node_modules/${name}`]
}

function nameOf(directory: string): string {
  return directory.slice(directory.lastIndexOf('node_modules/') + 'node_modules/'.length)
}

function licenseOf(directory: string): string {
  const { license } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as {
    license?: string
  }
  if (license === undefined) throw new Error(`${directory} names no license`)
  return license
}

function licenseTexts(directory: string): string[] {
  if (!existsSync(directory)) throw new Error(`${directory} is not installed`)
  const files = readdirSync(directory).filter((name) => LICENSE_FILE.test(name))
  return files.sort().map((name) => `${readFileSync(join(directory, name), 'utf8').trim()}\n`)
}

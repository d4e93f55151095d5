import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Metafile } from '../build.ts'

/** An npm package whose code is in the binary. */
export interface Package {
  name: string
  version: string
  /** SPDX id or expression. */
  licence: string
  /** Hash of the installed package in npm's form `sha512-BASE64`. */
  integrity: string
  /** Bundled packages that it depends on, as `name@version`, since a name may have two versions. */
  needs: string[]
  /** Texts of its license files. */
  texts: string[]
}

interface Locked {
  version: string
  license?: string
  integrity?: string
  dependencies?: Record<string, string>
}

const FOLDER = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//
const LICENCE_FILE = /^(?:licen[sc]e|copying|notice)\b/i

/** Returns the folders of the packages that have bytes in the output; a package that is imported but not used has none. */
export function bundledFolders({ outputs }: Metafile): string[] {
  const inputs = Object.values(outputs).flatMap((output) => Object.entries(output.inputs))
  const used = inputs.filter(([, { bytesInOutput }]) => bytesInOutput > 0)
  return [...new Set(used.flatMap(([path]) => FOLDER.exec(path)?.[1] ?? []))].sort()
}

/** Describes the packages by package-lock.json and their own package.json, sorted by name. */
export function describe(root: string, folders: string[]): Package[] {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, Locked>
  }
  const resolve = (folder: string, name: string): string[] => {
    const found = placesOf(folder, name).find((place) => place in lock.packages)
    const version = found === undefined ? undefined : lock.packages[found]?.version
    return version !== undefined && folders.includes(found ?? '') ? [`${name}@${version}`] : []
  }
  return folders.map((folder) => {
    const entry = lock.packages[folder]
    if (entry?.integrity === undefined)
      throw new Error(`${folder} is in the binary but not in package-lock.json`)
    const { version, integrity, dependencies = {} } = entry
    const needs = Object.keys(dependencies).flatMap((name) => resolve(folder, name))
    const licence = entry.license ?? licenceOf(join(root, folder))
    return {
      name: nameOf(folder),
      version,
      licence,
      integrity,
      needs,
      texts: licenceTexts(join(root, folder)),
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

/** Returns the folders in which node looks for a package that `folder` imports, the nearest first. */
function placesOf(folder: string, name: string): string[] {
  const parents = folder
    .split('/node_modules/')
    .map((_, at, parts) => parts.slice(0, at + 1).join('/node_modules/'))
  return [...parents.map((parent) => `${parent}/node_modules/${name}`).reverse(), `node_modules/${name}`]
}

function nameOf(folder: string): string {
  return folder.slice(folder.lastIndexOf('node_modules/') + 'node_modules/'.length)
}

function licenceOf(folder: string): string {
  const { license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { license?: string }
  if (license === undefined) throw new Error(`${folder} names no licence`)
  return license
}

function licenceTexts(folder: string): string[] {
  if (!existsSync(folder)) throw new Error(`${folder} is not installed`)
  const files = readdirSync(folder).filter((name) => LICENCE_FILE.test(name))
  return files.sort().map((name) => `${readFileSync(join(folder, name), 'utf8').trim()}\n`)
}

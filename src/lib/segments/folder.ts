import { join } from 'node:path'
import type { Logger } from '../../core/services.ts'
import { entriesIn, FsFailure, namesIn } from '../fs/file-system.ts'
import { countText } from '../text/duration.ts'
import { MAX_SEGMENT } from './bytes.ts'
import { bufferError } from './failure.ts'
import { STATE_SUFFIX } from './state-file.ts'

const SEGMENT_NAME = /^(\d{20})\.seg(\.damaged)?$/
/** What the agent keeps beside a log: the lock with its journal, places of outputs, dead letters, and pods of filters. */
const OTHER_NAMES = /^(?:buffer|dead-letters)\.|\.pods(?:\.new)?$/
/** Number of folders that are searched for chunks of fluent-bit, and of names in a log line. */
const MAX_FOLDERS = 100
const MAX_NAMED = 3

/** What is in the folder of a log. */
export interface FolderContent {
  /** Numbers of the segments, in ascending order. */
  numbers: number[]
  /** Numbers of damaged segments that were set aside, and numbers whose name something other than a file has. */
  setAside: Set<number>
  irregular: Set<number>
  /** Highest number of a segment, damaged ones included; 0 when there is none. */
  highest: number
  /** Names of the files with states. */
  stateFiles: string[]
}

/** Lists the folder of a log. What is not part of it is left alone and logged. */
export function listFolder(folder: string, log: Logger): FolderContent {
  const entries = entriesIn(folder)
  if (entries instanceof FsFailure) throw bufferError('list the files in', folder, entries)
  const content: FolderContent = {
    numbers: [],
    setAside: new Set(),
    irregular: new Set(),
    highest: 0,
    stateFiles: [],
  }
  const foreign: string[] = []
  const folders: string[] = []
  for (const entry of entries) {
    const { name } = entry
    const match = SEGMENT_NAME.exec(name)
    const number = Number(match?.[1])
    if (match !== null && number > 0 && number < MAX_SEGMENT) {
      content.highest = Math.max(content.highest, number)
      if (match[2] !== undefined) content.setAside.add(number)
      else if (entry.isFile()) content.numbers.push(number)
      else {
        content.irregular.add(number)
        foreign.push(name)
      }
    } else if (name.endsWith(STATE_SUFFIX) && entry.isFile()) content.stateFiles.push(name)
    else if (entry.isDirectory()) folders.push(name)
    else if (!OTHER_NAMES.test(name)) foreign.push(name)
  }
  content.numbers.sort((a, b) => a - b)
  warnOfOthers(folder, foreign, folders, log)
  return content
}

function warnOfOthers(
  folder: string,
  foreign: readonly string[],
  folders: readonly string[],
  log: Logger,
): void {
  const ofPeer = new Map<string, number>()
  for (const name of folders.slice(0, MAX_FOLDERS)) {
    const names = namesIn(join(folder, name))
    const chunks = names instanceof FsFailure ? 0 : names.filter((each) => each.endsWith('.flb')).length
    if (chunks > 0) ofPeer.set(name, chunks)
  }
  const chunks = [...ofPeer.values()].reduce((sum, count) => sum + count, 0)
  if (chunks > 0) {
    const count = chunks === 1 ? '1 chunk' : `${countText(chunks)} chunks`
    log.warn(
      `the buffer ${folder} has ${count} of fluent-bit (${named([...ofPeer.keys()])}), which ${chunks === 1 ? 'is' : 'are'} not read: run fluent-bit with this storage.path until it has sent ${chunks === 1 ? 'it' : 'them'}`,
    )
  }
  const others = [...foreign, ...folders.filter((name) => !ofPeer.has(name))]
  if (others.length > 0) log.warn(`the buffer ${folder} has files that are not part of it: ${named(others)}`)
}

function named(names: readonly string[]): string {
  const more = names.length - MAX_NAMED
  return `${names.slice(0, MAX_NAMED).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

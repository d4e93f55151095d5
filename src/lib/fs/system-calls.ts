import {
  closeSync,
  fstatSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  realpathSync,
  statfsSync,
  statSync,
  watch,
  writeSync,
} from 'node:fs'
import { readdir } from 'node:fs/promises'

/** The calls that `file-system.ts` makes; a test replaces one to return any error from it. */
export const systemCalls = {
  closeSync,
  fstatSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdir,
  readdirSync,
  readlinkSync,
  readSync,
  realpathSync,
  statfsSync,
  statSync,
  watch,
  writeSync,
}

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

/** System calls that `file-system.ts` makes. Tests replace one to return an error. */
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

import { afterAll, beforeAll } from 'bun:test'

const VARIABLES = {
  AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
  AWS_SECRET_ACCESS_KEY: 'secret-of-the-tests',
  AWS_EC2_METADATA_DISABLED: 'true',
  AWS_SESSION_TOKEN: undefined,
  HTTP_PROXY: undefined,
  HTTPS_PROXY: undefined,
  http_proxy: undefined,
  https_proxy: undefined,
}

/** Sets the environment of a file of tests whose outputs sign their requests. */
export function useAwsEnvironment(): void {
  const before: Record<string, string | undefined> = {}
  const set = (values: Record<string, string | undefined>): void => {
    for (const [name, value] of Object.entries(values))
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
  }
  beforeAll(() => {
    for (const name of Object.keys(VARIABLES)) before[name] = process.env[name]
    set(VARIABLES)
  })
  afterAll(() => set(before))
}

import fc from 'fast-check'

/**
 * Properties are tried as often as a test says, but no longer than this: a machine with much else to do tries fewer
 * cases, where each would else have to be done within the limit of its test.
 */
const LIMIT_MS = 3000

fc.configureGlobal({ interruptAfterTimeLimit: LIMIT_MS })

export { fc }

/**
 * A module that a test loads into the real binary, which runs modules named in BUN_OPTIONS: on SIGUSR2 it makes the fault
 * that the variable FAULT names. The unit and the installer remove BUN_OPTIONS.
 */
const [kind, ms = '0'] = (process.env.FAULT ?? '').split(' ')

const FAULTS: Record<string, () => void> = {
  throw: () => {
    throw new RangeError('injected', { cause: new TypeError('its cause') })
  },
  reject: () => void Promise.reject(new RangeError('injected', { cause: new TypeError('its cause') })),
  value: () => {
    throw 'injected, not an error'
  },
  block: () => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(ms))
  },
}

const fault = FAULTS[kind ?? '']
if (kind === 'start') setTimeout(() => FAULTS.throw?.(), 0)
else if (fault !== undefined) process.on('SIGUSR2', fault)

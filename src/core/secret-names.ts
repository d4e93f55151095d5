const SECRET =
  /passw|passphrase|secret|token|credential|authorization|cookie|(shared|private|api|access|hash|sec|license)_?key|aws_key_id|external_id/
const SECRET_WORD = /(?:^|_)(?:pass|pwd|auth)$/
/** Names such as `kube_token_file`, which refer to the location of a secret, not to the secret. */
const LOCATION = /_(file|path|dir|name|url|endpoint|count)$/
const CAMEL = /([a-z0-9])([A-Z])/g
const DASH = /[-.]/g

/**
 * Returns true when an option or field of this name holds a secret. Option tables mark their own (`secret`); this is for
 * names that no table has: fields of log lines, and options that are passed on to a library.
 */
export function isSecretName(key: string): boolean {
  const name = wordsOf(key)
  return (SECRET.test(name) || SECRET_WORD.test(name)) && !LOCATION.test(name)
}

function wordsOf(key: string): string {
  return key.replace(CAMEL, '$1_$2').replace(DASH, '_').toLowerCase()
}

/** Returns true when one of the keys of an accessor such as `$a['token']` or of a path such as `a.token` is secret. */
export function isSecretPath(path: string): boolean {
  return path.split(PATH_SIGN).some((key) => key !== '' && isSecretName(key))
}

const PATH_SIGN = /[$.[\]'"]/

/** Words of secret names, with the least length of a word that may be one of them with a letter missing or too many. */
const WORDS = ['password', 'passwd', 'passphrase', 'secret', 'token', 'credential', 'credentials']
const MIN_MISSPELT_CHARS = 4

/** Returns true for a secret name, also a misspelt one: for names that no table has and nobody understands. */
export function mayBeSecretName(key: string): boolean {
  if (isSecretName(key)) return true
  const words = wordsOf(key).split('_')
  return words.some(
    (word) => word.length >= MIN_MISSPELT_CHARS && WORDS.some((secret) => differByOne(word, secret)),
  )
}

/** Returns true when two words differ by one letter: removed, inserted, replaced, or swapped with the next one. */
function differByOne(a: string, b: string): boolean {
  if (Math.abs(a.length - b.length) > 1) return false
  let at = 0
  while (at < a.length && a[at] === b[at]) at++
  const [restOfA, restOfB] = [a.slice(at), b.slice(at)]
  if (a.length !== b.length) return restOfA.slice(1) === restOfB || restOfA === restOfB.slice(1)
  if (restOfA.slice(1) === restOfB.slice(1)) return true
  return restOfA[0] === restOfB[1] && restOfA[1] === restOfB[0] && restOfA.slice(2) === restOfB.slice(2)
}

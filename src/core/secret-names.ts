const SECRET =
  /passw|passphrase|secret|token|credential|authorization|cookie|(shared|private|api|access)_?key/
const SECRET_WORD = /^pass$|_pass$|_pwd$|^pwd$/
/** Names such as `kube_token_file`, which refer to the location of a secret, not to the secret. */
const LOCATION = /_(file|path|dir|name|url|endpoint|count)$/
const CAMEL = /([a-z0-9])([A-Z])/g
const DASH = /[-.]/g

/**
 * Returns true when an option or field of this name holds a secret. Option tables mark their own (`secret`); this is for
 * names that no table has: fields of log lines, and options that are passed on to a library.
 */
export function isSecretName(key: string): boolean {
  const name = key.replace(CAMEL, '$1_$2').replace(DASH, '_').toLowerCase()
  return (SECRET.test(name) || SECRET_WORD.test(name)) && !LOCATION.test(name)
}

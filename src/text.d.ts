/** Files that the bundler includes in the program as text: `with { type: 'text' }`. */
declare module '*.yaml' {
  const text: string
  export default text
}
declare module '*.conf' {
  const text: string
  export default text
}

/** Files that the bundler puts into the program as text: `with { type: 'text' }`. */
declare module '*.yaml' {
  const text: string
  export default text
}
declare module '*.conf' {
  const text: string
  export default text
}

/** Files that the bundler includes in the program as text: `with { type: 'text' }`. */
declare module '*.yaml' {
  const text: string
  export default text
}
declare module '*.conf' {
  const text: string
  export default text
}
/** Path of a file that the bundler embeds in the program, or `data:...;base64,` with its content in the variant with node. */
declare module '*.wasm' {
  const place: string
  export default place
}

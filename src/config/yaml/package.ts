/** What of the package `yaml` is used. */
export {
  Composer,
  Document,
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  Pair,
  type ParsedNode,
  Parser,
  Scalar,
  YAMLMap,
  YAMLSeq,
} from 'yaml'

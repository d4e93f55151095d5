import type { BulkOptions } from './options.ts'

/** Parts of an operation that are equal for all records: `{"create":{"_index":` NAME `,"_type":"T"` [`,"_id":` ID] `}}` LF ... */
interface ActionText {
  /** Before the name of the index. */
  readonly before: string
  /** Member with the type, or empty. */
  readonly type: string
  /** Text before and after the object of the document. */
  readonly open: string
  readonly close: string
}

/** Returns true when operations name the type of their documents. */
function sendsType({ type, suppressTypeName }: BulkOptions): boolean {
  return suppressTypeName === undefined ? type !== undefined : !suppressTypeName
}

export function actionText(options: BulkOptions): ActionText {
  const { writeOperation, type } = options
  const isUpdate = writeOperation === 'update' || writeOperation === 'upsert'
  const hasType = sendsType(options)
  return {
    before: `{"${isUpdate ? 'update' : writeOperation}":{"_index":`,
    type: hasType ? `,"_type":${JSON.stringify(type ?? '_doc')}` : '',
    open: !isUpdate ? '' : writeOperation === 'update' ? '{"doc":' : '{"doc_as_upsert":true,"doc":',
    close: isUpdate ? '}\n' : '\n',
  }
}

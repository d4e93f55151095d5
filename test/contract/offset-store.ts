import type { OffsetCase } from './offset-store/bench.ts'
import { cursors } from './offset-store/cursor.ts'
import { damage } from './offset-store/damage.ts'
import { withFluentBit } from './offset-store/fluent-bit.ts'
import { keeping } from './offset-store/keeping.ts'
import { sharing } from './offset-store/sharing.ts'

export const offsetStoreCases: OffsetCase[] = [
  ...keeping,
  ...sharing,
  ...withFluentBit,
  ...cursors,
  ...damage,
]

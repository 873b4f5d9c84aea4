import { Type } from 'typebox'
import { milestones } from './fold.ts'

export const exact = { additionalProperties: false }
export const Id = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })
export const Instant = Type.String({ pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}(\\.\\d{1,6})?(Z|[+-]\\d{2}:\\d{2})$' })
export const FactId = Type.String({ pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' })
export const State = Type.Enum([...milestones])
export const Milestone = Type.Union([State, Type.Null()])
export const Source = Type.String({ pattern: '^[a-z0-9][a-z0-9._-]{0,31}$' })
export const SourceId = Type.String({ minLength: 1, maxLength: 64 })
export const Carrier = Type.String({ pattern: '^[a-z0-9][a-z0-9._-]{0,31}$' })
export const NumberOf = Type.String({ pattern: '^[!-~][ -~]{0,63}$' })
export const OrderRef = Type.String({ minLength: 1, maxLength: 64 })
export const ReferenceOf = Type.Object({ carrier: Carrier, number: NumberOf }, exact)

import { Type } from 'typebox'

export const exact = { additionalProperties: false }
export const Id = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })
export const Code = Type.String({ pattern: '^[\\w.-]{1,32}$' })
export const LocalDate = Type.String({ pattern: '^\\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])$' })
export const LocalTime = Type.String({ pattern: '^([01]\\d|2[0-3]):[0-5]\\d$' })
export const GoodsType = Type.Enum(['dry', 'frozen', 'mixed'])
export const Address = {
  lat: Type.Optional(Type.Number({ minimum: -90, maximum: 90 })),
  lng: Type.Optional(Type.Number({ minimum: -180, maximum: 180 })),
  postcode: Type.Optional(Type.String({ minLength: 1, maxLength: 16 })),
}

export const Failed = Type.Object({ code: Type.String(), detail: Type.String(), field: Type.Optional(Type.String()) }, exact)

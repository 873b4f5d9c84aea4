import { type Static, Type } from 'typebox'
import { paymentPlan } from '#payments'

/** Largest amount of one line or total, minor units; sums of 25,000 lines of it stay exact. */
export const amount = (about: string) =>
  Type.Integer({ minimum: 0, maximum: 100_000_000_000, description: `${about}, minor units of the order's currency` })
export const text = (about: string, most = 200) => Type.String({ minLength: 1, maxLength: most, description: about })
const currency = Type.String({ pattern: '^[A-Z]{3}$', description: 'ISO 4217 code, such as CAD' })
export const closed = { additionalProperties: false }

export const destination = Type.Object(
  {
    name: text('who receives it'),
    line1: text('street and number'),
    city: text('city', 100),
    postcode: text('postcode', 16),
    country: Type.String({ pattern: '^[A-Z]{2}$', description: 'ISO 3166-1 alpha-2 code' }),
    lat: Type.Optional(Type.Number({ minimum: -90, maximum: 90, description: 'degrees, WGS 84' })),
    lng: Type.Optional(Type.Number({ minimum: -180, maximum: 180, description: 'degrees, WGS 84' })),
  },
  closed,
)

export const slot = Type.Object(
  {
    date: Type.String({ pattern: '^\\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])$', description: 'local date of the zone, YYYY-MM-DD' }),
    code: text('slot of the zone, such as AM', 16),
  },
  closed,
)

export const newItem = Type.Object(
  {
    sku: text('a registered SKU', 64),
    quantity: Type.Integer({ minimum: 1, maximum: 10_000, description: 'pieces' }),
    unitPriceMinor: amount('price of one piece'),
    discountMinor: Type.Optional(amount('discount on the line')),
    taxMinor: Type.Optional(amount('tax added to the line')),
    currency: Type.Optional(currency),
  },
  closed,
)

export const placeInput = Type.Object(
  {
    storeId: text('the store whose order it is', 64),
    customerId: text('the customer, by the store’s own id', 64),
    channel: Type.Optional(text('where it was placed, such as web', 32)),
    currency,
    totalMinor: amount('what the customer agreed to pay: lines and shipping together'),
    payment: Type.Optional(paymentPlan),
    sections: Type.Array(
      Type.Object(
        {
          destination,
          slot: Type.Optional(slot),
          merchantId: Type.Optional(text('merchant or warehouse that prepares it', 64)),
          shippingMinor: Type.Optional(amount('shipping of this section')),
          payment: Type.Optional(paymentPlan),
          items: Type.Array(newItem, { minItems: 1, maxItems: 500 }),
        },
        closed,
      ),
      { minItems: 1, maxItems: 50 },
    ),
  },
  closed,
)
export type PlaceInput = Static<typeof placeInput>

const orderId = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })

export const placed = Type.Object({ orderId, number: Type.String(), state: Type.String(), totalMinor: Type.Integer() })
export type Placed = Static<typeof placed>

export const changed = Type.Object({ orderId, number: Type.String(), state: Type.String(), moneyState: Type.String() })
export type Changed = Static<typeof changed>

export const getInput = Type.Object({ order: text('order number or id', 40) }, closed)

const when = Type.String({ format: 'date-time' })
export const orNull = <T extends Parameters<typeof Type.Union>[0][number]>(type: T) => Type.Union([type, Type.Null()])

export const orderView = Type.Object({
  orderId,
  number: Type.String(),
  storeId: Type.String(),
  customerId: Type.String(),
  channel: Type.String(),
  currency,
  totalMinor: Type.Integer(),
  state: Type.String({ description: 'goods: folded from the sections' }),
  moneyState: Type.String({ description: 'money: none, partial, authorized, captured, partially_refunded, refunded, over' }),
  attention: Type.Array(Type.String()),
  placedAt: when,
  changedAt: when,
  duplicateOf: orNull(Type.Integer({ description: 'the order that was kept instead of this one' })),
  parts: Type.Array(
    Type.Object({
      part: Type.Integer({ description: 'the payment: 0 the order’s, 1–999 that of a section, from 1000 a later one' }),
      askedMinor: Type.Integer(),
      covered: Type.Boolean(),
      unknown: Type.Boolean({ description: 'the end of a charge is not known yet' }),
      authorizedMinor: Type.Integer(),
      capturedMinor: Type.Integer(),
      refundedMinor: Type.Integer(),
    }),
  ),
  holds: Type.Array(
    Type.Object({
      sectionNo: orNull(Type.Integer({ description: 'null: the whole order' })),
      owner: Type.String(),
      reason: Type.String(),
      heldAt: when,
      heldBy: Type.String(),
    }),
  ),
  claims: Type.Array(
    Type.Object({
      claimId: Type.Integer(),
      kind: Type.String(),
      state: Type.String(),
      reason: Type.String(),
      refundShipping: Type.Boolean(),
      refundedMinor: Type.Integer(),
      requestedAt: when,
      changedAt: when,
      items: Type.Array(
        Type.Object({
          itemNo: Type.Integer(),
          quantity: Type.Integer(),
          accepted: Type.Integer(),
          damaged: Type.Integer(),
          refused: Type.Integer(),
          refusedItemNo: orNull(Type.Integer()),
          newItemNo: orNull(Type.Integer()),
        }),
      ),
    }),
  ),
  sections: Type.Array(
    Type.Object({
      sectionNo: Type.Integer(),
      part: Type.Integer(),
      state: Type.String(),
      moneyState: Type.String(),
      attention: Type.Array(Type.String()),
      destination,
      slot: orNull(slot),
      merchantId: orNull(Type.String()),
      shippingMinor: Type.Integer(),
      items: Type.Array(
        Type.Object({
          itemNo: Type.Integer(),
          sku: Type.String(),
          skuType: Type.String(),
          quantity: Type.Integer(),
          unitPriceMinor: Type.Integer(),
          discountMinor: Type.Integer(),
          taxMinor: Type.Integer(),
          state: Type.String(),
          part: Type.Integer(),
          flags: Type.Array(Type.String()),
          origin: orNull(Type.Object({ itemNo: Type.Integer(), kind: orNull(Type.String({ description: 'split, exchange or reship' })) })),
        }),
      ),
    }),
  ),
})
export type OrderView = Static<typeof orderView>

const loggedChange = Type.Object({
  sequence: Type.Integer(),
  level: Type.String(),
  entity: Type.String(),
  from: orNull(Type.String()),
  to: Type.String(),
  cause: Type.String(),
  commandId: Type.String(),
  actor: Type.String(),
  occurredAt: when,
})
export type LoggedChange = Static<typeof loggedChange>

export const timelineOutput = Type.Object({ changes: Type.Array(loggedChange) })

export const explained = Type.Object({
  orderId,
  number: Type.String(),
  entities: Type.Array(
    Type.Object({
      level: Type.String({ description: 'order, money, attention, section, item or claim' }),
      entity: Type.String({ description: 'item or section number or id of a claim; empty for the order itself' }),
      state: Type.String(),
      because: Type.String({ description: 'what makes it so: the rule and the items, the sums, or the last cause' }),
      changes: Type.Array(loggedChange),
    }),
  ),
  drift: Type.Array(Type.String({ description: 'what is stored otherwise than items, payments or the log say' })),
})
export type Explained = Static<typeof explained>

export const storeInput = Type.Object(
  { storeId: text('id of the store', 64), name: text('name'), prefix: Type.String({ pattern: '^[A-Y][A-Z]{1,3}$' }), currency },
  closed,
)
export const skuInput = Type.Object(
  {
    sku: text('id of the SKU', 64),
    name: text('name'),
    skuType: Type.Union([Type.Literal('dry'), Type.Literal('frozen'), Type.Literal('mixed')]),
    weightGrams: Type.Integer({ minimum: 0, maximum: 10_000_000 }),
    volumeMl: Type.Integer({ minimum: 0, maximum: 100_000_000 }),
  },
  closed,
)
export const stored = Type.Object({ stored: Type.Literal(true) })
export type StoreInput = Static<typeof storeInput>
export type SkuInput = Static<typeof skuInput>

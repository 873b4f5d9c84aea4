import { type Static, Type } from 'typebox'
import { paymentPlan } from '#payments'
import { amount, changed, closed, destination, newItem, orNull, slot, text } from './schemas.ts'

export type { Changed } from './schemas.ts'

const order = text('order number or id', 40)
const reason = text('why, for the log', 200)
const itemNo = Type.Integer({ minimum: 1, maximum: 32_767 })
const itemNos = Type.Array(itemNo, { minItems: 1, maxItems: 500 })
const sectionNo = Type.Integer({ minimum: 1, maximum: 999 })
const pieces = Type.Integer({ minimum: 1, maximum: 10_000, description: 'pieces' })
const part = Type.Integer({
  minimum: 0,
  maximum: 32_767,
  description: 'the payment: 0 the order’s, 1–999 that of a section, from 1000 a later one',
})
const owner = text('whose hold it is; the caller’s own unless told', 64)

export const cancelInput = Type.Object(
  {
    order,
    sectionNo: Type.Optional(sectionNo),
    itemNos: Type.Optional(itemNos),
    items: Type.Optional(
      Type.Array(Type.Object({ itemNo, quantity: pieces }, closed), {
        minItems: 1,
        maxItems: 500,
        description: 'so many pieces of these rows',
      }),
    ),
    reason,
  },
  closed,
)
export type CancelInput = Static<typeof cancelInput>

export const cancelled = Type.Object({
  ...changed.properties,
  cancelled: Type.Array(Type.Integer({ description: 'rows that are cancelled now' })),
  requested: Type.Array(Type.Integer({ description: 'rows that the warehouse has to agree to first' })),
  claimIds: Type.Array(Type.Integer({ description: 'returns that were opened for what had left already; they wait for their answer' })),
})
export type Cancelled = Static<typeof cancelled>

export const answerCancelInput = Type.Object(
  { order, itemNos: Type.Optional(itemNos), consent: Type.Boolean({ description: 'false: the goods go on' }), reason },
  closed,
)
export type AnswerCancelInput = Static<typeof answerCancelInput>
export const cancelAnswered = Type.Object({ ...changed.properties, claimIds: cancelled.properties.claimIds })
export type CancelAnswered = Static<typeof cancelAnswered>

export const fillBackorderInput = Type.Object({ order, itemNos: Type.Optional(itemNos), reason }, closed)
export type FillBackorderInput = Static<typeof fillBackorderInput>

export const amendInput = Type.Object(
  {
    order,
    items: Type.Optional(
      Type.Array(
        Type.Object(
          {
            itemNo,
            quantity: Type.Integer({ minimum: 0, maximum: 10_000, description: 'pieces from now on; 0 takes the row out' }),
            discountMinor: Type.Optional(amount('discount on the whole line from now on; as it was unless told')),
            taxMinor: Type.Optional(amount('tax on the whole line from now on; follows the quantity unless told')),
          },
          closed,
        ),
        { minItems: 1, maxItems: 500 },
      ),
    ),
    add: Type.Optional(Type.Array(Type.Object({ sectionNo, ...newItem.properties }, closed), { minItems: 1, maxItems: 500 })),
    payment: Type.Optional(paymentPlan),
    part: Type.Optional(part),
    totalMinor: Type.Optional(amount('what the order asks after this, as a check; refused when it differs')),
  },
  closed,
)
export type AmendInput = Static<typeof amendInput>

export const addItemsInput = Type.Object(
  { order, sectionNo, items: Type.Array(newItem, { minItems: 1, maxItems: 500 }), payment: Type.Optional(paymentPlan) },
  closed,
)
export type AddItemsInput = Static<typeof addItemsInput>
export const itemsAdded = Type.Object({ ...changed.properties, part, itemNos: Type.Array(Type.Integer()) })
export type ItemsAdded = Static<typeof itemsAdded>

export const destinationInput = Type.Object({ order, sectionNo, destination }, closed)
export type DestinationInput = Static<typeof destinationInput>
export const slotInput = Type.Object({ order, sectionNo, slot: orNull(slot) }, closed)
export type SlotInput = Static<typeof slotInput>

export const splitSectionInput = Type.Object(
  {
    order,
    sectionNo,
    items: Type.Array(Type.Object({ itemNo, quantity: Type.Optional(pieces) }, closed), {
      minItems: 1,
      maxItems: 500,
      description: 'what moves; a whole row unless a quantity is given',
    }),
    destination: Type.Optional(destination),
    slot: Type.Optional(orNull(slot)),
    merchantId: Type.Optional(text('merchant or warehouse that prepares it', 64)),
  },
  closed,
)
export type SplitSectionInput = Static<typeof splitSectionInput>
export const sectionSplit = Type.Object({ ...changed.properties, sectionNo: Type.Integer({ description: 'the new section' }) })
export type SectionSplit = Static<typeof sectionSplit>

export const mergeSectionsInput = Type.Object(
  {
    order,
    sectionNo,
    into: sectionNo,
    takeOver: Type.Optional(Type.Boolean({ description: 'true: destination and slot of the other section hold for all' })),
  },
  closed,
)
export type MergeSectionsInput = Static<typeof mergeSectionsInput>

export const holdInput = Type.Object({ order, sectionNo: Type.Optional(sectionNo), owner: Type.Optional(owner), reason }, closed)
export type HoldInput = Static<typeof holdInput>
export const releaseInput = Type.Object(
  { order, sectionNo: Type.Optional(sectionNo), owner: Type.Optional(text('whose hold is released; all unless told', 64)), reason },
  closed,
)
export type ReleaseInput = Static<typeof releaseInput>

export const clearAttentionInput = Type.Object({ order, itemNos: Type.Optional(itemNos), reason }, closed)
export type ClearAttentionInput = Static<typeof clearAttentionInput>

export const confirmInput = Type.Object({ order, sectionNo: Type.Optional(sectionNo), itemNos: Type.Optional(itemNos) }, closed)
export type ConfirmInput = Static<typeof confirmInput>

export const reorderInput = Type.Object(
  {
    order,
    prices: Type.Optional(
      Type.Array(
        Type.Object(
          {
            sku: text('a SKU of the old order', 64),
            unitPriceMinor: amount('price of one piece'),
            taxMinor: Type.Optional(amount('tax on one piece')),
          },
          closed,
        ),
        { minItems: 1, maxItems: 500, description: 'prices of today; what is not named keeps its old one' },
      ),
    ),
    channel: Type.Optional(text('where it was placed', 32)),
    payment: Type.Optional(paymentPlan),
  },
  closed,
)
export type ReorderInput = Static<typeof reorderInput>

export const goodwillInput = Type.Object(
  {
    order,
    amountMinor: Type.Integer({ minimum: 1, maximum: 100_000_000_000, description: 'minor units of the order’s currency' }),
    part: Type.Optional(part),
    to: Type.Optional(
      Type.Enum(['means', 'wallet'], { description: 'back to the means that paid (unless told), or as credit to the wallet' }),
    ),
    reason,
  },
  closed,
)
export type GoodwillInput = Static<typeof goodwillInput>

export const mergeDuplicatesInput = Type.Object(
  {
    order: text('the order to keep, by number or id', 40),
    duplicate: text('the unpaid order to cancel, by number or id', 40),
    windowMinutes: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 10_080, description: 'how far apart they may have been placed; a day unless told' }),
    ),
  },
  closed,
)
export type MergeDuplicatesInput = Static<typeof mergeDuplicatesInput>

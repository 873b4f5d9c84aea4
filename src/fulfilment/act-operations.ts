import { Type } from 'typebox'
import { accepted, type Outcome } from '#kernel/outcome.ts'
import { command, type Operation } from '#platform/operation.ts'
import { type HoldWaybill, holdWaybills, releaseWaybills } from './hold-waybills.ts'
import { makeWaybills } from './make-waybills.ts'
import { callOffWaybills, rescheduleWaybills } from './move-waybills.ts'
import { Destination, eachAlone, exact, Id, Instant, instantOf, Kind, MovedView, Reason, Slot } from './schemas.ts'

/** What customer service and dispatchers do. Each act has a reason and may have a note; both stand in the history with the actor. */
const ofActs = {
  context: 'fulfilment',
  scopes: ['waybills:write'],
  batch: { largest: 1000, longestWaitMs: 1, largestRequest: 1000 },
  priority: 'normal',
  audited: true,
} as const

const Why = { reason: Reason, note: Type.Optional(Type.String({ minLength: 1, maxLength: 500 })) }
const whyOf = ({ reason, note }: { reason: string; note?: string }): string => (note === undefined ? reason : `${reason} (${note})`)

const create = command({
  id: 'waybills.create',
  ...ofActs,
  summary: 'Makes waybills by hand or for a system of your own; the same reference again makes nothing',
  input: Type.Object(
    {
      reference: Type.String({ minLength: 1, maxLength: 100 }),
      orderId: Id,
      orderNumber: Type.String({ minLength: 1, maxLength: 64 }),
      sectionNo: Type.Integer({ minimum: 1, maximum: 999 }),
      skuType: Type.Enum(['dry', 'frozen', 'mixed']),
      merchantId: Type.Optional(Type.Union([Type.String({ minLength: 1, maxLength: 64 }), Type.Null()])),
      purpose: Type.Optional(Type.Enum(['delivery', 'return', 'replacement'])),
      originId: Type.Optional(Type.Union([Id, Type.Null()])),
      destination: Destination,
      slot: Type.Optional(Type.Union([Slot, Type.Null()])),
      items: Type.Array(
        Type.Object(
          {
            itemNo: Type.Integer({ minimum: 1, maximum: 32_767 }),
            sku: Type.String({ minLength: 1, maxLength: 64 }),
            quantity: Type.Integer({ minimum: 1, maximum: 10_000 }),
            weightGrams: Type.Integer({ minimum: 0, maximum: 1_000_000_000 }),
            volumeMl: Type.Integer({ minimum: 0, maximum: 1_000_000_000 }),
          },
          exact,
        ),
        { minItems: 1, maxItems: 500 },
      ),
    },
    exact,
  ),
  output: Type.Object({ waybillId: Id, orderId: Id, reference: Type.String(), created: Type.Boolean() }, exact),
  http: { method: 'POST', path: '/v1/waybills', batchPath: '/v1/waybills/batch', status: 201 },
  idempotency: 'inherent',
  errors: {
    'fulfilment.named_twice': 422,
    'fulfilment.no_origin': 422,
    'fulfilment.already_carried': 409,
    'fulfilment.reference_taken': 409,
  },
  body: (context, asked) =>
    makeWaybills(
      context,
      asked.map(({ input: { merchantId, purpose = 'delivery', originId = null, slot = null, ...rest }, actor, commandId }) => ({
        ...rest,
        merchant: merchantId ?? '',
        purpose,
        originId,
        slot,
        madeBy: actor.id,
        actor: actor.id,
        commandId,
      })),
    ),
})

const cancel = command({
  id: 'waybills.cancel',
  ...ofActs,
  summary: 'Calls waybills off: before they are loaded they are cancelled, from then on they come back. Their order stays as it is',
  input: Type.Object({ waybillId: Id, ...Why }, exact),
  output: MovedView,
  http: { method: 'POST', path: '/v1/waybills/:waybillId/cancel', batchPath: '/v1/waybills/cancel/batch' },
  idempotency: 'inherent',
  errors: { 'fulfilment.unknown_waybill': 404, 'fulfilment.not_movable': 409 },
  body: (context, asked) =>
    callOffWaybills(
      context,
      asked.map(({ input, actor, commandId }) => ({ waybillId: input.waybillId, reason: whyOf(input), actor: actor.id, commandId })),
    ),
})

const reschedule = command({
  id: 'waybills.reschedule',
  ...ofActs,
  summary: 'Gives waybills another slot, until they are loaded or after a failed attempt; null takes the first free one',
  input: Type.Object({ waybillId: Id, slot: Type.Union([Slot, Type.Null()]), ...Why }, exact),
  output: MovedView,
  http: { method: 'POST', path: '/v1/waybills/:waybillId/reschedule', batchPath: '/v1/waybills/reschedule/batch' },
  // To the first free slot again is another place again.
  idempotency: 'required',
  errors: { 'fulfilment.unknown_waybill': 404, 'fulfilment.not_movable': 409 },
  body: (context, asked) =>
    rescheduleWaybills(
      context,
      asked.map(({ input, actor, commandId }) => {
        const { waybillId, slot } = input
        return { waybillId, slot, reason: whyOf(input), actor: actor.id, commandId }
      }),
    ),
})

const HeldView = Type.Object({ waybillId: Id, holds: Type.Array(Kind), changed: Type.Boolean() }, exact)

const hold = command({
  id: 'waybills.hold',
  ...ofActs,
  summary: 'Holds waybills back, or opens an exception: what its kind blocks can not be done until it is released',
  input: Type.Object(
    {
      waybillId: Id,
      kind: Type.Optional(Kind),
      owner: Type.Optional(Type.String({ minLength: 1, maxLength: 100 })),
      expiresAt: Type.Optional(Type.Union([Instant, Type.Null()])),
      ...Why,
    },
    exact,
  ),
  output: HeldView,
  http: { method: 'POST', path: '/v1/waybills/:waybillId/hold', batchPath: '/v1/waybills/hold/batch' },
  idempotency: 'inherent',
  errors: {
    'fulfilment.unknown_waybill': 404,
    'fulfilment.is_over': 409,
    'fulfilment.expires_in_the_past': 422,
    'fulfilment.not_an_instant': 422,
  },
  body: (context, asked) =>
    eachAlone(
      asked.map(({ input, actor, commandId }): Outcome<HoldWaybill> => {
        const { waybillId, kind = 'hold', owner = actor.id, expiresAt } = input
        const held = { waybillId, kind, owner, reason: whyOf(input), actor: actor.id, commandId }
        if (expiresAt === undefined || expiresAt === null) return accepted(held)
        const at = instantOf(expiresAt, '/expiresAt')
        return at.ok ? accepted({ ...held, expiresAt: at.value }) : at
      }),
      (holds) => holdWaybills(context, holds),
    ),
})

const releaseHold = command({
  id: 'waybills.release_hold',
  ...ofActs,
  summary: 'Releases holds of waybills: all, or those of one kind or owner; a waybill that is free again asks for a route',
  input: Type.Object(
    { waybillId: Id, kind: Type.Optional(Kind), owner: Type.Optional(Type.String({ minLength: 1, maxLength: 100 })), ...Why },
    exact,
  ),
  output: HeldView,
  http: { method: 'POST', path: '/v1/waybills/:waybillId/release-hold', batchPath: '/v1/waybills/release-hold/batch' },
  idempotency: 'inherent',
  errors: { 'fulfilment.unknown_waybill': 404 },
  body: (context, asked) =>
    releaseWaybills(
      context,
      asked.map(({ input: { note: _note, ...input }, input: why, actor, commandId }) => ({
        ...input,
        reason: whyOf(why),
        actor: actor.id,
        commandId,
      })),
    ),
})

export const actOperations: readonly Operation[] = [create, cancel, reschedule, hold, releaseHold]

import { type Static, Type } from 'typebox'
import { type Outcome, refused } from '#kernel/outcome.ts'
import { instantIn } from '#kernel/time.ts'
import { holdKinds } from './holds.ts'
import { waybillStates } from './lifecycle.ts'
import type { StoredWaybill } from './waybill-store.ts'

export const exact = { additionalProperties: false }
export const Id = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })
export const State = Type.Enum([...waybillStates])
const LocalDate = Type.String({ pattern: '^\\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])$' })
export const Instant = Type.String({ pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}(\\.\\d{1,6})?(Z|[+-]\\d{2}:\\d{2})$' })
export const Slot = Type.Object({ date: LocalDate, code: Type.String({ minLength: 1, maxLength: 32 }) }, exact)

export const Kind = Type.Enum([...holdKinds])
export const Reason = Type.String({ minLength: 1, maxLength: 200 })
const Text = Type.String({ minLength: 1, maxLength: 200 })

export const Destination = Type.Object(
  {
    name: Text,
    line1: Text,
    city: Text,
    postcode: Type.String({ minLength: 1, maxLength: 32 }),
    country: Type.String({ pattern: '^[A-Z]{2}$' }),
    lat: Type.Optional(Type.Number({ minimum: -90, maximum: 90 })),
    lng: Type.Optional(Type.Number({ minimum: -180, maximum: 180 })),
  },
  exact,
)
const DestinationView = Type.Object({
  name: Type.String(),
  line1: Type.String(),
  city: Type.String(),
  postcode: Type.String(),
  country: Type.String(),
  lat: Type.Optional(Type.Number()),
  lng: Type.Optional(Type.Number()),
})

export const WaybillView = Type.Object(
  {
    waybillId: Id,
    orderId: Id,
    orderNumber: Type.String(),
    sectionNo: Type.Integer(),
    merchantId: Type.Union([Type.String(), Type.Null()]),
    skuType: Type.String(),
    purpose: Type.String(),
    state: State,
    attempt: Type.Integer(),
    destination: DestinationView,
    slot: Type.Union([Slot, Type.Null()]),
    routeId: Type.Union([Id, Type.Null()]),
    holds: Type.Array(Kind),
    originId: Type.Union([Id, Type.Null()]),
    claimId: Type.Union([Id, Type.Null()]),
    reference: Type.Union([Type.String(), Type.Null()]),
    items: Type.Array(
      Type.Object({
        itemNo: Type.Integer(),
        sku: Type.String(),
        quantity: Type.Integer(),
        weightGrams: Type.Integer(),
        volumeMl: Type.Integer(),
      }),
    ),
    weightGrams: Type.Integer(),
    volumeMl: Type.Integer(),
    pieces: Type.Integer(),
    readyAt: Type.Union([Type.String(), Type.Null()], { description: 'when its goods will be ready, where who prepares it has said so' }),
    createdAt: Type.String(),
    movedAt: Type.String(),
  },
  exact,
)

export const HistoryView = Type.Array(
  Type.Object(
    { level: Type.String(), from: Type.String(), to: Type.String(), cause: Type.String(), actor: Type.String(), at: Type.String() },
    exact,
  ),
)

export const HoldsView = Type.Array(
  Type.Object(
    {
      kind: Kind,
      owner: Type.String(),
      reason: Type.String(),
      heldAt: Type.String(),
      expiresAt: Type.Union([Type.String(), Type.Null()]),
      /** Its time is over and the slot went to others. */
      expired: Type.Boolean(),
    },
    exact,
  ),
)

export const MovedView = Type.Object({ waybillId: Id, orderId: Id, state: State, attempt: Type.Integer(), changed: Type.Boolean() }, exact)

export function viewOf(waybill: StoredWaybill): Static<typeof WaybillView> {
  const { waybillId, orderId, orderNumber, sectionNo, merchant, skuType, purpose, state, attempt, routeId, reference } = waybill
  const { originId, claimId, weightGrams, volumeMl, pieces, destination, slot, items, holds, readyAt, createdAt, movedAt } = waybill
  return {
    waybillId,
    orderId,
    orderNumber,
    sectionNo,
    merchantId: merchant === '' ? null : merchant,
    skuType,
    purpose,
    state,
    attempt,
    destination: { ...destination },
    slot: slot === null ? null : { ...slot },
    routeId,
    holds: [...holds],
    originId,
    claimId,
    reference,
    items: items.map((item) => ({ ...item })),
    weightGrams,
    volumeMl,
    pieces,
    readyAt: readyAt?.toISOString() ?? null,
    createdAt: createdAt.toISOString(),
    movedAt: movedAt.toISOString(),
  }
}

/** An instant of an input; the pattern lets 2026-13-45T99:00:00Z pass, and such an entry fails alone. */
export function instantOf(text: string, field: string): Outcome<Date> {
  const at = instantIn(text)
  return at === undefined ? refused('fulfilment.not_an_instant', `${text} is no instant that exists`, field) : { ok: true, value: at }
}

/** Runs a set-based function for the entries that can be run, and puts the failures of the others back into their places. */
export async function eachAlone<Command, Value>(
  asked: readonly Outcome<Command>[],
  run: (commands: readonly Command[]) => Promise<readonly Outcome<Value>[]>,
): Promise<Outcome<Value>[]> {
  const done = (await run(asked.flatMap((each) => (each.ok ? [each.value] : [])))).values()
  return asked.map((each) => (each.ok ? (done.next().value as Outcome<Value>) : each))
}

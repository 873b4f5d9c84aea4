import { type ReadContext, statement, type WriteContext } from '#platform/database.ts'
import type { HoldKind } from './holds.ts'

export interface Hold {
  readonly waybillId: number
  readonly kind: HoldKind
  readonly owner: string
  readonly reason: string
  readonly expiresAt: Date | null
  readonly heldAt: Date
  readonly expiredAt: Date | null
}

interface HoldRow {
  id: number
  waybill_id: number
  kind: HoldKind
  owner: string
  reason: string
  expires_at: Date | null
  held_at: Date
  expired_at: Date | null
}

const selectOpen = statement<HoldRow>(
  'fulfilment.open_holds',
  `select id, waybill_id, kind, owner, reason, expires_at, held_at, expired_at from fulfilment.hold
   where waybill_id = any($1::bigint[]) and released_at is null order by id`,
)

export async function openHolds(context: ReadContext, waybillIds: readonly number[]): Promise<Map<number, Hold[]>> {
  const found = new Map<number, Hold[]>(waybillIds.map((waybillId) => [waybillId, []]))
  for (const row of await context.query(selectOpen, [waybillIds])) {
    const { waybill_id: waybillId, kind, owner, reason, expires_at: expiresAt, held_at: heldAt, expired_at: expiredAt } = row
    found.get(waybillId)?.push({ waybillId, kind, owner, reason, expiresAt, heldAt, expiredAt })
  }
  return found
}

export type HoldKey = Pick<Hold, 'waybillId' | 'kind' | 'owner'>

const writeHeld = statement(
  'fulfilment.write_holds',
  `with held as (
     insert into fulfilment.hold (waybill_id, kind, owner, reason, expires_at, held_at)
     select waybill_id, kind, owner, reason, expires_at, $6
     from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::timestamptz[]) as h (waybill_id, kind, owner, reason, expires_at)
     on conflict (waybill_id, kind, owner) where released_at is null
       do update set reason = excluded.reason, expires_at = excluded.expires_at, expired_at = null
   ), let_go as (
     update fulfilment.hold set released_at = $6, released_by = gone.actor
     from unnest($7::bigint[], $8::text[], $9::text[], $10::text[]) as gone (waybill_id, kind, owner, actor)
     where hold.waybill_id = gone.waybill_id and hold.kind = gone.kind and hold.owner = gone.owner and hold.released_at is null
   )
   update fulfilment.waybill set holds = kept.holds::text[], version = version + 1
   from unnest($11::bigint[], $12::text[]) as kept (id, holds) where waybill.id = kept.id`,
)

/** Writes holds of locked waybills: those put on, those let go, and which kinds each waybill has now. */
export async function writeHolds(
  context: WriteContext,
  held: readonly Hold[],
  released: readonly (HoldKey & { readonly actor: string })[],
  kinds: readonly (readonly [waybillId: number, holds: readonly HoldKind[]])[],
): Promise<void> {
  if (held.length + released.length === 0) return
  await context.query(writeHeld, [
    held.map(({ waybillId }) => waybillId),
    held.map(({ kind }) => kind),
    held.map(({ owner }) => owner),
    held.map(({ reason }) => reason),
    held.map(({ expiresAt }) => expiresAt),
    context.now,
    released.map(({ waybillId }) => waybillId),
    released.map(({ kind }) => kind),
    released.map(({ owner }) => owner),
    released.map(({ actor }) => actor),
    kinds.map(([waybillId]) => waybillId),
    kinds.map(([, holds]) => `{${holds.join()}}`),
  ])
}

const endLate = statement(
  'fulfilment.end_late_goods',
  `with let_go as (
     update fulfilment.hold set released_at = $3, released_by = freed.actor from unnest($1::bigint[], $2::text[]) as freed (waybill_id, actor)
     where hold.waybill_id = freed.waybill_id and hold.kind = 'goods_late' and hold.released_at is null
   )
   update fulfilment.waybill set holds = array_remove(holds, 'goods_late') where id = any($1::bigint[])`,
)

/** Lets go of locked waybills that were held for late goods and ask for another truck; leaves with the commit. */
export function endLateGoods(context: WriteContext, freed: readonly { readonly waybillId: number; readonly actor: string }[]): void {
  if (freed.length > 0) context.defer(endLate, [freed.map(({ waybillId }) => waybillId), freed.map(({ actor }) => actor), context.now])
}

const due = `released_at is null and expired_at is null and expires_at is not null and expires_at <= $1`
const selectDue = statement<{ waybill_id: number }>(
  'fulfilment.due_holds',
  `select waybill_id from fulfilment.hold where ${due} order by expires_at limit $2`,
)

/** Waybills with a hold whose time is over. */
export async function waybillsWithDueHolds(context: ReadContext, most: number): Promise<number[]> {
  return [...new Set((await context.query(selectDue, [context.now, most])).map((row) => row.waybill_id))]
}

const expireDue = statement<{ waybill_id: number }>(
  'fulfilment.expire_holds',
  `update fulfilment.hold set expired_at = $1 where ${due} and waybill_id = any($2::bigint[]) returning waybill_id`,
)

/** Marks the due holds of locked waybills as expired; returns the waybills that had such. */
export async function expireDueHolds(context: WriteContext, waybillIds: readonly number[]): Promise<Set<number>> {
  return new Set((await context.query(expireDue, [context.now, waybillIds])).map((row) => row.waybill_id))
}

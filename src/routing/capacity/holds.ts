import { accepted, invariant, type Outcome, refused } from '#kernel/outcome.ts'
import { statement, type WriteContext } from '#platform/database.ts'
import { tellQuotas } from './availability.ts'
import { lockZoneDays, zoneIdsOf, type ZoneDay } from './days.ts'
import type { SkuType } from './goods.ts'
import { unknownZone } from './put-slots.ts'

/** Places of one slot that a checkout keeps for a while, by a reference of its own. All of them or none. */
export interface HoldPlaces {
  readonly reference: string
  readonly zoneCode: string
  readonly date: string
  readonly slotCode: string
  readonly places: readonly { readonly skuType: SkuType; readonly places: number }[]
  readonly ttlSeconds: number
  /** The order whose waybills may take the places. */
  readonly orderId?: number
}

export interface HeldPlaces {
  readonly reference: string
  /** Null when nothing is held. */
  readonly expiresAt: Date | null
}

interface HoldRow {
  reference: string
  quota_id: number
  zone_id: number
  date: string
  places: number
}

const selectHolds = statement<HoldRow>(
  'routing.holds_by_reference',
  'select reference, quota_id, zone_id, date, places from routing.place_hold where reference = any($1::text[]) order by reference, quota_id',
)

const selectExpired = statement<HoldRow>(
  'routing.expired_holds',
  `select reference, quota_id, zone_id, date, places from routing.place_hold
   where expires_at <= $1 and ($2::bigint[] is null or quota_id = any($2::bigint[])) order by expires_at limit $3`,
)

const lockHeld = statement<HoldRow>(
  'routing.lock_holds',
  `select place_hold.reference, place_hold.quota_id, zone_id, date, places from routing.place_hold
   join unnest($1::text[], $2::bigint[]) as asked (reference, quota_id) using (reference, quota_id)
   where $3::timestamptz is null or expires_at <= $3 order by reference, quota_id for update of place_hold`,
)

/** Reads holds again under the lock of their days: a waybill may have taken some, an order may have kept them for longer. */
async function lockHolds(context: WriteContext, found: readonly HoldRow[], expiredAt?: Date): Promise<HoldRow[]> {
  if (found.length === 0) return []
  return context.query(lockHeld, [found.map(({ reference }) => reference), found.map(({ quota_id }) => quota_id), expiredAt ?? null])
}

interface QuotaRow {
  position: number
  quota_id: number | null
  capacity: number
  used: number
  cut_off_at: Date | null
}

const selectQuotas = statement<QuotaRow>(
  'routing.quotas_of_cells',
  `select asked.position::int, quota.id as quota_id, coalesce(quota.capacity, 0) as capacity, coalesce(quota.used, 0) as used, slot.cut_off_at
   from unnest($1::bigint[], $2::text[], $3::text[], $4::text[]) with ordinality as asked (zone_id, date, slot_code, sku_type, position)
   left join routing.slot on slot.zone_id = asked.zone_id and slot.date = asked.date and slot.code = asked.slot_code
   left join routing.quota on quota.zone_id = asked.zone_id and quota.date = asked.date and quota.slot_code = asked.slot_code
     and quota.sku_type = asked.sku_type
   order by asked.position`,
)

/** Deltas of quotas, and what each reference holds of each afterwards (0: nothing). One row of the ledger for each effect. */
const writeHolds = statement<{ moved: number }>(
  'routing.write_holds',
  `with moved as (
     update routing.quota set used = quota.used + claim.delta
     from (select quota_id, sum(delta)::int as delta from unnest($1::bigint[], $2::int[]) as claim (quota_id, delta) group by quota_id) as claim
     where quota.id = claim.quota_id and quota.used + claim.delta between 0 and quota.capacity returning 1
   ), noted as (
     insert into routing.quota_ledger (quota_id, kind, delta, waybill_ids, reference, occurred_at)
     select quota_id, kind, delta, '{}', reference, $5
     from unnest($1::bigint[], $2::int[], $3::text[], $4::text[]) as claim (quota_id, delta, kind, reference) where delta <> 0
   ), ended as (
     delete from routing.place_hold using unnest($6::text[], $7::bigint[]) as gone (reference, quota_id)
     where place_hold.reference = gone.reference and place_hold.quota_id = gone.quota_id
   ), kept as (
     insert into routing.place_hold (reference, quota_id, zone_id, date, places, order_id, expires_at)
     select * from unnest($8::text[], $9::bigint[], $10::bigint[], $11::text[], $12::int[], $13::bigint[], $14::timestamptz[])
       as held (reference, quota_id, zone_id, date, places, order_id, expires_at) order by reference, quota_id
     on conflict (reference, quota_id) do update set places = excluded.places, expires_at = excluded.expires_at,
       order_id = coalesce(excluded.order_id, place_hold.order_id)
   )
   select count(*)::int as moved from moved`,
)

interface Kept extends HoldRow {
  readonly orderId: number | null
  readonly expiresAt: Date
}

interface Effects {
  readonly claims: { quotaId: number; delta: number; kind: 'hold' | 'let_go'; reference: string }[]
  readonly ended: { reference: string; quotaId: number }[]
  readonly kept: Kept[]
}

const noEffects = (): Effects => ({ claims: [], ended: [], kept: [] })

async function write(context: WriteContext, { claims, ended, kept }: Effects): Promise<void> {
  if (claims.length + ended.length + kept.length === 0) return
  const written = context.query(writeHolds, [
    claims.map(({ quotaId }) => quotaId),
    claims.map(({ delta }) => delta),
    claims.map(({ kind }) => kind),
    claims.map(({ reference }) => reference),
    context.now,
    ended.map(({ reference }) => reference),
    ended.map(({ quotaId }) => quotaId),
    kept.map(({ reference }) => reference),
    kept.map(({ quota_id }) => quota_id),
    kept.map(({ zone_id }) => zone_id),
    kept.map(({ date }) => date),
    kept.map(({ places }) => places),
    kept.map(({ orderId }) => orderId),
    kept.map(({ expiresAt }) => expiresAt),
  ])
  const [[row]] = await Promise.all([
    written,
    tellQuotas(
      context,
      claims.map(({ quotaId }) => quotaId),
    ),
  ])
  invariant(row?.moved === new Set(claims.map(({ quotaId }) => quotaId)).size, 'a quota moved under the lock of its day')
}

const end = (effects: Effects, hold: HoldRow): void => {
  effects.ended.push({ reference: hold.reference, quotaId: hold.quota_id })
  effects.claims.push({ quotaId: hold.quota_id, delta: -hold.places, kind: 'let_go', reference: hold.reference })
}

const daysOf = (holds: readonly HoldRow[]): ZoneDay[] => holds.map(({ zone_id, date }) => ({ zoneId: zone_id, date }))

/** Most expired holds that one round or one batch ends. */
const mostExpired = 1000

/**
 * Holds places at checkout. What a reference held before is given back where the new hold does not name it, so that a customer who picks another
 * slot needs one call; asked again with the same places it only lasts longer. A cell without room refuses the whole hold, and what
 * the reference held before stays. Locks: zone days, in order. Statements: six for any number of holds.
 */
export async function holdPlaces(context: WriteContext, commands: readonly HoldPlaces[]): Promise<Outcome<HeldPlaces>[]> {
  if (commands.length === 0) return []
  const zoneIds = await zoneIdsOf(
    context,
    commands.map(({ zoneCode }) => zoneCode),
  )
  const references = [...new Set(commands.map(({ reference }) => reference))]
  const before = await context.query(selectHolds, [references])
  await lockZoneDays(context, [
    ...daysOf(before),
    ...commands.flatMap(({ date }, index) => {
      const zoneId = zoneIds[index] ?? null
      return zoneId === null ? [] : [{ zoneId, date }]
    }),
  ])
  const cells = commands.flatMap((command, index) => command.places.map((one) => ({ ...command, ...one, zoneId: zoneIds[index] ?? null })))
  const quotas = await context.query(selectQuotas, [
    cells.map(({ zoneId }) => zoneId),
    cells.map(({ date }) => date),
    cells.map(({ slotCode }) => slotCode),
    cells.map(({ skuType }) => skuType),
  ])
  const quotaIds = [...new Set(quotas.flatMap(({ quota_id }) => (quota_id === null ? [] : [quota_id])))]
  const held = new Map<string, Map<number, HoldRow>>(references.map((reference) => [reference, new Map()]))
  for (const row of await context.query(selectHolds, [references])) held.get(row.reference)?.set(row.quota_id, row)
  // One that got a hold of another day between the read and the lock would be changed without its lock.
  const locked = new Set(before.map(({ reference, quota_id }) => `${reference} ${quota_id}`))
  for (const [reference, rows] of held)
    for (const { quota_id } of rows.values())
      if (!locked.has(`${reference} ${quota_id}`) && !quotaIds.includes(quota_id))
        throw new HeldUnderneath(`${reference} holds ${quota_id} since`)

  const effects = noEffects()
  const left = new Map(quotas.map(({ quota_id, capacity, used }) => [quota_id, capacity - used]))
  const free = (quotaId: number, places: number) => left.set(quotaId, (left.get(quotaId) ?? 0) + places)
  for (const row of await lockHolds(context, await context.query(selectExpired, [context.now, quotaIds, mostExpired]), context.now)) {
    held.get(row.reference)?.delete(row.quota_id)
    free(row.quota_id, row.places)
    end(effects, row)
  }
  const changed = new Map<string, Kept | null>()
  let at = 0
  const outcomes = commands.map((command, index): Outcome<HeldPlaces> => {
    const { reference, orderId = null } = command
    const zoneId = zoneIds[index] ?? null
    const rows = quotas.slice(at, (at += command.places.length))
    if (zoneId === null) return unknownZone(command.zoneCode)
    const own = held.get(reference) ?? new Map<number, HoldRow>()
    const problem = problemOf(command, { rows, own, left, now: context.now })
    if (problem !== undefined) return problem
    const expiresAt = new Date(context.now.getTime() + command.ttlSeconds * 1000)
    const wanted = new Map(command.places.map(({ places }, cell) => [rows[cell]?.quota_id as number, places]))
    for (const hold of own.values()) {
      if (wanted.has(hold.quota_id)) continue
      own.delete(hold.quota_id)
      free(hold.quota_id, hold.places)
      changed.set(`${reference} ${hold.quota_id}`, null)
      effects.claims.push({ quotaId: hold.quota_id, delta: -hold.places, kind: 'let_go', reference })
    }
    for (const [quotaId, places] of wanted) {
      const more = places - (own.get(quotaId)?.places ?? 0)
      const hold = { reference, quota_id: quotaId, zone_id: zoneId, date: command.date, places, orderId, expiresAt }
      own.set(quotaId, hold)
      free(quotaId, -more)
      changed.set(`${reference} ${quotaId}`, hold)
      if (more !== 0) effects.claims.push({ quotaId, delta: more, kind: 'hold', reference })
    }
    held.set(reference, own)
    return accepted({ reference, expiresAt })
  })
  for (const [key, hold] of changed) {
    if (hold !== null) effects.kept.push(hold)
    else effects.ended.push({ reference: key.slice(0, key.lastIndexOf(' ')), quotaId: Number(key.slice(key.lastIndexOf(' ') + 1)) })
  }
  // What expired and is held again is written as one that is kept, not as one that ends.
  const kept = new Set(effects.kept.map(({ reference, quota_id }) => `${reference} ${quota_id}`))
  const ended = effects.ended.filter(({ reference, quotaId }) => !kept.has(`${reference} ${quotaId}`))
  await write(context, { ...effects, ended })
  return outcomes
}

interface Ground {
  readonly rows: readonly QuotaRow[]
  readonly own: ReadonlyMap<number, HoldRow>
  readonly left: ReadonlyMap<number | null, number>
  readonly now: Date
}

function problemOf({ places: asked, slotCode, date, zoneCode }: HoldPlaces, { rows, own, left, now }: Ground) {
  const where = `slot ${slotCode} on ${date} of zone ${zoneCode}`
  if (new Set(asked.map(({ skuType }) => skuType)).size < asked.length)
    return refused('routing.bad_hold', 'each SKU type is named once', '/places')
  for (const [index, { skuType, places }] of asked.entries()) {
    const row = rows[index]
    if (row?.cut_off_at === null || row === undefined) return refused('routing.unknown_slot', `there is no ${where}`, '/slotCode')
    if (row.cut_off_at <= now) return refused('routing.slot_closed', `${where} closed at ${row.cut_off_at.toISOString()}`, '/slotCode')
    if (row.quota_id === null) return refused('routing.no_quota', `no ${skuType} quota is set for ${where}`, `/places/${index}/skuType`)
    const room = (left.get(row.quota_id) ?? 0) + (own.get(row.quota_id)?.places ?? 0)
    if (room < places)
      return refused('routing.quota_full', `${where} has ${room} ${skuType} places left, not ${places}`, `/places/${index}/places`, {
        left: room,
      })
  }
  return undefined
}

/** The same reference was held elsewhere between our look and our lock: look again. */
class HeldUnderneath extends Error {
  override readonly name = 'HeldUnderneath'
  readonly code = '40001'
}

export interface KeepPlaces {
  readonly reference: string
  readonly orderId: number
  readonly ttlSeconds: number
}

const keep = statement<{ reference: string }>(
  'routing.keep_holds',
  `with found as materialized (
     select place_hold.reference, quota_id, asked.order_id, asked.expires_at
     from routing.place_hold join unnest($1::text[], $2::bigint[], $3::timestamptz[]) as asked (reference, order_id, expires_at) using (reference)
     where place_hold.expires_at > $4 order by reference, quota_id for update of place_hold
   )
   update routing.place_hold set order_id = found.order_id, expires_at = greatest(place_hold.expires_at, found.expires_at)
   from found where place_hold.reference = found.reference and place_hold.quota_id = found.quota_id
   returning place_hold.reference`,
)

/** Ties what a reference holds to the order that was placed, so that its waybills take those places; and lets it last until they come. */
export async function keepPlaces(context: WriteContext, commands: readonly KeepPlaces[]): Promise<Outcome<HeldPlaces>[]> {
  const last = [...new Map(commands.map((command) => [command.reference, command])).values()]
  const until = (ttlSeconds: number) => new Date(context.now.getTime() + ttlSeconds * 1000)
  const rows = await context.query(keep, [
    last.map(({ reference }) => reference),
    last.map(({ orderId }) => orderId),
    last.map(({ ttlSeconds }) => until(ttlSeconds)),
    context.now,
  ])
  const kept = new Set(rows.map((row) => row.reference))
  return commands.map(({ reference, ttlSeconds }) =>
    kept.has(reference)
      ? accepted({ reference, expiresAt: until(ttlSeconds) })
      : refused('routing.unknown_hold', `${reference} holds no places, or no longer`, '/reference'),
  )
}

/** Gives back what references hold; of one that holds nothing there is nothing to do. Locks: zone days, in order. */
export async function letGoPlaces(context: WriteContext, commands: readonly { reference: string }[]): Promise<Outcome<HeldPlaces>[]> {
  const references = [...new Set(commands.map(({ reference }) => reference))]
  await endHolds(context, await context.query(selectHolds, [references]))
  return commands.map(({ reference }) => accepted({ reference, expiresAt: null }))
}

/** A round: gives back the places of holds whose time is over. Returns how many ended; more may be left when it is the most. */
export async function expireHolds(context: WriteContext): Promise<number> {
  return endHolds(context, await context.query(selectExpired, [context.now, null, mostExpired]), context.now)
}

async function endHolds(context: WriteContext, found: readonly HoldRow[], expiredAt?: Date): Promise<number> {
  if (found.length === 0) return 0
  await lockZoneDays(context, daysOf(found))
  const effects = noEffects()
  for (const row of await lockHolds(context, found, expiredAt)) end(effects, row)
  await write(context, effects)
  return effects.ended.length
}

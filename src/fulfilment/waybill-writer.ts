import { invariant } from '#kernel/outcome.ts'
import { type ReadContext, statement, type WriteContext } from '#platform/database.ts'
import { endLateGoods } from './hold-store.ts'
import type { WaybillState } from './lifecycle.ts'
import { loadOf, type SlotChoice } from './waybill.ts'
import { tellStatus } from './waybill-status.ts'
import type { MovingWaybill, StoredWaybill } from './waybill-store.ts'

/** A waybill as it was locked and as it shall be. */
export interface WaybillUpdate<W extends MovingWaybill = MovingWaybill> {
  readonly before: W
  readonly after: W
}

/** What a line of history tells of: states that were walked, or something beside the state. */
export type ChangeLevel = 'waybill' | 'hold' | 'slot' | 'destination' | 'items' | 'ready'

/** One line of history: what one command did to one waybill. `values` begins with what it was and ends with what it is. */
export interface WaybillChange {
  readonly waybillId: number
  readonly level: ChangeLevel
  readonly values: readonly string[]
  readonly cause: string
  readonly commandId: string
  readonly actor: string
}

const moveStates = statement<{ updated: number }>(
  'fulfilment.move_waybills',
  `with moved as (
     update fulfilment.waybill set state = move.to_state, moved_at = move.moved_at, version = waybill.version + 1
     from unnest($1::bigint[], $2::text[], $3::text[], $4::timestamptz[]) as move (id, from_state, to_state, moved_at)
     where waybill.id = move.id and waybill.state = move.from_state
     returning 1
   )
   select count(*)::int as updated from moved`,
)

const movePlans = statement<{ updated: number }>(
  'fulfilment.plan_waybills',
  `with moved as (
     update fulfilment.waybill set state = move.to_state, attempt = move.attempt, moved_at = move.moved_at, slot_date = move.slot_date,
       slot_code = move.slot_code, route_id = move.route_id, ask = move.ask, cut_off_at = move.cut_off_at, version = waybill.version + 1
     from unnest($1::bigint[], $2::text[], $3::text[], $4::timestamptz[], $5::int[], $6::text[], $7::text[], $8::bigint[], $9::int[],
       $10::timestamptz[])
       as move (id, from_state, to_state, moved_at, attempt, slot_date, slot_code, route_id, ask, cut_off_at)
     where waybill.id = move.id and waybill.state = move.from_state
     returning 1
   )
   select count(*)::int as updated from moved`,
)

const refit = statement<{ updated: number }>(
  'fulfilment.refit_waybills',
  `with fit as (
     update fulfilment.waybill set items = fit.items, weight_grams = fit.weight_grams, volume_ml = fit.volume_ml, pieces = fit.pieces,
       destination = fit.destination, version = version + 1
     from unnest($1::bigint[], $2::json[], $3::bigint[], $4::bigint[], $5::int[], $6::json[])
       as fit (id, items, weight_grams, volume_ml, pieces, destination)
     where waybill.id = fit.id
     returning 1
   )
   select count(*)::int as updated from fit`,
)

const setReady = statement<{ updated: number }>(
  'fulfilment.set_ready',
  `with told as (
     update fulfilment.waybill set ready_at = told.ready_at, version = version + 1
     from unnest($1::bigint[], $2::timestamptz[]) as told (id, ready_at)
     where waybill.id = told.id
     returning 1
   )
   select count(*)::int as updated from told`,
)

const insertChanges = statement(
  'fulfilment.insert_changes',
  `insert into fulfilment.change (root, level, states, cause, command_id, actor, traffic, rehearsal_id, occurred_at)
   select root, level, states::text[], cause, command_id, actor, $7, $8, $9
   from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
     with ordinality as change (root, level, states, cause, command_id, actor, position)
   order by position`,
)

const sameSlot = (a: SlotChoice | null, b: SlotChoice | null): boolean => a?.date === b?.date && a?.code === b?.code

/** Whether its place is another: the request, the route, or the slot. */
const plans = ({ before, after }: WaybillUpdate): boolean =>
  before.ask !== after.ask || before.routeId !== after.routeId || !sameSlot(before.slot, after.slot)

const refits = (update: WaybillUpdate): update is WaybillUpdate<StoredWaybill> =>
  'destination' in update.after &&
  'destination' in update.before &&
  (update.before.items !== update.after.items || update.before.destination !== update.after.destination)

const isTold = ({ before, after }: WaybillUpdate): boolean => before.readyAt?.getTime() !== after.readyAt?.getTime()

/** Writes locked waybills and their history: those that only moved, those with another plan, those that carry or go to something else or are ready at another time. */
export async function updateWaybills(
  context: WriteContext,
  updates: readonly WaybillUpdate[],
  changes: readonly WaybillChange[],
): Promise<void> {
  const planned = updates.filter(plans)
  const moved = updates.filter((update) => update.before.state !== update.after.state && !plans(update))
  const refitted = updates.filter(refits)
  const told = updates.filter(isTold)
  const counts = await Promise.all([
    writeMoved(context, moved),
    writePlanned(context, planned),
    writeRefitted(context, refitted),
    writeTold(context, told),
  ])
  const wanted = [moved.length, planned.length, refitted.length, told.length]
  invariant(
    counts.every((count, at) => count === wanted[at]),
    `of locked waybills ${wanted.join(', ')} were to be moved, planned, refitted and told ready, ${counts.join(', ')} were`,
  )
  const written = new Map<number, number>()
  for (const { before } of [...planned, ...moved, ...refitted, ...told])
    written.set(before.waybillId, (written.get(before.waybillId) ?? before.version) + 1)
  tellStatus(
    context,
    updates.flatMap(({ before, after }) => {
      const version = written.get(before.waybillId)
      return version === undefined ? [] : [{ version, after }]
    }),
  )
  endLateGoods(
    context,
    updates
      .filter(({ before, after }) => isHeldForLateGoods(before) && !isHeldForLateGoods(after))
      .map(({ before: { waybillId } }) => ({ waybillId, actor: changes.find((change) => change.waybillId === waybillId)?.actor ?? '' })),
  )
  // History waits for nobody and leaves with the commit.
  deferChanges(context, changes)
}

const isHeldForLateGoods = ({ holds }: MovingWaybill): boolean => holds.includes('goods_late')

const movesOf = (updates: readonly WaybillUpdate[]): unknown[][] => [
  updates.map(({ before }) => before.waybillId),
  updates.map(({ before }) => before.state),
  updates.map(({ after }) => after.state),
  updates.map(({ after }) => after.movedAt),
]

async function writeMoved(context: WriteContext, updates: readonly WaybillUpdate[]): Promise<number> {
  if (updates.length === 0) return 0
  const [result] = await context.query(moveStates, movesOf(updates))
  return result?.updated ?? 0
}

async function writePlanned(context: WriteContext, updates: readonly WaybillUpdate[]): Promise<number> {
  if (updates.length === 0) return 0
  const [result] = await context.query(movePlans, [
    ...movesOf(updates),
    updates.map(({ after }) => after.attempt),
    updates.map(({ after }) => after.slot?.date ?? null),
    updates.map(({ after }) => after.slot?.code ?? null),
    updates.map(({ after }) => after.routeId),
    updates.map(({ after }) => after.ask),
    updates.map(({ after }) => after.cutOffAt),
  ])
  return result?.updated ?? 0
}

async function writeRefitted(context: WriteContext, updates: readonly WaybillUpdate<StoredWaybill>[]): Promise<number> {
  if (updates.length === 0) return 0
  const loads = updates.map(({ after }) => loadOf(after.items))
  const [result] = await context.query(refit, [
    updates.map(({ after }) => after.waybillId),
    updates.map(({ after }) => JSON.stringify(after.items)),
    loads.map((load) => load.weightGrams),
    loads.map((load) => load.volumeMl),
    loads.map((load) => load.pieces),
    updates.map(({ after }) => JSON.stringify(after.destination)),
  ])
  return result?.updated ?? 0
}

async function writeTold(context: WriteContext, updates: readonly WaybillUpdate[]): Promise<number> {
  if (updates.length === 0) return 0
  const [result] = await context.query(setReady, [updates.map(({ before }) => before.waybillId), updates.map(({ after }) => after.readyAt)])
  return result?.updated ?? 0
}

const plainWord = /^(?!null$)\w+$/i
const quoted = (word: string): string => (plainWord.test(word) ? word : `"${word.replace(/["\\]/g, '\\$&')}"`)
const literal = (words: readonly string[]): string => `{${words.map(quoted).join()}}`

export function deferChanges(context: WriteContext, changes: readonly WaybillChange[]): void {
  if (changes.length === 0) return
  context.defer(insertChanges, [
    changes.map(({ waybillId }) => waybillId),
    changes.map(({ level }) => level),
    changes.map(({ values }) => literal(values)),
    changes.map(({ cause }) => cause),
    changes.map(({ commandId }) => commandId),
    changes.map(({ actor }) => actor),
    context.traffic,
    context.rehearsalId,
    context.now,
  ])
}

/** States that were walked, as a line of history. */
export const walkOf = (from: WaybillState, steps: readonly WaybillState[]): Pick<WaybillChange, 'level' | 'values'> => ({
  level: 'waybill',
  values: [from, ...steps],
})

interface HistoryRow {
  root: number
  level: ChangeLevel
  states: string[]
  cause: string
  actor: string
  occurred_at: Date
}

/** The conditions are those of two indexes: nearly all lines are read from the first without their rows. */
const selectHistory = statement<HistoryRow>(
  'fulfilment.history',
  `select root, level, states, cause, actor, occurred_at from (
     select id, root, level, states, cause, actor, occurred_at from fulfilment.change
     where root = any($1::bigint[]) and level = 'waybill' and octet_length(cause) < 1200
     union all
     select id, root, coalesce(level, levels[1]), coalesce(states, from_states[1:1] || to_states), cause, actor, occurred_at from fulfilment.change
     where root = any($1::bigint[]) and (level is null or level <> 'waybill' or octet_length(cause) >= 1200)
   ) as line
   order by id`,
)

export interface HistoryStep {
  readonly level: ChangeLevel
  readonly from: string
  readonly to: string
  readonly cause: string
  readonly actor: string
  readonly at: Date
}

/** What happened to waybills, step by step, by id. */
export async function historyOf(context: ReadContext, waybillIds: readonly number[]): Promise<Map<number, HistoryStep[]>> {
  const found = new Map<number, HistoryStep[]>(waybillIds.map((waybillId) => [waybillId, []]))
  for (const { root, level, states, cause, actor, occurred_at: at } of await context.query(selectHistory, [waybillIds])) {
    let from = states[0] ?? ''
    for (const to of states.slice(1)) {
      found.get(root)?.push({ level, from, to, cause, actor, at })
      from = to
    }
  }
  return found
}

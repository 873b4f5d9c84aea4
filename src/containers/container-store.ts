import { invariant, type Outcome, refused } from '#kernel/outcome.ts'
import { type ReadContext, statement, type WriteContext } from '#platform/database.ts'
import type { ContainerState } from './lifecycle.ts'

export const containerKinds = ['tote', 'bag', 'box'] as const
export type ContainerKind = (typeof containerKinds)[number]

export interface StoredContainer {
  readonly containerId: number
  readonly code: string
  readonly kind: ContainerKind
  readonly colour: string
  /** 24 hex digits, or null without a tag. */
  readonly epc: string | null
  readonly state: ContainerState
  readonly version: number
}

/**
 * Code and kind of a container that a walk has come to, as `container`. Looked up one by one: how far a walk comes nobody can estimate, and for
 * the thousands that the planner fears it reads all containers there are instead.
 */
export const containerOf = (id: string): string =>
  `cross join lateral (select code, kind from containers.container where id = ${id} offset 0) as container`

const columns = `container.id as "containerId", container.code, container.kind, container.colour, tag.epc, container.state, container.version`

/** What people scan: a reference code, or the EPC of the tag in hex. No reference code has 24 characters. */
export const isEpc = (scanned: string): boolean => /^[0-9A-Fa-f]{24}$/.test(scanned)

const byScan = `container.id = any(array(
  select container.id from containers.container where code = any($1::text[])
  union select container_id from containers.tag where epc = any($2::text[]) and container_id is not null))`

const selectScanned = statement<StoredContainer>(
  'containers.find_containers',
  `select ${columns} from containers.container left join containers.tag on tag.container_id = container.id where ${byScan} order by container.id`,
)
const lockScanned = statement<StoredContainer>(
  'containers.lock_containers',
  `select ${columns} from containers.container left join containers.tag on tag.container_id = container.id where ${byScan}
   order by container.id for update of container`,
)

/** Finds what was scanned; `get` answers by the text that was asked. */
export class Scanned {
  readonly #byText = new Map<string, StoredContainer>()
  constructor(rows: readonly StoredContainer[]) {
    for (const row of rows) {
      this.#byText.set(row.code, row)
      if (row.epc !== null) this.#byText.set(row.epc, row)
    }
  }
  get(scanned: string): StoredContainer | undefined {
    return this.#byText.get(isEpc(scanned) ? scanned.toUpperCase() : scanned)
  }
}

const asked = (scanned: readonly string[]) => {
  const distinct = [...new Set(scanned)]
  return [distinct.filter((text) => !isEpc(text)), distinct.filter(isEpc).map((text) => text.toUpperCase())]
}

export async function findContainers(context: ReadContext, scanned: readonly string[]): Promise<Scanned> {
  return new Scanned(await context.query(selectScanned, asked(scanned)))
}

/** Locks containers in ascending id order, which is the order of every lock on this table. */
export async function lockContainers(context: WriteContext, scanned: readonly string[]): Promise<Scanned> {
  return new Scanned(await context.query(lockScanned, asked(scanned)))
}

export const unknownContainer = (scanned: string, field = '/code'): Outcome<never> =>
  refused('containers.unknown_container', `there is no container ${scanned}`, field)

export const notUsable = ({ code, state }: StoredContainer, field: string): Outcome<never> =>
  refused('containers.not_usable', `container ${code} is ${state}; report it found first, or take another`, field, { state })

const lockByName = statement(
  'containers.lock_names',
  `select pg_advisory_xact_lock(name) from (
     select distinct hashtextextended('containers ' || name, 0) as name from unnest($1::text[]) as asked (name) order by 1) as sorted`,
)

/**
 * Waits for locks that stand for no row, in one order over all callers, until the end of the transaction. They come before locks of
 * rows. `registering` and `nesting` let one transaction at a time do that; `waybill N` guards the sum of what is packed of it.
 */
export async function lockNames(context: WriteContext, names: readonly string[]): Promise<void> {
  if (names.length > 0) await context.query(lockByName, [names])
}

/** One line of history: what one command did to one container's state. */
export interface StateChange {
  readonly containerId: number
  readonly from: ContainerState
  readonly to: ContainerState
  readonly cause: string
  readonly commandId: string
  readonly actor: string
}

const updateStates = statement<{ updated: number }>(
  'containers.update_states',
  `with move as (
     select * from unnest($1::bigint[], $2::text[], $3::text[]) as move (id, from_state, to_state)
   ), moved as (
     update containers.container set state = move.to_state, version = version + 1
     from move where container.id = move.id and container.state = move.from_state
     returning 1
   ), logged as (
     insert into containers.change (root, levels, entities, from_states, to_states, cause, command_id, actor, traffic, rehearsal_id, occurred_at)
     select root, '{container}', array[root::text], array[from_state], array[to_state], cause, command_id, actor, $10, $11, $12
     from unnest($4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[])
       with ordinality as change (root, from_state, to_state, cause, command_id, actor, position)
     order by position
   )
   select count(*)::int as updated from moved`,
)

/** Writes states of locked containers with their history. A container may have several changes: each starts where the one before ended. */
export async function changeStates(context: WriteContext, changes: readonly StateChange[]): Promise<void> {
  if (changes.length === 0) return
  const whole = new Map<number, { from: ContainerState; to: ContainerState }>()
  for (const { containerId, from, to } of changes) whole.set(containerId, { from: whole.get(containerId)?.from ?? from, to })
  const [result] = await context.query(updateStates, [
    [...whole.keys()],
    [...whole.values()].map(({ from }) => from),
    [...whole.values()].map(({ to }) => to),
    changes.map((change) => change.containerId),
    changes.map((change) => change.from),
    changes.map((change) => change.to),
    changes.map((change) => change.cause),
    changes.map((change) => change.commandId),
    changes.map((change) => change.actor),
    context.traffic,
    context.rehearsalId,
    context.now,
  ])
  invariant(result?.updated === whole.size, `${whole.size} locked containers to change, ${result?.updated} changed`)
}

const selectTakenTags = statement<{ epc: string }>(
  'containers.find_taken_tags',
  'select epc from containers.tag where epc = any($1::text[]) and container_id is not null',
)

/** Which of the tags are on a container already. */
export async function findTakenTags(context: WriteContext, epcs: readonly string[]): Promise<Set<string>> {
  return new Set((await context.query(selectTakenTags, [epcs])).map(({ epc }) => epc))
}

export interface NewContainer {
  readonly code: string
  readonly kind: ContainerKind
  readonly colour: string
  readonly epc: string | null
  readonly actor: string
  readonly commandId: string
}

const insertNew = statement<{ code: string; containerId: number }>(
  'containers.insert_containers',
  `with asked as (
     select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
       with ordinality as asked (code, kind, colour, epc, actor, command_id, position)
   ), born as (
     insert into containers.container (code, kind, colour, state, created_at)
     select code, kind, colour, 'empty', $7 from asked order by position
     returning id, code
   ), tagged as (
     insert into containers.tag (epc, container_id) select asked.epc, born.id from born join asked using (code) where asked.epc is not null
     order by asked.epc
     on conflict (epc) do update set container_id = excluded.container_id where tag.container_id is null
     returning 1
   ), logged as (
     insert into containers.change (root, levels, entities, from_states, to_states, cause, command_id, actor, traffic, rehearsal_id, occurred_at)
     select born.id, '{container}', array[born.id::text], '{""}', '{empty}', 'containers.register', asked.command_id, asked.actor, $8, $9, $7
     from born join asked using (code)
   )
   select code, id as "containerId" from born`,
)

/** Writes containers that nobody has registered yet; the caller holds the lock `registering`. */
export async function insertContainers(context: WriteContext, containers: readonly NewContainer[]): Promise<Map<string, number>> {
  if (containers.length === 0) return new Map()
  const rows = await context.query(insertNew, [
    containers.map(({ code }) => code),
    containers.map(({ kind }) => kind),
    containers.map(({ colour }) => colour),
    containers.map(({ epc }) => epc),
    containers.map(({ actor }) => actor),
    containers.map(({ commandId }) => commandId),
    context.now,
    context.traffic,
    context.rehearsalId,
  ])
  return new Map(rows.map(({ code, containerId }) => [code, containerId]))
}

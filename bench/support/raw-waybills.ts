import pg from 'pg'
import { parametersOf } from '#platform/sql-arrays.ts'
import type { BenchHouse } from './server-process.ts'

/** What a database must do at the least for a batch of reports: change the rows, note it, tell of it. One statement, no decision. */
const change = `with moved as (
    update public.raw_waybill w set state = $2, moved_at = now(), version = version + 1 from unnest($1::bigint[]) as m (id) where w.id = m.id returning w.id
  ), noted as (
    insert into public.raw_change (root, from_state, to_state, occurred_at) select id, '', $2, now() from moved
  )
  insert into public.raw_outbox (key, payload) select id::text, json_build_object('waybillId', id, 'to', $2) from moved`

/**
 * The raw limit of moving waybills: copies of the same rows with the same indexes, changed through the same states in batches of the
 * same size by two connections with plain pg. Nothing is locked first, read, decided or answered.
 */
export async function rawWaybillUpdates(
  house: BenchHouse,
  { batch, states }: { readonly batch: number; readonly states: readonly string[] },
): Promise<{ readonly perSecond: number }> {
  const open = async () => {
    const client = new pg.Client({
      ...house.engines.server.admin('live'),
      options: '-c plan_cache_mode=force_generic_plan -c enable_seqscan=off',
    })
    await client.connect()
    return client
  }
  const clients = await Promise.all([open(), open()])
  const [first] = clients
  await first.query(`create table public.raw_waybill (like fulfilment.waybill including all excluding generated) with (fillfactor = 75)`)
  await first.query('insert into public.raw_waybill overriding system value select * from fulfilment.waybill')
  await first.query(
    `create table public.raw_change (id bigint generated always as identity primary key, root bigint, from_state text, to_state text, occurred_at timestamptz)`,
  )
  await first.query('create index on public.raw_change (root)')
  await first.query('create table public.raw_outbox (id bigint generated always as identity primary key, key text, payload json)')
  const { rows } = await first.query<{ id: string }>('select id from public.raw_waybill order by id')
  const ids = rows.map((row) => row.id)
  await first.query('checkpoint')
  const started = performance.now()
  let updates = 0
  await Promise.all(
    clients.map(async (client, nth) => {
      for (const state of states) {
        for (let from = nth * batch; from < ids.length; from += clients.length * batch) {
          const some = ids.slice(from, from + batch)
          await client.query({ name: 'raw_move', text: change, values: parametersOf([some, state]) })
          updates += some.length
        }
      }
    }),
  )
  const perSecond = (updates / (performance.now() - started)) * 1000
  await first.query('drop table public.raw_waybill, public.raw_change, public.raw_outbox')
  await Promise.all(clients.map((client) => client.end()))
  return { perSecond }
}

import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import { type ReadContext, statement, type WriteContext } from '#platform/database.ts'
import { type GatewayMix, problemOfMix } from './gateway-mix.ts'
import type { PaymentParts } from './parts.ts'

export interface PutGatewayMix {
  readonly storeId: string
  readonly mix: GatewayMix
  /** The version that this one follows; absent: whatever is there. 0: none. */
  readonly expectedVersion?: number
  readonly actor: string
  readonly commandId: string
}

export interface GatewayMixView {
  readonly storeId: string
  readonly version: number
  readonly mix: GatewayMix
  readonly actor: string
  readonly createdAt: string
}

// A store that is put twice in one batch gets two versions, in the order of the batch.
const insertMixes = statement<{ storeId: string; version: number }>(
  'payments.insert_mixes',
  `with input as (
     select * from unnest($1::text[], $2::json[], $3::text[], $4::text[], $5::integer[]) with ordinality
       as given (store_id, mix, actor, command_id, expected, position)
   ), latest as (
     select input.store_id, coalesce(max(gateway_mix.version), 0) as version
     from input left join payments.gateway_mix on gateway_mix.store_id = input.store_id group by input.store_id
   )
   insert into payments.gateway_mix (store_id, version, mix, actor, command_id, created_at)
   select input.store_id, latest.version + row_number() over (partition by input.store_id order by input.position), input.mix, input.actor,
     input.command_id, $6
   from input join latest using (store_id)
   where input.expected is null or input.expected = latest.version
   order by input.store_id, input.position
   on conflict (store_id, version) do nothing
   returning store_id as "storeId", version`,
)

const findMixes = statement<Omit<GatewayMixView, 'createdAt'> & { createdAt: Date }>(
  'payments.find_mixes',
  `select asked.store_id as "storeId", latest.version, latest.mix, latest.actor, latest.created_at as "createdAt"
   from unnest($1::text[], $2::integer[]) as asked (store_id, version)
   cross join lateral (
     select * from payments.gateway_mix where gateway_mix.store_id = asked.store_id and (asked.version is null or gateway_mix.version = asked.version)
     order by gateway_mix.version desc limit 1
   ) as latest`,
)

/** Adds a version to stores' mixes. Every process chooses by it within about a second; payments under way stay where they are. */
export async function putGatewayMixes(
  parts: PaymentParts,
  context: WriteContext,
  commands: readonly PutGatewayMix[],
): Promise<Outcome<{ storeId: string; version: number }>[]> {
  const known = (name: string): boolean => parts.gateways.has(name)
  const problems = commands.map(({ mix }) => problemOfMix(mix, known))
  const good = commands.filter((_, at) => problems[at] === undefined)
  const rows =
    good.length === 0
      ? []
      : await context.query(insertMixes, [
          good.map(({ storeId }) => storeId),
          good.map(({ mix }) => JSON.stringify(mix)),
          good.map(({ actor }) => actor),
          good.map(({ commandId }) => commandId),
          good.map(({ expectedVersion }) => expectedVersion ?? null),
          context.now,
        ])
  context.afterCommit(() => parts.mixes.outdated(context.traffic))
  return commands.map((command, at): Outcome<{ storeId: string; version: number }> => {
    const problem = problems[at]
    if (problem !== undefined) return problem
    const index = rows.findIndex(({ storeId }) => storeId === command.storeId)
    const [row] = index < 0 ? [] : rows.splice(index, 1)
    if (row !== undefined) return accepted(row)
    return refused('payments.mix_changed', 'Somebody has put another mix meanwhile; read it and decide anew.', '/expectedVersion')
  })
}

/** The current mix of each store, or the one of a version; undefined where there is none. */
export async function findGatewayMixes(
  context: ReadContext,
  asked: readonly { readonly storeId: string; readonly version?: number }[],
): Promise<(GatewayMixView | undefined)[]> {
  const rows = await context.query(findMixes, [asked.map(({ storeId }) => storeId), asked.map(({ version }) => version ?? null)])
  return asked.map(({ storeId, version }) => {
    const row = rows.find((each) => each.storeId === storeId && (version === undefined || each.version === version))
    return row === undefined ? undefined : { ...row, createdAt: row.createdAt.toISOString() }
  })
}

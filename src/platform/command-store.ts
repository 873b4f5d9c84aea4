import type { Outcome } from '#kernel/outcome.ts'
import { type ReadContext, statement, type WriteContext } from '#platform/database.ts'
import type { Traffic } from '#platform/request-context.ts'

/** A command that is written down to be run later. */
export interface NewCommand {
  readonly name: string
  readonly queue: string
  readonly operation: string
  readonly client: string
  readonly scopes: readonly string[]
  readonly idempotencyKey: string
  readonly bodyHash: string
  readonly input: unknown
  readonly traceId: string
}

/** What a caller may watch. */
export interface QueuedCommand {
  readonly commandId: string
  readonly queue: string
  readonly operation: string
  readonly state: 'queued' | 'done' | 'refused'
  readonly queuedAt: string
  readonly finishedAt: string | null
  /** Of a done command: what the operation answered. */
  readonly value: unknown
  /** Of a refused command: code, detail, field. */
  readonly error: unknown
}

interface CommandRow {
  name: string
  queue: string
  operation: string
  state: QueuedCommand['state']
  queued_at: Date
  finished_at: Date | null
  outcome: Outcome<unknown> | null
  client: string
  idempotency_key: string
  body_hash: string
}

const columns = `name, queue, operation, state, queued_at, finished_at, outcome, client, idempotency_key, encode(body_hash, 'hex') as body_hash`

const viewOf = (row: CommandRow): QueuedCommand => ({
  commandId: row.name,
  queue: row.queue,
  operation: row.operation,
  state: row.state,
  queuedAt: row.queued_at.toISOString(),
  finishedAt: row.finished_at?.toISOString() ?? null,
  value: row.outcome?.ok ? row.outcome.value : null,
  error: row.outcome === null || row.outcome.ok ? null : row.outcome.error,
})

const insert = statement(
  'platform.enqueue_commands',
  `insert into platform.command (name, queue, operation, client, scopes, idempotency_key, body_hash, input, trace_id, rehearsal_id, state, run_after, queued_at)
   select name, queue, operation, client, scopes::text[], idempotency_key, decode(body_hash, 'hex'), input, trace_id, $10, 'queued', $11, $11
   from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::json[], $9::text[])
     with ordinality as c (name, queue, operation, client, scopes, idempotency_key, body_hash, input, trace_id, position)
   order by position
   on conflict (client, idempotency_key) do nothing`,
)
const findByKey = statement<CommandRow>(
  'platform.find_commands_by_key',
  `select ${columns} from unnest($1::text[], $2::text[]) as asked (of_client, of_key)
   cross join lateral (select * from platform.command where client = of_client and idempotency_key = of_key offset 0) as command`,
)

/** Writes commands down; one whose key is known is answered with the command that has it. */
export async function enqueueCommands(context: WriteContext, commands: readonly NewCommand[]): Promise<(QueuedCommand | 'other_body')[]> {
  const keys = [commands.map((command) => command.client), commands.map((command) => command.idempotencyKey)]
  const [, rows] = await Promise.all([
    context.query(insert, [
      commands.map((command) => command.name),
      commands.map((command) => command.queue),
      commands.map((command) => command.operation),
      commands.map((command) => command.client),
      commands.map((command) => `{${command.scopes.map((scope) => JSON.stringify(scope)).join(',')}}`),
      commands.map((command) => command.idempotencyKey),
      commands.map((command) => command.bodyHash),
      commands.map((command) => JSON.stringify(command.input)),
      commands.map((command) => command.traceId),
      context.rehearsalId,
      context.now,
    ]),
    context.query(findByKey, keys),
  ])
  const byKey = new Map(rows.map((row) => [`${row.client}\n${row.idempotency_key}`, row]))
  return commands.map(({ client, idempotencyKey, bodyHash }) => {
    const row = byKey.get(`${client}\n${idempotencyKey}`)
    if (row === undefined) throw new Error('a command that was just written is not there')
    return row.body_hash === bodyHash ? viewOf(row) : 'other_body'
  })
}

export interface ClaimedCommand {
  readonly id: number
  readonly operation: string
  readonly client: string
  readonly scopes: readonly string[]
  readonly idempotencyKey: string
  readonly input: unknown
  readonly traceId: string
  readonly traffic: Traffic
  readonly rehearsalId: string | null
  readonly attempts: number
}

// A lease, not a lock: the command runs in transactions of another context, and no lock is held across them.
const claim = statement<Omit<ClaimedCommand, 'traffic'>>(
  'platform.claim_commands',
  `with due as materialized (
     select id from platform.command where state = 'queued' and queue = $1 and run_after <= $2 order by id limit $3 for update skip locked
   ), claimed as (
     update platform.command set run_after = $2::timestamptz + $4::integer * interval '1 millisecond', attempts = attempts + 1
     where id in (select id from due)
     returning id, operation, client, scopes, idempotency_key, input, trace_id, rehearsal_id, attempts
   )
   select id, operation, client, scopes, idempotency_key as "idempotencyKey", input, trace_id as "traceId", rehearsal_id as "rehearsalId", attempts
   from claimed order by id`,
)

export async function claimCommands(
  context: WriteContext,
  queue: string,
  { most, leaseMs }: { most: number; leaseMs: number },
): Promise<ClaimedCommand[]> {
  const rows = await context.query(claim, [queue, context.now, most, leaseMs])
  return rows.map((row) => ({ ...row, traffic: context.traffic }))
}

const count = statement<{ queue: string; client: string; waiting: number }>(
  'platform.count_commands',
  `select queue, client, count(*) as waiting from platform.command where state = 'queued' group by queue, client`,
)
export const countWaiting = (context: ReadContext) => context.query(count)

const finish = statement(
  'platform.finish_commands',
  `update platform.command set state = case when (ended.outcome ->> 'ok')::boolean then 'done' else 'refused' end, version = command.version + 1, outcome = ended.outcome, finished_at = $3
   from unnest($1::bigint[], $2::json[]) as ended (id, outcome) where command.id = ended.id and command.state = 'queued'`,
)

/** Writes down what became of commands; one that another worker has ended meanwhile keeps its first end. */
export function finishCommands(context: WriteContext, ended: readonly { id: number; outcome: Outcome<unknown> }[]): void {
  if (ended.length === 0) return
  context.defer(finish, [ended.map(({ id }) => id), ended.map(({ outcome }) => JSON.stringify(outcome)), context.now])
}

const postpone = statement(
  'platform.postpone_commands',
  `update platform.command set run_after = $3::timestamptz + later.ms * interval '1 millisecond'
   from unnest($1::bigint[], $2::integer[]) as later (id, ms) where command.id = later.id and command.state = 'queued'`,
)

export function postponeCommands(context: WriteContext, postponed: readonly { id: number; ms: number }[]): void {
  if (postponed.length === 0) return
  context.defer(postpone, [postponed.map(({ id }) => id), postponed.map(({ ms }) => ms), context.now])
}

const find = statement<CommandRow>('platform.find_commands', `select ${columns} from platform.command where name = any($1::text[])`)

/** Commands by the name their caller knows, with whose they are. */
export async function findCommands(
  context: ReadContext,
  names: readonly string[],
): Promise<Map<string, QueuedCommand & { client: string }>> {
  const rows = await context.query(find, [names])
  return new Map(rows.map((row) => [row.name, { ...viewOf(row), client: row.client }]))
}

const prune = statement<{ gone: number }>(
  'platform.prune_commands',
  `delete from platform.command where id = any(array(
     select id from platform.command where queued_at < $1 and state <> 'queued' limit 2000)) returning 1 as gone`,
)

/** Deletes ended commands that were queued before an instant, a slice at a time; returns how many went. */
export async function pruneCommands(context: WriteContext, before: Date): Promise<number> {
  return (await context.query(prune, [before])).length
}

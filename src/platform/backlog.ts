import type { Consumer } from '#platform/consumer.ts'
import { type ContextName, type Databases, type Scope, statement } from '#platform/database.ts'
import type { Relay } from '#platform/relay.ts'
import type { Traffic } from '#platform/request-context.ts'

/** What a consumer has still to take. */
export interface Backlog {
  readonly consumer: string
  /** How far it has read. */
  readonly cursor: number
  readonly waiting: number
  readonly parked: number
  readonly oldestAgeMs: number
}

/**
 * Whether nothing is on its way. Consumers are asked one beside the other, and an event may pass from one to the next between
 * two questions; so they are asked twice, and whatever passed meanwhile has moved a cursor.
 */
export async function isDrained(relay: Pick<Relay, 'backlog'>, traffic: Traffic): Promise<boolean> {
  const [before, after] = [await relay.backlog(traffic), await relay.backlog(traffic)]
  return after.every(({ waiting, cursor }, index) => waiting === 0 && before[index]?.waiting === 0 && before[index].cursor === cursor)
}

/** Several gauges ask for the backlog at each look at the metrics: those that ask while one looks share what it sees. No longer, for who looks twice wants to see twice. */
export function sharedBacklog(relay: Pick<Relay, 'backlog'>): Pick<Relay, 'backlog'> {
  const looking = new Map<Traffic, Promise<Backlog[]>>()
  return {
    backlog(traffic) {
      const shared = looking.get(traffic) ?? relay.backlog(traffic).finally(() => looking.delete(traffic))
      looking.set(traffic, shared)
      return shared
    },
  }
}

/** Where the consumers of a context stand, and how many of their events are parked. */
const standingStatement = (into: ContextName) =>
  statement<{ name: string; last_id: number; parked: number }>(
    `${into}.standing_of_consumers`,
    `select name, last_id, (select count(*)::int from ${into}.parked_event as parked where parked.consumer = consumer.name) as parked
     from ${into}.consumer`,
  )

/** What consumers with these cursors and types have still to take of an outbox, in the order in which they are asked for. */
const waitingStatement = (from: ContextName) =>
  statement<{ waiting: number; age_ms: number }>(
    `${from}.waiting_for_consumers`,
    `select open.waiting, open.age_ms
     from unnest($1::bigint[], $2::text[]) with ordinality as asked (cursor, types, position)
     cross join lateral (
       select count(*)::int as waiting, coalesce(extract(epoch from $3::timestamptz - min(occurred_at)) * 1000, 0)::float8 as age_ms
       from ${from}.outbox where id > asked.cursor and type = any(string_to_array(asked.types, ','))
     ) as open order by asked.position`,
  )

/** How far consumers have read, and how many of their events are parked, by name; one that never ran is absent. Plain reads: nobody waits for a batch at work. */
export async function standingOf(
  { of }: Pick<Databases, 'of'>,
  consumers: readonly Consumer[],
  scope: Scope,
): Promise<Map<string, { last_id: number; parked: number }>> {
  const standing = new Map<string, { last_id: number; parked: number }>()
  const read = async (into: ContextName): Promise<void> => {
    for (const row of await of(into).read(scope, (context) => context.query(standingStatement(into)))) standing.set(row.name, row)
  }
  await Promise.all([...new Set(consumers.map(({ into }) => into))].map(read))
  return standing
}

/**
 * Two statements for each context, whatever the number of consumers: one question for each of them would be hundreds at every look at the
 * metrics, and callers would wait behind them. Plain reads: looking must not wait for a consumer at work on its own row.
 */
export async function backlogOf({ of }: Databases, consumers: readonly Consumer[], scope: Scope): Promise<Backlog[]> {
  const standing = await standingOf({ of }, consumers, scope)
  const cursorOf = ({ name }: Consumer): number => standing.get(name)?.last_id ?? 0
  const waiting = new Map<string, { waiting: number; age_ms: number }>()
  const count = async (from: ContextName): Promise<void> => {
    const readers = consumers.filter((consumer) => consumer.from === from)
    const rows = await of(from).read(scope, (context) =>
      context.query(waitingStatement(from), [readers.map(cursorOf), readers.map(({ types }) => types.join()), context.now]),
    )
    rows.forEach((row, at) => waiting.set(readers[at]?.name ?? '', row))
  }
  await Promise.all([...new Set(consumers.map(({ from }) => from))].map(count))
  return consumers.map((consumer) => ({
    consumer: consumer.name,
    cursor: cursorOf(consumer),
    waiting: waiting.get(consumer.name)?.waiting ?? 0,
    parked: standing.get(consumer.name)?.parked ?? 0,
    oldestAgeMs: waiting.get(consumer.name)?.age_ms ?? 0,
  }))
}

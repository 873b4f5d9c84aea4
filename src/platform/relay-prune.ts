import { setTimeout as delay } from 'node:timers/promises'
import { standingOf } from '#platform/backlog.ts'
import type { Scope } from '#platform/database.ts'
import type { RelayOptions } from '#platform/relay.ts'
import { pruneStatement } from '#platform/relay-sql.ts'
import type { Traffic } from '#platform/request-context.ts'

/** The relay's own scope; a batch of a rehearsal runs under that rehearsal's. */
export const relayScope = (traffic: Traffic): Scope => ({ traffic, rehearsalId: traffic === 'shadow' ? 'relay' : null })

/** Deleted in one statement, with a rest behind it: 2,000 rows took PostgreSQL 20 ms, and callers waited for them every ten seconds. */
const mostAtOnce = 250
const restMs = 20

/** Deletes from each outbox what all of its consumers have taken, at most `most` events, and says how many. */
export async function pruneOutboxes(
  { databases, consumers, pressing }: Pick<RelayOptions, 'databases' | 'consumers' | 'pressing'>,
  traffic: Traffic,
  most: number,
): Promise<number> {
  let pruned = 0
  const scope = relayScope(traffic)
  const standing = await standingOf(databases, consumers, scope)
  for (const from of new Set(consumers.map((consumer) => consumer.from))) {
    const followers = consumers.filter((consumer) => consumer.from === from)
    const taken = Math.min(...followers.map(({ name }) => standing.get(name)?.last_id ?? 0))
    for (let left = taken > 0 ? most : 0; left > 0; left -= mostAtOnce) {
      // A rush has better uses for the disk; what is taken already can lie a while.
      if (pressing?.() === true) break
      const [row] = await databases
        .of(from)
        .write(scope, (context) => context.query(pruneStatement(from), [taken, Math.min(left, mostAtOnce)]))
      pruned += row?.pruned ?? 0
      if ((row?.pruned ?? 0) < mostAtOnce) break
      await delay(restMs)
    }
  }
  return pruned
}

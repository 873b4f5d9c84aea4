import type { Fulfilment, Promises } from '#fulfilment'
import type { Messaging } from '#messaging'
import type { Orders } from '#orders'
import type { Payments } from '#payments'
import { pruneCommands } from '#platform/command-store.ts'
import { type ContextName, contextNames, type Databases, statement } from '#platform/database.ts'
import type { Jobs } from '#platform/jobs.ts'
import type { Relay } from '#platform/relay.ts'
import type { Routing } from '#routing'
import { trackRounds } from './track-rounds.ts'

// The platform keeps what was accepted to be run later, and that has a round of its own.
const pruneIdempotency = new Map(
  contextNames
    .filter((context) => context !== 'platform')
    .map((context) => [
      context,
      statement(
        `${context}.prune_idempotency`,
        `delete from ${context}.idempotency where ctid = any(array(select ctid from ${context}.idempotency where created_at < $1 limit 2000)) returning 1 as gone`,
      ),
    ]),
)
/** Keys are promised for a day; a second one covers clocks and late retries. */
const idempotencyKeptMs = 48 * 3600 * 1000

interface Housekeeping extends HouseJobs {
  readonly payments: Payments
  readonly fulfilment: Fulfilment
  readonly routing: Routing
  readonly orders: Orders
  readonly confirmAfterMs: number
  readonly promises: Promises
}

/** What every composition has: an outbox, keys, webhooks, commands that wait. */
export interface HouseJobs {
  readonly relay: Relay
  readonly messaging: Messaging
  readonly databases: Databases
  /** Whose idempotency keys grow old here; all contexts unless told. */
  readonly contexts?: readonly ContextName[]
}

export function defineHouseJobs(jobs: Jobs, { relay, messaging, databases, contexts = contextNames }: HouseJobs): void {
  jobs.define('messaging.send_webhooks', async ({ scope }) => {
    // A round takes what is due; a backlog is worked off in one job instead of one slice a second.
    for (let rounds = 0; rounds < 50; rounds += 1) if (!(await messaging.sendDue(scope)).more) break
  })
  jobs.define('commands.prune', async ({ scope }) => {
    for (let gone = 1; gone > 0; ) {
      gone = await databases.of('platform').write(scope, (write) => pruneCommands(write, new Date(write.now.getTime() - idempotencyKeptMs)))
    }
  })
  jobs.define('outbox.prune', async ({ scope }) => {
    await relay.prune(scope.traffic)
  })
  jobs.define('idempotency.prune', async ({ scope }) => {
    for (const [context, prune] of pruneIdempotency) {
      if (!contexts.includes(context)) continue
      // In slices: after a day of rushes millions of keys fall due in one hour, and one delete of them would meet its time-out.
      for (let gone = 1; gone > 0; ) {
        const rows = await databases
          .of(context)
          .write(scope, (write) => write.query(prune, [new Date(write.now.getTime() - idempotencyKeptMs)]))
        gone = rows.length
      }
    }
  })
}

/** What the house does by itself, round after round, in each traffic. */
export function defineJobs(jobs: Jobs, house: Housekeeping): void {
  const { orders, payments, fulfilment, routing, databases, confirmAfterMs, promises } = house
  defineHouseJobs(jobs, house)
  jobs.define('fulfilment.expire_holds', async ({ scope }) => {
    for (let found = 1; found > 0; ) found = await databases.of('fulfilment').write(scope, (write) => fulfilment.expireHolds(write))
  })
  jobs.define('fulfilment.watch_promises', async ({ scope }) => {
    for (let found = 500; found === 500; )
      found = await databases.of('fulfilment').write(scope, (write) => fulfilment.watchPromises(write, promises))
  })
  jobs.define('routing.expire_holds', async ({ scope }) => {
    for (let ended = 1; ended > 0; ) ended = await databases.of('routing').write(scope, (write) => routing.expireHolds(write))
  })
  jobs.define('routing.open_days', async ({ scope }) => {
    await databases.of('routing').write(scope, (write) => routing.openDays(write))
  })
  jobs.define('routing.work_runs', async ({ scope }) => {
    await routing.runs.workDue(scope)
  })
  jobs.define('orders.confirm', async ({ scope }) => {
    // A page at a time, each its own transaction, until none is left that is old enough.
    for (let confirmed = 500; confirmed === 500; ) {
      confirmed = await databases
        .of('orders')
        .write(scope, (write) => orders.confirmDelivered(write, new Date(write.now.getTime() - confirmAfterMs)))
    }
  })
  jobs.define('payments.sweep', async ({ scope }) => {
    await payments.sweep(scope)
  })
}

// Ms between the starts of two. They are no multiples of each other: all at the same tenth of a second are a stall for whoever calls then.
const houseRounds: Readonly<Record<string, number>> = {
  'messaging.send_webhooks': 1_000,
  'outbox.prune': 9_700,
  'commands.prune': 3_600_000,
  'idempotency.prune': 3_600_000,
}

/** Rounds of tracking by itself. */
export async function startTrackRounds(jobs: Jobs): Promise<void> {
  await jobs.start()
  await Promise.all(Object.entries({ ...houseRounds, ...trackRounds }).map(([name, everyMs]) => jobs.every(name, everyMs)))
}

/** Starts the rounds; only in processes with the role `jobs`. */
export async function startRounds(jobs: Jobs): Promise<void> {
  await jobs.start()
  // All at once: a server that is started again in a rush shares its loop with callers who have waited, and each turn takes long.
  await Promise.all([
    ...Object.entries({ ...houseRounds, ...trackRounds }).map(([name, everyMs]) => jobs.every(name, everyMs)),
    jobs.every('payments.sweep', 1_900),
    jobs.every('orders.confirm', 3_600_000),
    jobs.every('fulfilment.expire_holds', 10_300),
    jobs.every('fulfilment.watch_promises', 31_000),
    jobs.every('routing.expire_holds', 11_300),
    jobs.every('routing.open_days', 3_600_000),
    jobs.every('routing.work_runs', 2_300),
  ])
}

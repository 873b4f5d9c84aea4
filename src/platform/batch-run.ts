import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import type { Breaker } from '#platform/aspects/breaker.ts'
import { findFirstAnswers, isKeyRace, type Keyed, keepAnswers, keyReused } from '#platform/aspects/idempotency.ts'
import type { Databases, Scope } from '#platform/database.ts'
import type { Asked, CommandOperation, Operation } from '#platform/operation.ts'
import type { Entry } from '#platform/operation-runner.ts'
import { runInContext, systemContext } from '#platform/request-context.ts'
import { isOperational } from '#platform/sql-retry.ts'

export interface BatchRun {
  readonly operation: Operation
  readonly scope: Scope
  readonly entries: readonly Entry[]
  readonly breaker: Breaker
  readonly databases: Databases
  readonly nowMs: () => number
  readonly log: { error(facts: object, message: string): void; warn(facts: object, message: string): void }
}

const racesBeforeGivingUp = 5

/**
 * Runs one batch of checked calls: deadline and breaker, then the body in one transaction with its idempotency keys.
 * A batch that fails for an unforeseen reason is run again one by one, so that one poisonous command fails alone.
 */
export async function runBatch(run: BatchRun): Promise<Outcome<unknown>[]> {
  const late = run.entries.map((entry) => entry.deadlineMs < run.nowMs())
  const inTime = run.entries.filter((_, index) => !late[index])
  const refusal = run.breaker.refusal()
  const outcomes = inTime.length === 0 || refusal ? inTime.map(() => refusal ?? tooLate()) : await runTogether({ ...run, entries: inTime })
  let next = 0
  return late.map((isLate) => (isLate ? tooLate() : (outcomes[next++] ?? tooLate())))
}

const tooLate = (): Outcome<never> =>
  refused('platform.deadline', 'The call waited too long and was not run; try again with the same idempotency key.', undefined, {
    retryAfterSeconds: 1,
  })

async function runTogether(run: BatchRun): Promise<Outcome<unknown>[]> {
  try {
    const outcomes = await runOnce(run)
    run.breaker.succeeded()
    return outcomes
  } catch (error) {
    if (isOperational(error)) {
      run.breaker.failed()
      run.log.warn({ err: error, ...about(run), entries: run.entries.length }, 'batch failed for an operational reason')
      return run.entries.map(() =>
        refused('platform.unavailable', 'The database can not be reached; try again with the same idempotency key.', undefined, {
          retryAfterSeconds: 1,
        }),
      )
    }
    if (run.entries.length === 1) {
      run.log.error({ err: error, ...about(run), commandId: run.entries[0]?.commandId }, 'operation broke')
      return [refused('platform.internal', 'Something broke on our side; it was logged under this trace id.')]
    }
    run.log.warn({ err: error, ...about(run), entries: run.entries.length }, 'batch broke; its entries run one by one')
    const outcomes: Outcome<unknown>[] = []
    for (const entry of run.entries) outcomes.push(...(await runTogether({ ...run, entries: [entry] })))
    return outcomes
  }
}

/** Said by the line itself: it is written when the batch is over, outside of any caller's context. */
const about = ({ operation, scope, entries }: BatchRun) => ({
  operation: operation.id,
  ...scope,
  traceId: entries[0]?.call.context.traceId,
})

function runOnce(run: BatchRun): Promise<Outcome<unknown>[]> {
  const { operation, scope, entries } = run
  // The batch has many callers; its context is that of the first, with the traffic that all of them share.
  const first = entries[0]?.call.context ?? systemContext('batch', scope.traffic, scope.rehearsalId)
  return runInContext(first, async () => {
    const database = run.databases.of(operation.context)
    if (operation.kind === 'query') {
      return database.read(scope, async (context) => checkLength(operation, entries, await operation.body(context, entries.map(askedOf))))
    }
    const repeatable = operation.idempotency === 'inherent' || entries.every((entry) => entry.keyed !== undefined)
    for (let race = 1; ; race += 1) {
      try {
        // Hopeful at first: most keys are new, and looking them up would cost every batch a round trip. Where one is not, its
        // insert fails, nothing of the batch was done, and the next try looks.
        return await database.write(scope, (context) => runCommands(operation, context, entries, race > 1), { repeatable })
      } catch (error) {
        if (!isKeyRace(error) || race >= racesBeforeGivingUp || !entries.some((entry) => entry.keyed !== undefined)) throw error
      }
    }
  })
}

const askedOf = (entry: Entry): Asked<never> => ({
  input: entry.call.input as never,
  actor: entry.call.context.actor,
  commandId: entry.commandId,
  traceId: entry.call.context.traceId,
})

function checkLength(operation: Operation, entries: readonly Entry[], outcomes: readonly Outcome<unknown>[]): Outcome<unknown>[] {
  if (outcomes.length !== entries.length) throw new Error(`${operation.id} answered ${outcomes.length} of ${entries.length}`)
  return [...outcomes]
}

async function runCommands(
  operation: CommandOperation,
  context: Parameters<CommandOperation['body']>[0],
  entries: readonly Entry[],
  lookUp: boolean,
): Promise<Outcome<unknown>[]> {
  const keyed = entries.flatMap((entry) => (entry.keyed === undefined ? [] : [entry.keyed]))
  if (keyed.length === 0) return checkLength(operation, entries, await operation.body(context, entries.map(askedOf)))
  const answered = lookUp ? await findFirstAnswers(context, operation.context, keyed) : new Map<string, Outcome<unknown>>()
  // The same key twice in one batch: the first entry runs, the others share its answer if their body is the same.
  const runners = new Map<string, Keyed>()
  const fresh = entries.filter((entry) => {
    if (entry.keyed === undefined) return true
    const id = idOf(entry.keyed)
    if (answered.has(id) || runners.has(id)) return false
    runners.set(id, entry.keyed)
    return true
  })
  const results = fresh.length === 0 ? [] : checkLength(operation, fresh, await operation.body(context, fresh.map(askedOf)))
  keepAnswers(
    context,
    operation.context,
    fresh.flatMap((entry, index) => {
      const result = results[index]
      return entry.keyed !== undefined && result?.ok ? [{ keyed: entry.keyed, value: result.value }] : []
    }),
  )
  // A refusal keeps no key, so it has not met the first answer yet: a repeated cancel must hear "cancelled" again, not "too late".
  const refusedKeys = lookUp
    ? []
    : fresh.flatMap((entry, index) => (entry.keyed !== undefined && results[index]?.ok === false ? [entry.keyed] : []))
  if (refusedKeys.length > 0)
    for (const [id, answer] of await findFirstAnswers(context, operation.context, refusedKeys)) answered.set(id, answer)
  const resultOf = new Map(fresh.map((entry, index) => [entry.keyed === undefined ? entry : idOf(entry.keyed), results[index]]))
  return entries.map((entry) => {
    if (entry.keyed === undefined) return resultOf.get(entry) ?? accepted(null)
    const id = idOf(entry.keyed)
    const before = answered.get(id)
    if (before !== undefined) return before
    if (runners.get(id)?.bodyHash !== entry.keyed.bodyHash) return keyReused()
    return resultOf.get(id) ?? accepted(null)
  })
}

const idOf = ({ client, key }: Keyed): string => `${client}\n${key}`

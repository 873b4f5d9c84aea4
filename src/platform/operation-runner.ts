import { hash } from 'node:crypto'
import { type Outcome, type Refusal, refused } from '#kernel/outcome.ts'
import { audit } from '#platform/aspects/audit.ts'
import { authorise } from '#platform/aspects/authorisation.ts'
import { Breaker } from '#platform/aspects/breaker.ts'
import { hashBody, type Keyed } from '#platform/aspects/idempotency.ts'
import { Limits, type Rate } from '#platform/aspects/limits.ts'
import { compileValidation, type Validate } from '#platform/aspects/validation.ts'
import { runBatch } from '#platform/batch-run.ts'
import { Batcher } from '#platform/batcher.ts'
import type { Databases } from '#platform/database.ts'
import type { Operation } from '#platform/operation.ts'
import { type RequestContext, runInContext, type Traffic } from '#platform/request-context.ts'
import type { Traces } from '#platform/traces.ts'

/** One call of an operation, from whatever way in. */
export interface Call {
  readonly context: RequestContext
  readonly input: unknown
  readonly idempotencyKey?: string | undefined
}

export interface Runner {
  readonly operations: readonly Operation[]
  /** Runs one call through all aspects. Never rejects for what a caller can cause. */
  run(operationId: string, call: Call): Promise<Outcome<unknown>>
  /**
   * Runs many calls of one client as the batch twin does: one outcome each, in order; a bad one fails alone. `admitted`: they
   * were let in before and have waited since, so they are not counted against limits again.
   */
  runMany(operationId: string, calls: readonly Call[], options?: { readonly admitted?: boolean }): Promise<Outcome<unknown>[]>
  /** What can be refused before anything is touched: authorisation, validation, limits, a missing key. undefined: let in. */
  admit(operationId: string, call: Call): Refusal | undefined
  /** Whether a rush of high-priority callers is on: what unhurried work makes room for. */
  pressing(): boolean
  /** Waits until no batch waits or is under way. */
  drain(): Promise<void>
}

export interface RunnerOptions {
  readonly operations: readonly Operation[]
  readonly databases: Databases
  readonly standardLimit: Rate
  /** Rates by limit key that win over those of operations. */
  readonly limits?: ReadonlyMap<string, Rate>
  readonly nowMs: () => number
  readonly log: {
    error(facts: object, message: string): void
    warn(facts: object, message: string): void
    info(facts: object, message: string): void
  }
  readonly observe?: (operation: Operation, context: RequestContext, outcome: string, seconds: number) => void
  /** A span for each call, in the caller's trace. */
  readonly traces?: Pick<Traces, 'span'>
  readonly observeBatch?: (operation: Operation, traffic: Traffic, size: number) => void
}

/** An entry on its way through the batcher: checked, so that only the body can still refuse it. */
export interface Entry {
  readonly call: Call
  readonly commandId: string
  readonly keyed: Keyed | undefined
  readonly deadlineMs: number
}

interface Prepared {
  readonly operation: Operation
  readonly validate: Validate
  readonly batchers: Map<string, Batcher<Entry, Outcome<unknown>>>
  readonly breakers: Map<string, Breaker>
}

const deadlineMs = 15_000
/** At 400 requests/s about two callers wait at any moment; sixteen are a rush. */
const rushOfCallers = 16
/** So are this many commands, of however few callers; one who moves twenty waybills at once is none. */
const rushOfCommands = 512
/** A rush is over when it has not been seen for this long: right after each large batch, for a moment, nobody waits. */
const rushLastsMs = 250
const mostWaitingBatches = 64

/**
 * Puts the aspects around every operation, in one fixed order: context and authentication (done by the way in) →
 * authorisation → validation → limits → idempotency → batching → breaker and deadline → body → audit → metrics.
 */
export function openRunner(options: RunnerOptions): Runner {
  const limits = new Limits({
    standard: options.standardLimit,
    nowMs: options.nowMs,
    ...(options.limits === undefined ? {} : { set: options.limits }),
  })
  const prepared = new Map<string, Prepared>()
  for (const operation of options.operations) {
    if (prepared.has(operation.id)) throw new Error(`operation ${operation.id} is declared twice`)
    prepared.set(operation.id, {
      operation,
      validate: compileValidation(operation.input),
      batchers: new Map(),
      breakers: new Map(),
    })
  }
  const preparedOf = (id: string): Prepared => {
    const found = prepared.get(id)
    if (found === undefined) throw new Error(`no operation ${id}`)
    return found
  }

  // The caller's own rate comes first: who floods must not use up what all of the lowest priority share.
  const limitedOf = ({ operation }: Prepared, context: RequestContext): Refusal | undefined =>
    limits.take(operation, context) ?? (operation.priority === 'lowest' && pressing() ? limits.takeInRush(context) : undefined)

  /** What can be refused before anything is touched. */
  const check = (part: Prepared, call: Call, limited = () => limitedOf(part, call.context)): Refusal | Entry => {
    const { operation, validate } = part
    const refusal = authorise(operation, call.context.actor) ?? validate(call.input) ?? limited()
    if (refusal !== undefined) return refusal
    const now = options.nowMs()
    if (operation.kind === 'query' || operation.idempotency === 'inherent' || call.idempotencyKey === undefined) {
      if (operation.kind === 'command' && operation.idempotency === 'required') {
        return refused(
          'platform.idempotency_key_required',
          'Send an Idempotency-Key that is new for this command, such as a UUID.',
          'Idempotency-Key',
        )
      }
      return { call, commandId: nameOf(call), keyed: undefined, deadlineMs: now + deadlineMs }
    }
    const { idempotencyKey: key } = call
    if (!/^[\x21-\x7e]{1,128}$/.test(key)) {
      return refused('platform.invalid_input', 'An idempotency key has 1 to 128 visible ASCII characters.', 'Idempotency-Key')
    }
    const keyed: Keyed = { client: call.context.actor.id, key, operation: operation.id, bodyHash: hashBody(operation.id, call.input) }
    return { call, commandId: key, keyed, deadlineMs: now + deadlineMs }
  }

  /** How the calls of one request are counted; undefined: each by itself. */
  const countOf = (part: Prepared, [first]: readonly Call[], admitted: boolean): (() => Refusal | undefined) | undefined => {
    if (admitted) return () => undefined
    if (part.operation.limit?.counts !== 'requests' || first === undefined) return undefined
    // At the first call that comes as far as this, so that a request that is refused for other reasons is not counted.
    let told: { readonly refusal: Refusal | undefined } | undefined
    return () => (told ??= { refusal: limitedOf(part, first.context) }).refusal
  }

  const batcherOf = (part: Prepared, context: RequestContext): Batcher<Entry, Outcome<unknown>> => {
    const key = `${context.traffic} ${context.rehearsalId ?? ''}`
    let batcher = part.batchers.get(key)
    if (batcher === undefined) {
      const { operation } = part
      const scope = { traffic: context.traffic, rehearsalId: context.rehearsalId }
      const breaker = new Breaker({ failuresToOpen: 5, openForMs: 2_000, nowMs: options.nowMs })
      part.breakers.set(key, breaker)
      batcher = new Batcher({
        largest: operation.batch.largest,
        longestWaitMs: operation.batch.longestWaitMs,
        concurrent: operation.batch.concurrent ?? 2,
        mostWaiting: operation.batch.largest * mostWaitingBatches,
        run: (entries) => {
          options.observeBatch?.(operation, scope.traffic, entries.length)
          return runBatch({ operation, scope, entries, breaker, ...options })
        },
      })
      part.batchers.set(key, batcher)
    }
    return batcher
  }

  const finish = (operation: Operation, call: Call, started: number, outcome: Outcome<unknown>): Outcome<unknown> => {
    audit(options.log, operation, call, outcome)
    options.observe?.(operation, call.context, outcome.ok ? 'ok' : outcome.error.code, (performance.now() - started) / 1000)
    return outcome
  }

  /** Callers of high-priority operations who have no answer yet, and their commands. */
  let highCallers = 0
  let highCommands = 0
  let rushAtMs = Number.NEGATIVE_INFINITY
  const noteRush = (): void => {
    if (highCallers >= rushOfCallers || highCommands >= rushOfCommands) rushAtMs = performance.now()
  }
  const pressing = (): boolean => {
    // Not at the moment of a call alone: a large batch that is long under way is a rush all that time.
    noteRush()
    return performance.now() - rushAtMs < rushLastsMs
  }
  const asCaller = async <T>({ priority }: Operation, commands: number, answer: () => Promise<T>): Promise<T> => {
    if (priority !== 'high') return answer()
    highCallers += 1
    highCommands += commands
    noteRush()
    try {
      return await answer()
    } finally {
      highCallers -= 1
      highCommands -= commands
    }
  }
  const enter = (part: Prepared, entry: Entry): Promise<Outcome<unknown>> =>
    batcherOf(part, entry.call.context).add(entry) ?? Promise.resolve(overloaded())

  const overloaded = (): Outcome<never> =>
    refused('platform.overloaded', 'Too many calls are waiting; try again with the same idempotency key.', undefined, {
      retryAfterSeconds: 1,
    })

  return {
    operations: options.operations,
    async run(operationId, call) {
      const started = performance.now()
      const part = preparedOf(operationId)
      const entry = check(part, call)
      if ('ok' in entry) return finish(part.operation, call, started, entry)
      const queued = () => asCaller(part.operation, 1, () => enter(part, entry))
      const { traces } = options
      const outcome = await (traces === undefined
        ? queued()
        : runInContext(call.context, () => traces.span(operationId, { 'throughline.command_id': entry.commandId }, queued)))
      return finish(part.operation, call, started, outcome)
    },
    admit(operationId, call) {
      const entry = check(preparedOf(operationId), call)
      return 'ok' in entry ? entry : undefined
    },
    async runMany(operationId, calls, { admitted = false } = {}) {
      const started = performance.now()
      const part = preparedOf(operationId)
      const limited = countOf(part, calls, admitted)
      const outcomes = await asCaller(part.operation, calls.length, () =>
        Promise.all(
          calls.map((call) => {
            const entry = check(part, call, limited)
            return 'ok' in entry ? Promise.resolve(entry) : enter(part, entry)
          }),
        ),
      )
      calls.forEach((call, index) => {
        finish(part.operation, call, started, outcomes[index] ?? overloaded())
      })
      return outcomes
    },
    pressing,
    async drain() {
      for (const { batchers } of prepared.values()) await Promise.all([...batchers.values()].map((batcher) => batcher.drain()))
    },
  }
}

/** A command that repeats itself by its input keeps no key; its key is its name all the same, so that its repetition has the same one. */
function nameOf(call: Call): string {
  const { idempotencyKey: key } = call
  if (key === undefined || key === '') return commandIdOf(call)
  return /^[\x21-\x7e]{1,128}$/.test(key) ? key : `sha256:${hash('sha256', key, 'hex')}`
}

// A counter under a random start is as good as a UUID for naming a command in the log, and twenty times as cheap.
const runOfProcess = crypto.randomUUID().slice(0, 13)
let commandsMade = 0
function commandIdOf(call: Call): string {
  commandsMade += 1
  return `${call.context.actor.id}/${runOfProcess}-${commandsMade}`
}

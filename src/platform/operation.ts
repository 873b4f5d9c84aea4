import type { Static, TSchema } from 'typebox'
import type { Outcome } from '#kernel/outcome.ts'
import type { ContextName, ReadContext, WriteContext } from '#platform/database.ts'
import type { Actor } from '#platform/request-context.ts'

/** One command (or question) of a batch, with what its body may know about who asked. */
export interface Asked<Input> {
  readonly input: Input
  readonly actor: Actor
  /** Id of this command: the idempotency key where there is one, else made by the runner. Written to change logs as the cause. */
  readonly commandId: string
  readonly traceId: string
}

interface AnyOperation<I extends TSchema, O extends TSchema> {
  /** `context.verb`, such as `orders.place`. */
  readonly id: string
  readonly context: ContextName
  readonly summary: string
  readonly input: I
  readonly output: O
  /** Scopes of which the actor needs one; empty means open to all (public links). */
  readonly scopes: readonly string[]
  /** Where it is mounted: path parameters and query fields are merged into the input. Batch twin at `${path}/batch` when largestBatch > 1. */
  readonly http: {
    readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
    readonly path: string
    readonly status?: number
    /** null: no batch twin. */
    readonly batchPath?: string | null
    /**
     * The body is not JSON of ours but something signed as it is, such as a webhook: the input is the path's parameters,
     * `headers` by lower-case name (credentials left out), and `body` as text. There is no batch twin.
     */
    readonly raw?: true
  }
  readonly batch: {
    /** Most commands in one call of the body (and so in one transaction). */
    readonly largest: number
    /** How long a single command may wait for company, ms. 0 runs as soon as the previous batch has left. */
    readonly longestWaitMs: number
    /** How many batches of this operation may be in flight at once in this process. */
    readonly concurrent?: number
    /** Most commands in one request to the batch twin; 5000 unless told. */
    readonly largestRequest?: number
  }
  /** How often one client may ask; absent: the configured default. */
  readonly limit?: {
    readonly perSecond: number
    readonly burst: number
    /** Operations with one key share a rate, which LIMITS can set by it; the operation's id unless told. */
    readonly key?: string
    /** Whose rate it is: `merchant` is the one that the actor's scope `merchant:…` names, whatever key it comes with; else the client's. */
    readonly per?: string
    /** What is counted: each command of a batch, or the request as one. Commands unless told. */
    readonly counts?: 'requests'
  }
  /** While callers of high ones queue, the lowest share a small rate; what is beyond it is answered 429. */
  readonly priority: 'high' | 'normal' | 'low' | 'lowest'
  /** Every code that the body may return, with its HTTP status. */
  readonly errors: Readonly<Record<string, number>>
}

export interface CommandOperation<I extends TSchema = TSchema, O extends TSchema = TSchema> extends AnyOperation<I, O> {
  readonly kind: 'command'
  /** Required: callers must send an Idempotency-Key; optional: it is honoured when sent; inherent: the input itself makes it repeatable. */
  readonly idempotency: 'required' | 'optional' | 'inherent'
  /** Whether each call leaves an audit line. */
  readonly audited?: boolean
  /** Set-based body: as many outcomes as commands, in the same order, in the one transaction it is given. */
  readonly body: (context: WriteContext, asked: readonly Asked<Static<I>>[]) => Promise<readonly Outcome<Static<O>>[]>
}

export interface QueryOperation<I extends TSchema = TSchema, O extends TSchema = TSchema> extends AnyOperation<I, O> {
  readonly kind: 'query'
  readonly body: (context: ReadContext, asked: readonly Asked<Static<I>>[]) => Promise<readonly Outcome<Static<O>>[]>
}

// biome-ignore lint/suspicious/noExplicitAny: a table of operations holds many input and output types at once; each was checked where it was defined
export type Operation = CommandOperation<any, any> | QueryOperation<any, any>

export function command<I extends TSchema, O extends TSchema>(operation: Omit<CommandOperation<I, O>, 'kind'>): CommandOperation<I, O> {
  return { ...operation, kind: 'command' }
}

export function query<I extends TSchema, O extends TSchema>(operation: Omit<QueryOperation<I, O>, 'kind'>): QueryOperation<I, O> {
  return { ...operation, kind: 'query' }
}

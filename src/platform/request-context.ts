import { AsyncLocalStorage } from 'node:async_hooks'

/** Whether work is real or a rehearsal. It picks the database, the role, the counters and the outside world. */
export type Traffic = 'live' | 'shadow'
export const bothTraffics: readonly Traffic[] = ['live', 'shadow']

/** Who asks: an API key's client, a partner, a member of staff, or the system itself. */
export interface Actor {
  /** Stable id, such as `key:storefront` or `system:relay`. Written to change logs. */
  readonly id: string
  readonly scopes: readonly string[]
}

/** Whose an actor is: its scope `merchant:bakery` says that it is the merchant bakery's, and sees nothing of any other. */
export function ownScopeOf({ scopes }: Actor, kind: string): string | undefined {
  return scopes.find((scope) => scope.startsWith(`${kind}:`))?.slice(kind.length + 1)
}

/**
 * What every request, message and job knows about itself. It travels by async context inside the process and by
 * signed header, outbox row and job data between processes.
 */
export interface RequestContext {
  readonly traffic: Traffic
  /** Set exactly when traffic is shadow. */
  readonly rehearsalId: string | null
  readonly actor: Actor
  /** W3C trace id, 32 hex digits. */
  readonly traceId: string
}

const storage = new AsyncLocalStorage<RequestContext>()

export function runInContext<T>(context: RequestContext, work: () => T): T {
  return storage.run(context, work)
}

/** The context of the work under way, or undefined outside of any (process start, tests of pure code). */
export function currentContext(): RequestContext | undefined {
  return storage.getStore()
}

export function systemContext(part: string, traffic: Traffic = 'live', rehearsalId: string | null = null): RequestContext {
  return { traffic, rehearsalId, actor: { id: `system:${part}`, scopes: ['*'] }, traceId: newTraceId() }
}

export function newTraceId(): string {
  return crypto.randomUUID().replaceAll('-', '')
}

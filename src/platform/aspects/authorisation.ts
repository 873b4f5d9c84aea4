import { type Refusal, refused } from '#kernel/outcome.ts'
import type { Operation } from '#platform/operation.ts'
import type { Actor } from '#platform/request-context.ts'

/** Who may: the actor needs one of the operation's scopes; an operation without scopes is open. `*` is the system itself. */
export function authorise(operation: Operation, actor: Actor): Refusal | undefined {
  if (operation.scopes.length === 0 || actor.scopes.includes('*')) return undefined
  if (operation.scopes.some((scope) => actor.scopes.includes(scope))) return undefined
  if (actor.id === 'anonymous') {
    return refused('platform.not_authenticated', 'Send an API key as "Authorization: Bearer tl_…".', 'Authorization')
  }
  return refused('platform.not_authorised', `${operation.id} needs one of the scopes ${operation.scopes.join(', ')}.`, 'Authorization')
}

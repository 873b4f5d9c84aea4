/**
 * The one table that says which database errors are the world's and pass by. `always`: the server rolled the transaction
 * back, so running it again is safe. `if_repeatable`: the connection broke, the commit may have happened; only work that
 * notices its own earlier run may go again.
 */
const rules: Readonly<Record<string, 'always' | 'if_repeatable'>> = {
  '40001': 'always', // serialization_failure
  '40P01': 'always', // deadlock_detected
  '23P01': 'always', // exclusion_violation: two chose the same room for overlapping times at once; who comes second looks again
  '55P03': 'always', // lock_not_available
  '53300': 'always', // too_many_connections: refused before anything ran
  '57P03': 'always', // cannot_connect_now: server is starting up or in recovery
  ECONNREFUSED: 'always',
  // The same of a socket file: it is gone, or more callers knock at once than it holds.
  ENOENT: 'always',
  EAGAIN: 'always',
  '57P01': 'if_repeatable', // admin_shutdown
  '57P02': 'if_repeatable', // crash_shutdown
  '08000': 'if_repeatable',
  '08003': 'if_repeatable',
  '08006': 'if_repeatable', // connection_failure
  ECONNRESET: 'if_repeatable',
  EPIPE: 'if_repeatable',
  ETIMEDOUT: 'if_repeatable',
}

export type RetryRule = 'always' | 'if_repeatable' | 'never'

export function retryRuleOf(error: unknown): RetryRule {
  if (!(error instanceof Error)) return 'never'
  const code = (error as { code?: unknown }).code
  if (typeof code === 'string' && code in rules) return rules[code] ?? 'never'
  // pg reports a connection that ended in mid-query, or between two, by message only.
  if (/Connection terminated|not queryable|connection timeout|timeout exceeded when trying to connect/i.test(error.message))
    return 'if_repeatable'
  return 'never'
}

/** True for errors of the world (time-out, lost connection, overload, another engine that is away), which callers may meet with a retry later. */
export function isOperational(error: unknown): boolean {
  if (retryRuleOf(error) !== 'never') return true
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined
  return code === '57014' || code === '53100' || code === '53200' || code === 'ENGINE_AWAY'
}

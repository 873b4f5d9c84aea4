/** Errors after which it is certain that no request left: there was nobody to send it to. */
const neverSent = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT'])

/** How a call to a partner ended without an answer. */
export interface CallFailure {
  /** `unknown`: it may have been carried there. */
  readonly failed: 'never_sent' | 'unknown'
  readonly reason: string
}

/** Reads an error of a client over the network. A connection that was reset or timed out may have carried the request; only "nobody listened" is certain. */
export function failureOf(error: unknown): CallFailure {
  const reason = codeOf(error)
  return { failed: neverSent.has(reason) ? 'never_sent' : 'unknown', reason }
}

/** Clients wrap the network's error: the code is on it, on its cause or detail, or on one of several when it tried several addresses. */
function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'error'
  if (error.name === 'TimeoutError') return 'timeout'
  type Wrapped = { code?: unknown; cause?: unknown; detail?: unknown; errors?: unknown }
  let looked: Wrapped | undefined = error
  // Four wraps at most: an error that names itself as its cause must not hold us.
  for (let depth = 0; depth < 4 && looked !== undefined && looked !== null; depth += 1) {
    if (typeof looked.code === 'string' && looked.code !== '') return looked.code
    const next: unknown = looked.cause ?? looked.detail ?? (Array.isArray(looked.errors) ? looked.errors[0] : undefined)
    looked = typeof next === 'object' ? (next as Wrapped) : undefined
  }
  return error.name
}

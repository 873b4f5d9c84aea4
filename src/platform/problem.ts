import type { Failure } from '#kernel/outcome.ts'
import type { Operation } from '#platform/operation.ts'

/** A failure as RFC 9457 problem details, with our code, the field at fault and the trace to ask us about. */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: string
  readonly field?: string
  readonly traceId: string
  readonly facts?: Failure['facts']
}

/** What any operation may answer, besides its own errors. */
export const platformErrors: Readonly<Record<string, number>> = {
  'platform.invalid_input': 400,
  'platform.malformed_body': 400,
  'platform.body_too_large': 413,
  'platform.unsupported_media_type': 415,
  'platform.not_authenticated': 401,
  'platform.not_authorised': 403,
  'platform.shadow_refused': 401,
  'platform.no_such_route': 404,
  'platform.idempotency_key_required': 400,
  'platform.idempotency_key_reused': 422,
  'platform.batch_too_large': 413,
  'platform.limited': 429,
  'platform.overloaded': 503,
  'platform.queue_full': 503,
  'platform.no_such_operation': 404,
  'platform.unavailable': 503,
  'platform.deadline': 503,
  'platform.internal': 500,
}

const titles: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  409: 'Conflict',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  422: 'Unprocessable Content',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
}

export function statusOf(failure: Failure, operation?: Operation): number {
  return operation?.errors[failure.code] ?? platformErrors[failure.code] ?? 500
}

export function problemOf(failure: Failure, status: number, traceId: string): Problem {
  return {
    type: `urn:throughline:error:${failure.code}`,
    title: titles[status] ?? 'Error',
    status,
    detail: failure.detail,
    code: failure.code,
    ...(failure.field === undefined ? {} : { field: failure.field }),
    traceId,
    ...(failure.facts === undefined ? {} : { facts: failure.facts }),
  }
}

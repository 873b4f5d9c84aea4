import { failureOf } from '#partners/call-failure.ts'

/** As much of Mercado Pago's payment as we read (v1/payments). Amounts are decimals. */
export interface MercadoPagoPayment {
  readonly id: number
  readonly status: string
  readonly status_detail?: string
  readonly external_reference?: string
  readonly transaction_amount?: number
  readonly currency_id?: string
  readonly captured?: boolean
  readonly metadata?: { readonly amount_minor?: number }
  readonly three_ds_info?: { readonly external_resource_url?: string; readonly creq?: string } | null
  readonly point_of_interaction?: { readonly transaction_data?: { readonly qr_code?: string; readonly ticket_url?: string } } | null
}

export interface MercadoPagoRefund {
  readonly id: number
  readonly status?: string
  readonly amount?: number
  readonly date_created?: string
}

interface ErrorBody {
  readonly message?: string
  readonly error?: string
  readonly cause?: readonly { readonly code?: number | string; readonly description?: string }[]
}

export type Answered<T> =
  | { readonly kind: 'ok'; readonly body: T }
  /** Refused before anything was done. */
  | { readonly kind: 'refused'; readonly reason: string; readonly status: number }
  /** Not looked at, or nobody was there. */
  | { readonly kind: 'not_done'; readonly reason: string }
  | { readonly kind: 'unknown'; readonly reason: string }

export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT'
  readonly path: string
  readonly accessToken: string
  readonly key?: string
  readonly body?: object
}

export interface MercadoPagoApi {
  /** `isWhole` tells whether the answer is what was asked for: a page of a proxy is not. */
  call<T>(call: Call, isWhole: (body: Partial<T>) => boolean): Promise<Answered<T>>
}

/**
 * Plain fetch: the official SDK has its address built in, so it can not be pointed at another server, and repeats calls by
 * itself. What it would save is one POST with three headers.
 */
export function openMercadoPagoApi({ baseUrl, timeoutMs }: { baseUrl: string; timeoutMs: number }): MercadoPagoApi {
  const root = baseUrl.replace(/\/+$/, '')
  return {
    async call<T>({ method, path, accessToken, key, body }: Call, isWhole: (body: Partial<T>) => boolean): Promise<Answered<T>> {
      try {
        const response = await fetch(root + path, {
          method,
          signal: AbortSignal.timeout(timeoutMs),
          headers: {
            authorization: `Bearer ${accessToken}`,
            ...(key === undefined ? {} : { 'x-idempotency-key': key }),
            ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          },
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        })
        return answeredOf(response.status, readJson(await response.text()), isWhole)
      } catch (error) {
        const { failed, reason } = failureOf(error)
        return { kind: failed === 'never_sent' ? 'not_done' : 'unknown', reason }
      }
    },
  }
}

function answeredOf<T>(status: number, body: object | undefined, isWhole: (body: Partial<T>) => boolean): Answered<T> {
  if (status >= 200 && status < 300) {
    return body !== undefined && isWhole(body)
      ? { kind: 'ok', body: body as T }
      : { kind: 'unknown', reason: `unreadable answer ${status}` }
  }
  const { message, error, cause } = (body ?? {}) as ErrorBody
  const reason = String(cause?.[0]?.code ?? error ?? message ?? `answer ${status}`)
  if (status === 401 || status === 403 || status === 429) return { kind: 'not_done', reason }
  // 409: the key was used before, for something else or by a call under way.
  return status >= 400 && status < 500 && status !== 409 ? { kind: 'refused', reason, status } : { kind: 'unknown', reason }
}

function readJson(text: string): object | undefined {
  try {
    const read: unknown = JSON.parse(text)
    return typeof read === 'object' && read !== null ? read : undefined
  } catch {
    return undefined
  }
}

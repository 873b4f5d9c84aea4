import type { ChargeCall, FollowUpCall, PaymentGateway, QueryCall } from '#payments'
import { openSandboxWebhook } from './webhook-signature.ts'
import { chargeResultOf, queryResultOf, refundResultOf, type WireAnswer, type WireBody } from './wire.ts'

export interface SandboxAdapterOptions {
  readonly name: string
  /** Such as `http://127.0.0.1:4010`. */
  readonly baseUrl: string
  readonly timeoutMs: number
  readonly webhookSecret: string
}

/** Errors after which it is certain that no request left: there was nobody to send it to. */
const neverSent = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT'])

type Sent = { readonly answer: WireAnswer } | { readonly failed: 'never_sent' | 'unknown'; readonly reason: string }

/** The sandbox PG over real HTTP, with kept-alive connections (those of Node's fetch) and a time-out on every call. */
export function openSandboxAdapter(options: SandboxAdapterOptions): PaymentGateway {
  const { name, timeoutMs, webhookSecret } = options
  const baseUrl = options.baseUrl.replace(/\/+$/, '')

  const send = async (method: 'GET' | 'POST', path: string, body?: object): Promise<Sent> => {
    try {
      const response = await fetch(baseUrl + path, {
        method,
        signal: AbortSignal.timeout(timeoutMs),
        ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
      })
      return { answer: { httpStatus: response.status, body: await readBody(response) } }
    } catch (error) {
      const code = codeOf(error)
      // A connection that was reset or timed out may have carried the request there: only "nobody listened" is certain.
      return neverSent.has(code) ? { failed: 'never_sent', reason: code } : { failed: 'unknown', reason: code }
    }
  }

  const charge = async (call: ChargeCall, capture: boolean) => {
    const { key, token, amountMinor, currency, reference, traffic } = call
    const sent = await send('POST', '/charges', { key, token, amountMinor, currency, reference, traffic, capture })
    if ('answer' in sent) return chargeResultOf(sent.answer, call)
    return { outcome: sent.failed === 'never_sent' ? ('unreachable' as const) : ('unknown' as const), reason: sent.reason }
  }
  const followUp = (path: string, { key, gatewayRef, amountMinor, currency, traffic }: FollowUpCall): Promise<Sent> =>
    send('POST', path, { key, chargeRef: gatewayRef, amountMinor, currency, traffic })
  // A refund that was never sent stays unknown: it is sent again under the same key, so there is nothing to decide.
  const giveBack = async (path: string, call: FollowUpCall) => {
    const sent = await followUp(path, call)
    return 'answer' in sent ? refundResultOf(sent.answer, call) : { outcome: 'unknown' as const, reason: sent.reason }
  }
  const ask = async <Result extends { outcome: string }>(
    path: string,
    call: QueryCall,
    read: (answer: WireAnswer, call: QueryCall) => Result,
  ) => {
    const sent = await send('GET', `${path}/${encodeURIComponent(call.key)}`)
    return 'answer' in sent
      ? queryResultOf(sent.answer, (answer) => read(answer, call))
      : { outcome: 'not_answered' as const, reason: sent.reason }
  }

  return {
    name,
    charge: (call) => charge(call, true),
    authorize: (call) => charge(call, false),
    async capture(call) {
      const sent = await followUp('/captures', call)
      return 'answer' in sent ? chargeResultOf(sent.answer, call) : { outcome: 'unknown', reason: sent.reason }
    },
    void: (call) => giveBack('/voids', call),
    refund: (call) => giveBack('/refunds', call),
    queryCharge: (call) => ask('/charges', call, chargeResultOf),
    queryRefund: (call) => ask('/refunds', call, refundResultOf),
    openWebhook: (envelope, now) => openSandboxWebhook(webhookSecret, envelope, now),
  }
}

async function readBody(response: Response): Promise<WireBody | undefined> {
  const text = await response.text()
  try {
    const body = JSON.parse(text) as Partial<WireBody> | null
    return typeof body?.status === 'string' ? (body as WireBody) : undefined
  } catch {
    return undefined
  }
}

/** Fetch wraps the network's error: the code is on its cause, or on one of several when it tried several addresses. */
function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'error'
  if (error.name === 'TimeoutError') return 'timeout'
  const cause = error.cause as { code?: unknown; errors?: { code?: unknown }[] } | undefined
  const code = cause?.code ?? cause?.errors?.[0]?.code
  return typeof code === 'string' ? code : error.name
}

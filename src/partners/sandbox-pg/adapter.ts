import type { ChargeCall, FollowUpCall, PaymentGateway } from '#payments'
import type { SandboxMovement } from './movements.ts'
import { profileOf, type SandboxProfile } from './profiles.ts'
import { readSandboxSettlement } from './read-settlement.ts'
import { verifySandboxWebhook } from './webhook-signature.ts'
import {
  bindResultOf,
  chargeResultOf,
  followUpResultOf,
  queryResultOf,
  type SandboxFollowUpKind,
  type WireAnswer,
  type WireBody,
  type WireCharge,
} from './wire.ts'
import { type CallFailure, failureOf } from '#partners/call-failure.ts'

export interface SandboxAdapterOptions {
  readonly name: string
  /** Such as `http://127.0.0.1:4010`. */
  readonly baseUrl: string
  readonly timeoutMs: number
  readonly webhookSecret: string
  /** Which sandbox PG listens there, for its means and its settlement file; that of the same name unless told. */
  readonly profile?: SandboxProfile
}

type Sent = { readonly answer: WireAnswer } | CallFailure

/** A page of the log is long, and nobody waits for it at a till. */
const logTimeoutMs = 30_000

/** A sandbox PG over real HTTP, with kept-alive connections (those of Node's fetch) and a time-out on every call. */
export function openSandboxAdapter(options: SandboxAdapterOptions): PaymentGateway {
  const { name, timeoutMs, webhookSecret } = options
  const profile = options.profile ?? profileOf(name)
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
      return failureOf(error)
    }
  }

  const charge = async (call: ChargeCall, capture: boolean) => {
    const { key, means, token, amountMinor, currency, reference, traffic, instalments, returnUrl } = call
    const asked: WireCharge = { key, means, token, amountMinor, currency, reference, traffic, instalments, returnUrl }
    const sent = await send('POST', '/charges', { ...asked, capture })
    if ('answer' in sent) return chargeResultOf(sent.answer, call)
    return { outcome: sent.failed === 'never_sent' ? ('unreachable' as const) : ('unknown' as const), reason: sent.reason }
  }
  // One that was never sent stays unknown: it is sent again under the same key, so there is nothing to decide.
  const followUp = async (kind: SandboxFollowUpKind, call: FollowUpCall) => {
    const { key, gatewayRef, amountMinor, currency, traffic, last } = call
    const body = { key, gatewayRef, amountMinor, currency, traffic, ...(last === undefined ? {} : { last }) }
    const sent = await send('POST', `/${kind}s`, body)
    return 'answer' in sent ? followUpResultOf(kind, sent.answer, call) : { outcome: 'unknown' as const, reason: sent.reason }
  }
  const ask = async <Result extends { outcome: string }>(path: string, id: string, read: (answer: WireAnswer) => Result) => {
    const sent = await send('GET', `${path}/${encodeURIComponent(id)}`)
    return 'answer' in sent ? queryResultOf(sent.answer, read) : { outcome: 'not_answered' as const, reason: sent.reason }
  }

  return {
    name,
    means: profile.means,
    charge: (call) => charge(call, true),
    authorize: (call) => charge(call, false),
    capture: (call) => followUp('capture', call),
    void: (call) => followUp('void', call),
    refund: (call) => followUp('refund', call),
    queryCharge: (call) => ask('/charges', call.key, (answer) => chargeResultOf(answer, call)),
    queryFollowUp: async (kind, call) =>
      kind === 'credit' ? { outcome: 'not_found' } : ask(`/${kind}s`, call.key, (answer) => followUpResultOf(kind, answer, call)),
    verifyWebhook: (request, now) => verifySandboxWebhook(webhookSecret, request, now),
    async bindCard({ key, customerId, token, traffic, returnUrl }) {
      const sent = await send('POST', '/bindings', { key, customerId, token, traffic, returnUrl })
      return 'answer' in sent ? bindResultOf(sent.answer) : { outcome: 'unknown', reason: sent.reason }
    },
    async finishBinding({ gatewayRef }) {
      const sent = await send('GET', `/bindings/${encodeURIComponent(gatewayRef)}`)
      return 'answer' in sent ? bindResultOf(sent.answer) : { outcome: 'unknown', reason: sent.reason }
    },
    readSettlement: (file) => readSandboxSettlement(profile, file),
    async readLog() {
      const movements: SandboxMovement[] = []
      let complete = true
      for (let after: number | null = 0; after !== null; ) {
        const url = `${baseUrl}/log?after=${after}&limit=10000`
        const response = await fetch(url, { signal: AbortSignal.timeout(logTimeoutMs) }).catch((error: unknown) => {
          throw new Error(`${name} did not show its log: ${failureOf(error).reason}`)
        })
        if (!response.ok) throw new Error(`${name} answered ${response.status} when it was asked for its log`)
        const page = (await response.json()) as { forgotten: number; movements: SandboxMovement[]; next: number | null }
        movements.push(...page.movements)
        complete = page.forgotten === 0
        after = page.next
      }
      return { movements, complete }
    },
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

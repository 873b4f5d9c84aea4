import type { ContextDatabase, Scope } from '#platform/database.ts'
import { claimDeliveries, type Delivered, type DueDelivery, recordDeliveries, switchOffEndpoints } from './webhook-store.ts'
import { signWebhook } from './webhook-signature.ts'

export interface SenderOptions {
  readonly database: ContextDatabase
  readonly timeoutMs: number
  /** Waits before the second, third … try; when they are used up the delivery is dead. */
  readonly retryAfterMs: readonly number[]
  readonly log: (problem: { message: string; error: unknown }) => void
}

/** The schedule that Standard Webhooks proposes: immediately, then over about three days. */
export const standardRetries: readonly number[] = [
  5_000, 300_000, 1_800_000, 7_200_000, 18_000_000, 36_000_000, 50_400_000, 72_000_000, 86_400_000,
]

/** Calls out at once to one endpoint: a partner must not be flooded when it comes back. */
const atOncePerEndpoint = 8
/** Each endpoint's in a round: one that does not answer holds up the others for two time-outs, and however much waits for it, they have their share. */
const mostPerEndpoint = 2 * atOncePerEndpoint

/** One round: sends what is due, in order of age per endpoint, and writes down what came of it. Any number of processes may run it. */
export async function sendDue(options: SenderOptions, scope: Scope): Promise<{ sent: number; delivered: number; more: boolean }> {
  const { database, timeoutMs } = options
  // The lease outlasts every call of the round.
  const leaseMs = timeoutMs * (mostPerEndpoint / atOncePerEndpoint + 1)
  const due = await database.write(scope, (context) => claimDeliveries(context, mostPerEndpoint, leaseMs))
  const byEndpoint = Map.groupBy(due, (delivery) => delivery.endpointId)
  const gone: string[] = []
  const ended: Delivered[] = []
  const now = await database.read(scope, async (context) => context.now)
  await Promise.all(
    [...byEndpoint].map(async ([endpointId, deliveries]) => {
      let next = 0
      const worker = async (): Promise<void> => {
        for (let delivery = deliveries[next++]; delivery !== undefined; delivery = deliveries[next++]) {
          const answer = await post(delivery, now, timeoutMs)
          if (answer.status === 410) gone.push(endpointId)
          ended.push(endOf(delivery, answer, options.retryAfterMs))
        }
      }
      await Promise.all(Array.from({ length: atOncePerEndpoint }, worker))
    }),
  )
  if (ended.length > 0) {
    await database.write(
      scope,
      async (context) => {
        recordDeliveries(context, ended)
        if (gone.length > 0) await switchOffEndpoints(context, [...new Set(gone)], 'it answered 410 Gone')
      },
      { repeatable: true },
    )
  }
  const more = [...byEndpoint.values()].some((deliveries) => deliveries.length === mostPerEndpoint)
  return { sent: due.length, delivered: ended.filter(({ state }) => state === 'delivered').length, more }
}

interface Answer {
  readonly status: number | null
  readonly error: string | null
}

async function post({ url, body, messageId, secrets }: DueDelivery, now: Date, timeoutMs: number): Promise<Answer> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      // A redirect could lead to where nobody registered anything.
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
      headers: { 'content-type': 'application/json', 'user-agent': 'Throughline-Webhooks', ...signWebhook(messageId, now, body, secrets) },
      body,
    })
    await response.body?.cancel()
    return { status: response.status, error: response.ok ? null : `answered ${response.status}` }
  } catch (error) {
    const cause = (error as { cause?: { code?: string } }).cause?.code
    return { status: null, error: (cause ?? (error instanceof Error ? error.name : 'failed')).slice(0, 200) }
  }
}

function endOf({ id, attempts }: DueDelivery, { status, error }: Answer, retryAfterMs: readonly number[]): Delivered {
  if (error === null) return { id, state: 'delivered', retryMs: null, status, error }
  const retryMs = status === 410 ? undefined : retryAfterMs[attempts - 1]
  return retryMs === undefined ? { id, state: 'dead', retryMs: null, status, error } : { id, state: 'pending', retryMs, status, error }
}

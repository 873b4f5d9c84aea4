import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import { statement, type WriteContext } from '#platform/database.ts'
import { type GatewayNotice, readKey, type VerifiedWebhook, type WebhookRequest } from './gateway.ts'
import type { PaymentParts, WebhookToApply } from './parts.ts'

export interface ReceiveWebhook extends WebhookRequest {
  readonly gateway: string
}

export interface WebhookReceived {
  /** False when the same event had come before; the answer is as good. */
  readonly first: boolean
}

// Sorted by key, so that two batches with the same repeated events wait for each other instead of deadlocking.
const insertWebhooks = statement<{ gateway: string; eventId: string }>(
  'payments.insert_webhooks',
  `insert into payments.webhook (gateway, event_id, kind, subject_id, outcome, notice, payload, received_at)
   select gateway, event_id, kind, subject_id, outcome, notice, payload, $8
   from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::json[], $7::json[])
     as input (gateway, event_id, kind, subject_id, outcome, notice, payload)
   order by gateway, event_id
   on conflict do nothing
   returning gateway, event_id as "eventId"`,
)

/**
 * Verifies webhooks and writes them to the inbox, once per event of the gateway; they are applied after the commit,
 * together with the answers of calls, so that a webhook racing the answer of its own call is one more result of a batch.
 */
export async function receiveWebhooks(
  parts: PaymentParts,
  context: WriteContext,
  webhooks: readonly ReceiveWebhook[],
): Promise<Outcome<WebhookReceived>[]> {
  const opened = webhooks.map((webhook) => ({ webhook, read: openWebhook(parts, context, webhook) }))
  const good = opened.flatMap(({ webhook, read }) => ('problem' in read ? [] : [{ webhook, ...read }]))
  const inserted =
    good.length === 0
      ? []
      : await context.query(insertWebhooks, [
          good.map(({ webhook }) => webhook.gateway),
          good.map(({ verified }) => verified.eventId),
          good.map(({ verified }) => verified.notice?.kind ?? null),
          good.map(({ verified, subjectId }) => (verified.notice === null ? null : subjectId)),
          good.map(({ verified }) => outcomeOf(verified.notice)),
          good.map(({ verified }) => (verified.notice === null ? null : JSON.stringify(verified.notice))),
          good.map(({ webhook }) => JSON.stringify({ headers: webhook.headers, body: webhook.body })),
          context.now,
        ])
  const fresh = new Set(inserted.map((row) => `${row.gateway} ${row.eventId}`))
  const toApply: WebhookToApply[] = []
  const outcomes = opened.map(({ webhook, read }): Outcome<WebhookReceived> => {
    if ('problem' in read) return read.problem
    const { eventId, notice } = read.verified
    // `delete`: an event that is twice in one batch is first only once.
    const first = fresh.delete(`${webhook.gateway} ${eventId}`)
    const request = notice === null ? { headers: webhook.headers, body: webhook.body } : null
    if (first) toApply.push({ gateway: webhook.gateway, eventId, subjectId: read.subjectId, notice, request })
    return accepted({ first })
  })
  if (toApply.length > 0) context.afterCommit(() => parts.handOff.webhooks(context, toApply))
  return outcomes
}

const outcomeOf = (notice: GatewayNotice | null): string | null =>
  notice === null ? null : notice.kind === 'dispute' ? (notice.won ? 'won' : 'lost') : notice.result.outcome

type Opened = { readonly verified: VerifiedWebhook; readonly subjectId: number } | { readonly problem: Outcome<never> }

function openWebhook({ gateways, installation }: PaymentParts, context: WriteContext, webhook: ReceiveWebhook): Opened {
  const gateway = gateways.get(webhook.gateway)
  if (gateway === undefined) return { problem: refused('payments.unknown_gateway', 'There is no such gateway here.', '/gateway') }
  const verified = gateway.verifyWebhook(webhook, context.now)
  if ('refused' in verified) return { problem: refused('payments.webhook_refused', verified.refused, '/headers') }
  if (verified.notice === null) return { verified, subjectId: 0 }
  if (readKey(verified.notice.key)?.traffic === otherThan(context.traffic)) {
    return {
      problem: refused('payments.webhook_of_other_traffic', `This webhook is about ${otherThan(context.traffic)} traffic.`, '/body'),
    }
  }
  return { verified, subjectId: subjectOf(verified.notice, installation) }
}

const otherThan = (traffic: 'live' | 'shadow'): 'live' | 'shadow' => (traffic === 'live' ? 'shadow' : 'live')

/**
 * The id of our row that a notice is about; 0, which no row has, when it is about a charge that is not ours or about the
 * database before this one, whose ids mean other rows now. It is kept all the same: it is signed.
 */
export function subjectOf(notice: GatewayNotice, installation: string): number {
  const key = readKey(notice.key)
  const kind = notice.kind === 'dispute' ? 'charge' : notice.kind
  return key?.kind === kind && key.installation === installation ? key.id : 0
}

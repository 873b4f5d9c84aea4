import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import { statement, type WriteContext } from '#platform/database.ts'
import { type GatewayNotice, type GuardedGateway, readKey, type WebhookEnvelope } from './gateway.ts'
import type { NoticeToApply, PaymentParts } from './parts.ts'

export interface ReceiveWebhook extends WebhookEnvelope {
  readonly gateway: string
}

export interface WebhookReceived {
  /** False when the same event had come before; the answer is as good. */
  readonly first: boolean
}

// Sorted by key, so that two batches with the same repeated events wait for each other instead of deadlocking.
const insertWebhooks = statement<{ gateway: string; eventId: string }>(
  'payments.insert_webhooks',
  `insert into payments.webhook (gateway, event_id, kind, subject_id, outcome, gateway_ref, reason, payload, received_at)
   select gateway, event_id, kind, subject_id, outcome, gateway_ref, reason, payload, $9
   from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::json[])
     as input (gateway, event_id, kind, subject_id, outcome, gateway_ref, reason, payload)
   order by gateway, event_id
   on conflict do nothing
   returning gateway, event_id as "eventId"`,
)

/**
 * Verifies webhooks and writes them to the inbox, once per event of the gateway; they are applied after the commit,
 * together with the answers of calls, so that a webhook racing the answer of its own call is one more result of a batch.
 */
export async function receiveWebhooks(
  parts: PaymentParts & WebhookParts,
  context: WriteContext,
  webhooks: readonly ReceiveWebhook[],
): Promise<Outcome<WebhookReceived>[]> {
  const opened = webhooks.map((webhook) => ({ webhook, read: openWebhook(parts, context, webhook) }))
  const good = opened.flatMap(({ webhook, read }) => ('notice' in read ? [{ webhook, ...read }] : []))
  const inserted =
    good.length === 0
      ? []
      : await context.query(insertWebhooks, [
          good.map(({ webhook }) => webhook.gateway),
          good.map(({ notice }) => notice.eventId),
          good.map(({ notice }) => notice.kind),
          good.map(({ subjectId }) => subjectId),
          good.map(({ notice }) => notice.result.outcome),
          good.map(({ notice }) => ('gatewayRef' in notice.result ? notice.result.gatewayRef : null)),
          good.map(({ notice }) => ('reason' in notice.result ? notice.result.reason : null)),
          good.map(({ webhook }) => JSON.stringify(webhook.payload)),
          context.now,
        ])
  const fresh = new Set(inserted.map((row) => `${row.gateway} ${row.eventId}`))
  const notices: NoticeToApply[] = []
  const outcomes = opened.map(({ webhook, read }): Outcome<WebhookReceived> => {
    if (!('notice' in read)) return read.problem
    // `delete`: an event that is twice in one batch is first only once.
    const first = fresh.delete(`${webhook.gateway} ${read.notice.eventId}`)
    if (first) notices.push({ gateway: webhook.gateway, subjectId: read.subjectId, notice: read.notice })
    return accepted({ first })
  })
  if (notices.length > 0) context.afterCommit(() => parts.handOff.notices(context, notices))
  return outcomes
}

interface WebhookParts {
  readonly gateways: ReadonlyMap<string, GuardedGateway>
  /** Ours; a notice about another one's charge is kept and touches nothing. */
  readonly installation: string
}

type Opened = { readonly notice: GatewayNotice; readonly subjectId: number } | { readonly problem: Outcome<never> }

function openWebhook({ gateways, installation }: WebhookParts, context: WriteContext, webhook: ReceiveWebhook): Opened {
  const gateway = gateways.get(webhook.gateway)
  if (gateway === undefined) return { problem: refused('payments.unknown_gateway', 'There is no such gateway here.', '/gateway') }
  const notice = gateway.openWebhook(webhook, context.now)
  if ('refused' in notice) return { problem: refused('payments.webhook_refused', notice.refused, '/signature') }
  const key = readKey(notice.key)
  if (key === undefined || key.kind !== notice.kind) {
    // Kept: it is signed, so the gateway does have a charge that is not ours. Subject 0 never matches a row.
    return { notice, subjectId: 0 }
  }
  if (key.traffic !== context.traffic) {
    return { problem: refused('payments.webhook_of_other_traffic', `This webhook is about ${key.traffic} traffic.`, '/payload') }
  }
  // Kept, too, when it is about the database before this one: its ids mean other rows now.
  return { notice, subjectId: key.installation === installation ? key.id : 0 }
}

import { createHmac } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Clock } from '#kernel/time.ts'
import { decimalOf } from '#partners/currency-digits.ts'
import { readText } from '#partners/sandbox-pg/requests.ts'
import type { WebhookRequest } from '#payments'
import { fromStripe } from './amounts.ts'
import { formOf, readForm } from './forms.ts'
import { type Answer, missing, StripeBooks } from './look-alike-books.ts'

export interface LookAlike {
  readonly url: string
  readonly books: StripeBooks
  close(): Promise<void>
}

export interface LookAlikeOptions {
  readonly clock: Clock
  readonly apiKey: string
  readonly webhookSecret: string
  readonly webhookUrl?: string
}

/** How long an idempotency key is remembered. */
const keyKeptMs = 24 * 3_600_000

interface Kept {
  readonly asked: string
  readonly answer: Answer
  readonly at: number
}

/**
 * A server of the shape of Stripe's, for tests: form-encoded requests, objects and errors in its words, idempotency keys,
 * signed webhooks, and a page for 3-D Secure. Our own work, as much as the adapter needs; it proves nothing about Stripe itself.
 */
export async function startStripeLookAlike({ clock, apiKey, webhookSecret, webhookUrl }: LookAlikeOptions): Promise<LookAlike> {
  const place = { url: '' }
  const keys = new Map<string, Kept>()
  const nowMs = () => clock.now().getTime()
  let events = 0
  const happened = (type: string, object: object): void => {
    if (webhookUrl === undefined) return
    events += 1
    const event = { id: `evt_${events}`, object: 'event', type, created: Math.floor(nowMs() / 1000), data: { object } }
    const { headers, body } = signStripeEvent(webhookSecret, event, clock.now())
    fetch(webhookUrl, { method: 'POST', headers, body }).catch(() => undefined)
  }
  const books = new StripeBooks({ nowMs, pageUrl: () => place.url, happened })

  const write = (path: readonly string[], text: string): Answer => {
    const [, collection = '', id, verb] = path
    const form = readForm(text)
    if (collection === 'payment_intents' && id === undefined) return books.createIntent('payment_intent', form)
    if (collection === 'setup_intents' && id === undefined) return books.createIntent('setup_intent', form)
    if (collection === 'payment_intents' && id !== undefined && verb === 'capture') return books.capture(id, form)
    if (collection === 'payment_intents' && id !== undefined && verb === 'cancel') return books.cancel(id)
    if (collection === 'refunds' && id === undefined) return books.refund(form)
    return collection === 'customers' && id === undefined ? books.customer() : missing()
  }

  const once = (request: IncomingMessage, path: readonly string[], text: string): Answer => {
    const key = String(request.headers['idempotency-key'] ?? '')
    const asked = `${path.join('/')} ${text}`
    const known = keys.get(key)
    if (known !== undefined && nowMs() - known.at < keyKeptMs) {
      if (known.asked === asked) return { status: known.answer.status, body: known.answer.body }
      const error = { type: 'idempotency_error', message: 'Keys for idempotent requests can only be used with the same parameters.' }
      return { status: 400, body: { error } }
    }
    const answer = write(path, text)
    // As it was when it was answered: a later capture must not show in a replay of the authorisation.
    keys.set(key, { asked, at: nowMs(), answer: structuredClone(answer) })
    return answer
  }

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '/', 'http://look-alike')
    const path = url.pathname.split('/').slice(1)
    const text = await readText(request)
    if (path[0] === '3ds') {
      books.customerActs(path[1] ?? '', new URLSearchParams(text).get('action') === 'approve')
      return send(response, { status: 200, body: {} })
    }
    if (request.headers.authorization !== `Bearer ${apiKey}`) {
      return send(response, { status: 401, body: { error: { type: 'invalid_request_error', message: 'Invalid API Key provided.' } } })
    }
    if (request.method === 'POST') {
      const answer = once(request, path, text)
      return answer.silent ? undefined : send(response, answer)
    }
    return send(response, read(books, path, url))
  }

  const server = createServer((request, response) => {
    handle(request, response).catch(() =>
      send(response, { status: 400, body: { error: { type: 'invalid_request_error', message: 'unreadable' } } }),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
  place.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url: place.url,
    books,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function read(books: StripeBooks, [, collection, id]: readonly string[], url: URL): Answer {
  const list = (data: readonly object[]): Answer => ({ status: 200, body: { object: 'list', data, has_more: false, url: url.pathname } })
  if (collection === 'refunds') {
    return list(books.refunds.filter(({ payment_intent: of }) => of === url.searchParams.get('payment_intent')))
  }
  if (id !== undefined) {
    const found = books.intents.get(id)
    return found === undefined ? missing() : { status: 200, body: found }
  }
  if (collection !== 'payment_intents') return missing()
  const { gte, lte } = formOf(readForm(url.search.slice(1))['created'])
  // Newest first, and in pages, as Stripe does; the client pages by the last id that it has seen.
  const all = [...books.intents.values()]
    .filter(({ object, created }) => object === 'payment_intent' && created >= Number(gte ?? 0) && created <= Number(lte ?? Infinity))
    .toReversed()
  const after = all.findIndex((intent) => intent.id === url.searchParams.get('starting_after')) + 1
  const limit = Number(url.searchParams.get('limit') ?? 10)
  const page = all.slice(after, after + limit)
  return { status: 200, body: { object: 'list', data: page, has_more: after + limit < all.length, url: url.pathname } }
}

export function signStripeEvent(secret: string, event: object, now: Date): WebhookRequest {
  const body = JSON.stringify(event)
  const time = Math.floor(now.getTime() / 1000)
  const signature = createHmac('sha256', secret).update(`${time}.${body}`).digest('hex')
  return { headers: { 'content-type': 'application/json', 'stripe-signature': `t=${time},v1=${signature}` }, body }
}

/** The itemised report of one payout with all that moved, at 2.9 % and 30 of the smallest unit a charge. */
export function writeStripeReport({ movements }: StripeBooks, payout: string): string {
  const columns =
    'automatic_payout_id,balance_transaction_id,created_utc,reporting_category,currency,gross,fee,net,payment_intent_id,payment_metadata[throughline_key],refund_metadata[throughline_key]'
  const lines = movements.map(({ key, intent, kind, amount, currency, at }, index) => {
    const code = currency.toUpperCase()
    const gross = fromStripe(amount, code)
    const fee = kind === 'charge' ? Math.floor((gross * 29 + 500) / 1_000) + 30 : 0
    const time = new Date(at * 1000).toISOString().replace('T', ' ').slice(0, 19)
    const [charge, refund] = kind === 'refund' ? ['', key] : [key, '']
    const money = [gross, fee, gross - fee].map((minor) => decimalOf(minor, code))
    return [payout, `txn_${index + 1}`, time, kind, currency, ...money, intent, charge, refund].join(',')
  })
  return `${[columns, ...lines].join('\n')}\n`
}

function send(response: ServerResponse, { status, body }: Answer): void {
  if (response.writableEnded || response.destroyed) return
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}

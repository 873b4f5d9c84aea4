import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Clock } from '#kernel/time.ts'
import { decimalOf } from '#partners/currency-digits.ts'
import { readText } from '#partners/sandbox-pg/requests.ts'
import { signMercadoPagoWebhook } from './notices.ts'
import { toDecimal, toMinor } from './results.ts'

export interface MercadoPagoLookAlikeOptions {
  readonly clock: Clock
  /** Access token by currency, one account each. */
  readonly accounts: Readonly<Record<string, string>>
  readonly webhookSecret: string
  readonly webhookUrl?: string
}

/** One movement of money in our minor units; refunds negative. */
export interface MercadoPagoMovement {
  readonly key: string
  readonly payment: number
  readonly kind: 'SETTLEMENT' | 'REFUND'
  readonly amountMinor: number
  readonly currency: string
}

export interface MercadoPagoLookAlike {
  readonly url: string
  readonly movements: readonly MercadoPagoMovement[]
  /** Without one defect, as of now. */
  report(): string
  /** What became of a payment at the bank, such as `charged_back`. */
  become(id: string, status: string, detail: string): void
  close(): Promise<void>
}

/** Card tokens that the look-alike knows: Mercado Pago's names of test holders, a challenge, and one that is never answered. */
const holders: Readonly<Record<string, readonly [status: string, detail: string]>> = {
  APRO: ['approved', 'accredited'],
  FUND: ['rejected', 'cc_rejected_insufficient_amount'],
  SECU: ['rejected', 'cc_rejected_bad_filled_security_code'],
  CHAL: ['pending', 'pending_challenge'],
  MUTE: ['approved', 'accredited'],
}

interface Payment {
  readonly id: number
  readonly external_reference: string
  readonly currency_id: string
  readonly metadata: object
  readonly date_created: string
  readonly capture: boolean
  readonly payment_method_id: string
  transaction_amount: number
  status: string
  status_detail: string
  captured: boolean
  three_ds_info: object | null
  point_of_interaction: object | null
  readonly refunds: { id: number; status: string; amount: number; date_created: string }[]
}

interface Asked {
  readonly transaction_amount?: number
  readonly token?: string
  readonly installments?: number
  readonly external_reference?: string
  readonly payment_method_id?: string
  readonly capture?: boolean
  readonly metadata?: object
  readonly payer?: { readonly email?: string }
  readonly status?: string
  readonly amount?: number
}

interface Answer {
  readonly status: number
  readonly body: object
  readonly mute?: true
}

const refused = (status: number, message: string): Answer => ({
  status,
  body: { message, error: 'bad_request', status, cause: [{ code: message, description: message }] },
})

/**
 * A server of the shape of Mercado Pago's payments API, for tests: decimals, idempotency keys, a search by external reference,
 * webhooks that only name an id. Our own work; it proves nothing about Mercado Pago itself.
 */
export async function startMercadoPagoLookAlike(options: MercadoPagoLookAlikeOptions): Promise<MercadoPagoLookAlike> {
  const { clock, accounts, webhookSecret, webhookUrl } = options
  const payments = new Map<number, Payment>()
  const keys = new Map<string, { asked: string; answer: Answer }>()
  const movements: MercadoPagoMovement[] = []
  const place = { url: '' }
  let number = 1_000
  let requests = 0
  const nextId = (): number => (number += 1)
  const nowText = (): string => clock.now().toISOString()

  const tell = ({ id }: Payment, action: string): void => {
    if (webhookUrl === undefined) return
    requests += 1
    const { headers, body } = signMercadoPagoWebhook(webhookSecret, {
      id: String(id),
      requestId: `r-${requests}`,
      now: clock.now(),
      action,
    })
    fetch(webhookUrl, { method: 'POST', headers, body }).catch(() => undefined)
  }
  const move = (payment: Payment, { key, kind, amount }: { key: string; kind: MercadoPagoMovement['kind']; amount: number }): void => {
    const { currency_id: currency, id } = payment
    movements.push({ key, payment: id, kind, amountMinor: toMinor(amount, currency) ?? 0, currency })
  }
  const approve = (payment: Payment): void => {
    payment.status = payment.capture ? 'approved' : 'authorized'
    payment.status_detail = payment.capture ? 'accredited' : 'pending_capture'
    payment.captured = payment.capture
    if (payment.capture) move(payment, { key: payment.external_reference, kind: 'SETTLEMENT', amount: payment.transaction_amount })
  }

  const create = (asked: Asked, currency: string): Answer => {
    const { transaction_amount: amount = 0, external_reference: reference = '', payment_method_id: method = '', capture = true } = asked
    if (!(amount > 0) || toMinor(amount, currency) === undefined) return refused(400, 'invalid_transaction_amount')
    if (asked.payer?.email === undefined) return refused(400, 'payer_email_required')
    const isPix = method === 'pix'
    const holder = isPix
      ? (['pending', 'pending_waiting_transfer'] as const)
      : Object.hasOwn(holders, asked.token ?? '')
        ? holders[asked.token ?? '']
        : undefined
    if (holder === undefined) return refused(400, 'card_token_not_found')
    const id = nextId()
    const payment: Payment = {
      id,
      external_reference: reference,
      currency_id: currency,
      metadata: asked.metadata ?? {},
      date_created: nowText(),
      capture,
      payment_method_id: method,
      transaction_amount: amount,
      status: holder[0],
      status_detail: holder[1],
      captured: false,
      three_ds_info: asked.token === 'CHAL' ? { external_resource_url: `${place.url}/challenge/${id}`, creq: 'eyJ0ZXN0' } : null,
      point_of_interaction: isPix ? { transaction_data: { qr_code: `00020126${id}`, ticket_url: `${place.url}/ticket/${id}` } } : null,
      refunds: [],
    }
    payments.set(id, payment)
    if (payment.status === 'approved') approve(payment)
    tell(payment, 'payment.created')
    return { status: 201, body: payment, ...(asked.token === 'MUTE' ? { mute: true as const } : {}) }
  }

  const change = (payment: Payment, asked: Asked, key: string): Answer => {
    if (asked.status === 'cancelled') {
      if (payment.status !== 'authorized' && payment.status !== 'pending') return refused(400, 'invalid_status_change')
      payment.status = 'cancelled'
      payment.status_detail = 'by_collector'
      tell(payment, 'payment.updated')
      return { status: 200, body: payment }
    }
    if (asked.capture !== true || payment.status !== 'authorized') return refused(400, 'payment_can_not_be_captured')
    const amount = asked.transaction_amount ?? payment.transaction_amount
    if (amount > payment.transaction_amount) return refused(400, 'capture_amount_too_large')
    payment.transaction_amount = amount
    payment.status = 'approved'
    payment.status_detail = 'accredited'
    payment.captured = true
    move(payment, { key, kind: 'SETTLEMENT', amount })
    tell(payment, 'payment.updated')
    return { status: 200, body: payment }
  }

  const refund = (payment: Payment, asked: Asked, key: string): Answer => {
    const minor = (amount: number): number => toMinor(amount, payment.currency_id) ?? 0
    const before = payment.refunds.reduce((sum, made) => sum + minor(made.amount), 0)
    const left = minor(payment.transaction_amount) - before
    const amount = asked.amount ?? toDecimal(left, payment.currency_id)
    if (payment.status !== 'approved' || minor(amount) <= 0 || minor(amount) > left) return refused(400, 'amount_to_refund_too_large')
    const made = { id: nextId(), payment_id: payment.id, status: 'approved', amount, date_created: nowText() }
    payment.refunds.push(made)
    if (minor(amount) === left) payment.status = 'refunded'
    move(payment, { key, kind: 'REFUND', amount: -amount })
    tell(payment, 'payment.updated')
    return { status: 201, body: made }
  }

  const write = (path: readonly string[], asked: Asked, at: { currency: string; key: string }): Answer => {
    const [, , id, verb] = path
    if (id === undefined) return create(asked, at.currency)
    const payment = payments.get(Number(id))
    if (payment === undefined || payment.currency_id !== at.currency) return refused(404, 'payment_not_found')
    return verb === 'refunds' ? refund(payment, asked, at.key) : change(payment, asked, at.key)
  }

  const once = (request: IncomingMessage, path: readonly string[], at: { text: string; currency: string }): Answer => {
    const key = String(request.headers['x-idempotency-key'] ?? '')
    const asked = `${path.join('/')} ${at.text}`
    const known = keys.get(key)
    if (known !== undefined) {
      return known.asked === asked
        ? { status: known.answer.status, body: known.answer.body }
        : { ...refused(409, 'idempotency_key_already_used') }
    }
    const answer = write(path, JSON.parse(at.text || '{}') as Asked, { currency: at.currency, key })
    keys.set(key, { asked, answer: structuredClone(answer) })
    return answer
  }

  const read = (url: URL, path: readonly string[], currency: string): Answer => {
    const [, , id, verb] = path
    if (id === 'search') {
      const reference = url.searchParams.get('external_reference')
      return { status: 200, body: { results: [...payments.values()].filter((payment) => payment.external_reference === reference) } }
    }
    const payment = payments.get(Number(id))
    if (payment === undefined || payment.currency_id !== currency) return refused(404, 'payment_not_found')
    return { status: 200, body: verb === 'refunds' ? payment.refunds : payment }
  }

  /** What the customer does: `/challenge/1001?action=approve`, `/ticket/1001`. */
  const act = (payment: Payment | undefined, approved: boolean): Answer => {
    if (payment?.status !== 'pending') return refused(404, 'nothing_open')
    if (approved) approve(payment)
    else Object.assign(payment, { status: 'rejected', status_detail: 'cc_rejected_3ds_challenge' })
    tell(payment, 'payment.updated')
    return { status: 200, body: {} }
  }

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '/', 'http://look-alike')
    const path = url.pathname.split('/').slice(1)
    const text = await readText(request)
    if (path[0] === 'challenge' || path[0] === 'ticket') {
      const approved = path[0] === 'ticket' || url.searchParams.get('action') === 'approve'
      return send(response, act(payments.get(Number(path[1])), approved))
    }
    const currency = Object.keys(accounts).find((code) => request.headers.authorization === `Bearer ${accounts[code]}`)
    if (currency === undefined) return send(response, { status: 401, body: { message: 'invalid access token' } })
    if (request.method === 'GET') return send(response, read(url, path, currency))
    const answer = once(request, path, { text, currency })
    return answer.mute ? undefined : send(response, answer)
  }

  const server = createServer((request, response) => {
    handle(request, response).catch(() => send(response, refused(400, 'unreadable')))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
  place.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url: place.url,
    movements,
    report: () => writeReport(movements, payments),
    become(id, status, detail) {
      const payment = payments.get(Number(id))
      if (payment === undefined) throw new Error(`no payment ${id}`)
      Object.assign(payment, { status, status_detail: detail })
      tell(payment, 'payment.updated')
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** At 3.99 % a charge. */
function writeReport(movements: readonly MercadoPagoMovement[], payments: ReadonlyMap<number, Payment>): string {
  const columns =
    'EXTERNAL_REFERENCE;SOURCE_ID;PAYMENT_METHOD;TRANSACTION_TYPE;TRANSACTION_AMOUNT;TRANSACTION_CURRENCY;TRANSACTION_DATE;FEE_AMOUNT;SETTLEMENT_NET_AMOUNT;SETTLEMENT_CURRENCY;SETTLEMENT_DATE'
  const lines = movements.map(({ payment: id, kind, amountMinor, currency }) => {
    const payment = payments.get(id)
    const fee = kind === 'SETTLEMENT' ? -Math.floor((amountMinor * 399 + 5_000) / 10_000) : 0
    const money = (minor: number): string => decimalOf(minor, currency)
    const at = (payment?.date_created ?? '').replace('Z', '+00:00')
    return [
      payment?.external_reference,
      id,
      payment?.payment_method_id,
      kind,
      money(amountMinor),
      currency,
      at,
      money(fee),
      money(amountMinor + fee),
      currency,
      at,
    ].join(';')
  })
  return `${[columns, ...lines].join('\n')}\n`
}

function send(response: ServerResponse, { status, body }: Answer): void {
  if (response.writableEnded || response.destroyed) return
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}

import type { IncomingMessage } from 'node:http'
import type { Means } from '#payments'
import { bothTraffics, type Traffic } from '#platform/request-context.ts'
import type { WireBinding, WireCharge, WireFollowUp } from './wire.ts'

const bodyMost = 100_000

/** The body as text; throws past 100,000 bytes. */
export async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > bodyMost) throw new Error('body too large')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

const isText = (value: unknown, most = 300): value is string => typeof value === 'string' && value.length > 0 && value.length <= most
const isAmount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) > 0

function isMoneyCall(body: unknown): body is { key: string; amountMinor: number; currency: string; traffic: Traffic } {
  const { key, amountMinor, currency, traffic } = (body ?? {}) as Partial<WireCharge>
  return isText(key) && isAmount(amountMinor) && /^[A-Z]{3}$/.test(String(currency)) && bothTraffics.includes(traffic as Traffic)
}

export type ChargeBody = WireCharge & { readonly capture: boolean }

export function isCharge(body: unknown): body is ChargeBody {
  const { means, token, reference, capture, instalments, returnUrl } = (body ?? {}) as Partial<ChargeBody>
  return (
    isMoneyCall(body) &&
    isText(reference) &&
    typeof capture === 'boolean' &&
    isAmount(instalments) &&
    typeof returnUrl === 'string' &&
    returnUrl.length <= 2_000 &&
    isText(means satisfies Means | undefined) &&
    // A transfer is paid in from outside and needs none.
    (isText(token) || (means === 'transfer' && token === ''))
  )
}

export function isFollowUp(body: unknown): body is WireFollowUp {
  const { gatewayRef, last } = (body ?? {}) as Partial<WireFollowUp>
  return isMoneyCall(body) && isText(gatewayRef) && (last === undefined || typeof last === 'boolean')
}

export function isBinding(body: unknown): body is WireBinding {
  const { key, customerId, token, traffic, returnUrl } = (body ?? {}) as Partial<WireBinding>
  return isText(key) && isText(customerId) && isText(token) && isText(returnUrl, 2_000) && bothTraffics.includes(traffic as Traffic)
}

export function isDispute(body: unknown): body is { won: boolean; amountMinor?: number } {
  const { won, amountMinor } = (body ?? {}) as { won?: unknown; amountMinor?: unknown }
  return typeof won === 'boolean' && (amountMinor === undefined || isAmount(amountMinor))
}

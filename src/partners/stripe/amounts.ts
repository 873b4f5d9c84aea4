import { currencyDigits } from '#partners/currency-digits.ts'

/**
 * Where Stripe counts otherwise than ISO 4217 (docs.stripe.com/currencies): ISK and UGX have no decimals any more but are
 * sent with two; MGA has decimals by ISO and is sent without.
 */
const otherwise: Readonly<Record<string, number>> = { ISK: 2, UGX: 2, MGA: 0 }

/** Our minor units in Stripe's; undefined where Stripe can not express the amount, such as single fils of a dinar. */
export function toStripe(amountMinor: number, currency: string): number | undefined {
  const shift = (otherwise[currency] ?? currencyDigits(currency)) - currencyDigits(currency)
  const amount = shift >= 0 ? amountMinor * 10 ** shift : amountMinor / 10 ** -shift
  // Of currencies with three decimals Stripe takes tens only.
  if (!Number.isSafeInteger(amount) || (currencyDigits(currency) === 3 && amount % 10 !== 0)) return undefined
  return amount
}

/** The other way round; NaN, which equals nothing, where it is no whole number of ours. */
export function fromStripe(amount: number, currency: string): number {
  const shift = (otherwise[currency] ?? currencyDigits(currency)) - currencyDigits(currency)
  const minor = shift >= 0 ? amount / 10 ** shift : amount * 10 ** -shift
  return Number.isSafeInteger(minor) ? minor : Number.NaN
}

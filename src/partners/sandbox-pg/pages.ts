import { decimalOf } from '#partners/currency-digits.ts'
import type { Binding, Charge } from './records.ts'

const escaped = (text: string): string => text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`)

/** No script, no outside file: the page must work wherever a test's browser opens it. */
function page(title: string, content: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<style>
  :root { color-scheme: light dark; --ground: #f1f3f6; --card: #fff; --ink: #17202c; --soft: #5b6675; --line: #dde2e9; --strong: #1455d9; --on-strong: #fff }
  @media (prefers-color-scheme: dark) { :root { --ground: #12161c; --card: #1b212a; --ink: #e8ecf2; --soft: #9aa6b5; --line: #303946; --strong: #6d9bff; --on-strong: #0b1220 } }
  * { box-sizing: border-box }
  body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 24px; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif }
  main { width: 100%; max-width: 420px; background: var(--card); border: 1px solid var(--line); border-radius: 14px; padding: 28px; box-shadow: 0 8px 30px rgb(0 0 0 / .07) }
  .bank { display: flex; justify-content: space-between; color: var(--soft); font-size: 13px; letter-spacing: .02em; border-bottom: 1px solid var(--line); padding-bottom: 14px; margin-bottom: 20px }
  h1 { font-size: 20px; line-height: 1.3; margin: 0 0 6px }
  p { margin: 0 0 18px; color: var(--soft) }
  dl { display: grid; grid-template-columns: auto 1fr; gap: 8px 20px; margin: 0 0 24px }
  dt { color: var(--soft) } dd { margin: 0; text-align: right; overflow-wrap: anywhere; font-variant-numeric: tabular-nums }
  dd.amount { font-weight: 650; font-size: 18px }
  form { display: grid; grid-template-columns: 1fr 1fr; gap: 12px }
  button { font: inherit; font-weight: 600; padding: 12px; border-radius: 9px; border: 1px solid var(--line); background: transparent; color: var(--ink); cursor: pointer }
  button.approve { background: var(--strong); border-color: var(--strong); color: var(--on-strong) }
  button:focus-visible { outline: 3px solid color-mix(in srgb, var(--strong) 45%, transparent); outline-offset: 2px }
  small { display: block; margin-top: 18px; color: var(--soft); font-size: 13px }
</style>
</head>
<body><main>${content}</main></body>
</html>
`
}

const head = (gateway: string): string => `<div class="bank"><span>${escaped(gateway)} · test gateway</span><span>3-D Secure</span></div>`
const buttons = `<form method="post"><button name="action" value="decline">Decline</button><button class="approve" name="action" value="approve">Approve</button></form>
<small>A test page: no money moves. Close it to see what an abandoned payment does.</small>`

export function chargePage(gateway: string, charge: Charge): string {
  const amount = `${decimalOf(charge.amountMinor, charge.currency)} ${charge.currency}`
  return page(
    'Confirm your payment',
    `${head(gateway)}<h1>Confirm your payment</h1><p>Your bank asks whether it is you who pays.</p>
<dl><dt>Amount</dt><dd class="amount">${escaped(amount)}</dd><dt>Order</dt><dd>${escaped(charge.reference)}</dd></dl>${buttons}`,
  )
}

export function bindingPage(gateway: string, _binding: Binding): string {
  return page(
    'Keep this card',
    `${head(gateway)}<h1>Keep this card</h1><p>Your bank asks whether this shop may keep your card for later purchases. Nothing is charged now.</p>${buttons}`,
  )
}

export function endedPage(gateway: string, sentence: string): string {
  return page('Nothing to confirm', `${head(gateway)}<h1>Nothing to confirm</h1><p>${escaped(sentence)}</p>`)
}

/** Where the browser goes after a button: the shop's page with `ref`; undefined where that is no address of the web. */
export function backTo(returnUrl: string, ref: string): string | undefined {
  if (!URL.canParse(returnUrl)) return undefined
  const url = new URL(returnUrl)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return undefined
  url.searchParams.set('ref', ref)
  return url.href
}

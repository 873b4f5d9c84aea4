import { hash } from 'node:crypto'
import type { Milestone } from './fold.ts'
import { carrierMeaningOf } from './carriers/index.ts'
import type { ShipmentView } from './shipment-view.ts'

export interface Page {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

const headline: Readonly<Record<Milestone, string>> = {
  created: 'We have your order',
  accepted: 'Being prepared',
  in_transit: 'On its way',
  at_hub: 'At a hub near you',
  out_for_delivery: 'Out for delivery',
  attempted: 'We missed you',
  delivered: 'Delivered',
  exception: 'Something went wrong',
  returning: 'On its way back',
  returned: 'Back with the sender',
  cancelled: 'Cancelled',
}

const explanation: Readonly<Record<Milestone, string>> = {
  created: 'Your parcel has been announced to us.',
  accepted: 'Your parcel is being picked and packed.',
  in_transit: 'Your parcel is on its way to you.',
  at_hub: 'Your parcel is being sorted.',
  out_for_delivery: 'Your parcel is in the van and arrives today.',
  attempted: 'Nobody was there to take your parcel. We will try again.',
  delivered: 'Your parcel has been handed over.',
  exception: 'Your parcel has met a problem. We are looking after it.',
  returning: 'Your parcel is on its way back to the sender.',
  returned: 'Your parcel is back with the sender.',
  cancelled: 'This delivery was called off.',
}

/** Steps of the bar, with the states that light each. */
const steps: readonly { name: string; from: readonly Milestone[] }[] = [
  { name: 'Ordered', from: ['created'] },
  { name: 'Prepared', from: ['accepted'] },
  { name: 'On its way', from: ['in_transit', 'at_hub'] },
  { name: 'At your door', from: ['out_for_delivery', 'attempted'] },
  { name: 'Delivered', from: ['delivered'] },
]

const style = `
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5b6675; --line: #d9dee5; --paper: #fff; --ground: #f4f6f8; --lit: #0b6b57; --glow: #e3f3ee }
@media (prefers-color-scheme: dark) { :root { --ink: #e8ecf1; --soft: #9aa6b5; --line: #37414e; --paper: #1b222b; --ground: #12171d; --lit: #3fbf9f; --glow: #17332d } }
* { box-sizing: border-box }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere }
main { max-width: 36rem; margin: 0 auto; padding: 1.5rem 1rem 0 }
section { background: var(--paper); border: 1px solid var(--line); border-radius: 12px; padding: 1.25rem; margin-bottom: 1rem }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .25rem }
h2 { font-size: 1rem; margin: 0 0 .75rem }
p { margin: 0; color: var(--soft) }
.when { background: var(--glow); border-radius: 8px; padding: .75rem 1rem; margin-top: 1rem }
.when b { display: block; font-size: 1.15rem; color: var(--ink) }
.seen { margin-top: .75rem; font-size: .9rem }
.steps { display: flex; gap: 4px; list-style: none; padding: 0; margin: 1.25rem 0 0 }
.steps li { flex: 1 1 0; min-width: 0; font-size: .72rem; line-height: 1.3; color: var(--soft); border-top: 4px solid var(--line); padding-top: .4rem; overflow-wrap: normal }
.steps .lit { border-color: var(--lit); color: var(--ink) }
.past { list-style: none; padding: 0; margin: 0 }
.past li { position: relative; padding: 0 0 1rem 1.5rem }
.past li:last-child { padding-bottom: 0 }
.past li::before { content: ""; position: absolute; left: 0; top: .45rem; width: 10px; height: 10px; border-radius: 50%; background: var(--line) }
.past li:first-child::before { background: var(--lit) }
.past li:not(:last-child)::after { content: ""; position: absolute; left: 4px; top: 1.1rem; bottom: -.3rem; width: 2px; background: var(--line) }
.past span { display: block }
.past time, .past small { color: var(--soft); font-size: .875rem; font-variant-numeric: tabular-nums }
.still { text-align: center; font-size: .8rem; padding-bottom: 2rem }
`

/**
 * Keeps the page as it is in the database, and shows times as the reader's clock has them. All is there without it. The address says what version the page has, so that
 * nothing is missed in between; a server that has no room, or is gone, is asked again, later each time.
 */
const script = `
'use strict'
const main = document.querySelector('main')
const still = document.querySelector('.still')
const localise = () => {
  for (const time of main.querySelectorAll('time')) time.textContent = new Date(time.dateTime).toLocaleString([], { dateStyle: 'medium', timeStyle: 'short' })
}
localise()
let version = main.dataset.version
let wait = 2000
const open = () => {
  const source = new EventSource(location.pathname + '/live?since=' + version)
  source.onopen = () => { wait = 2000; still.textContent = 'This page keeps itself up to date.' }
  source.onmessage = (event) => {
    version = event.lastEventId
    main.innerHTML = event.data
    document.title = main.querySelector('h1').textContent
    localise()
  }
  source.onerror = () => {
    if (source.readyState !== EventSource.CLOSED) return
    setTimeout(open, wait * (0.5 + Math.random()))
    wait = Math.min(wait * 2, 120000)
  }
}
if (version) open()
`

// The one style sheet and the one script are allowed by their hashes, nothing else at all: no image, no frame around the page, no call to anyone but us.
const hashOf = (text: string): string => `'sha256-${hash('sha256', text, 'base64')}'`
const headers = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': `default-src 'none'; style-src ${hashOf(style)}; script-src ${hashOf(script)}; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-robots-tag': 'noindex',
  'cache-control': 'private, no-cache',
} as const

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
const escape = (text: string) => text.replaceAll(/[&<>"']/g, (character) => entities[character] ?? character)

const words = (code: string) => {
  const plain = code.replaceAll('_', ' ').replaceAll('/', ': ').toLowerCase()
  return plain.charAt(0).toUpperCase() + plain.slice(1)
}
const sentence = (text: string) => text.charAt(0).toUpperCase() + text.slice(1)

const documentOf = (title: string, { content, version }: { content: string; version: number | null }) =>
  `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${escape(title)}</title><style>${style}</style></head>
<body><main${version === null ? '' : ` data-version="${version}"`} aria-live="polite">${content}</main>${version === null ? '' : `<p class="still">Load the page again to see what is new.</p><script>${script}</script>`}</body></html>
`

const weekdays = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'] as const
const months = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
] as const
const dayOf = (instant: string) => {
  const at = new Date(instant)
  return { weekday: weekdays[at.getUTCDay()] ?? '', day: `${at.getUTCDate()} ${months[at.getUTCMonth()] ?? ''}` }
}

/** A day where the window is one, else the days between which four of five come, and the likeliest. */
function whenOf({ at, from, to }: NonNullable<ShipmentView['arrival']>): string {
  const [first, likely, last] = [dayOf(from), dayOf(at), dayOf(to)]
  if (first.day === last.day) return `<b>${first.weekday}, ${first.day}</b> as parcels on this way usually take`
  return `<b>${first.day} to ${last.day}</b> most likely ${likely.weekday}, ${likely.day}; four of five parcels on this way come within these days`
}

const stamp = (instant: string): string => `<time datetime="${instant}">${instant.slice(0, 10)} ${instant.slice(11, 16)} UTC</time>`

/** What changes of the page; sent as it is to pages that are open. */
export function pageContent({
  state,
  attempt,
  arrival,
  timeline,
}: Pick<ShipmentView, 'state' | 'attempt' | 'arrival' | 'timeline'>): string {
  const open = timeline.filter((entry) => !entry.voided && entry.code !== 'void')
  const reached = new Set(open.map((entry) => entry.milestone))
  const farthest = steps.findLastIndex((step) => step.from.some((milestone) => milestone === state || reached.has(milestone)))
  const wayOut = !['returning', 'returned', 'cancelled'].includes(state)
  const bar = steps.map(({ name }, index) => `<li${index <= farthest ? ' class="lit"' : ''}>${name}</li>`).join('')
  const past = open
    .toReversed()
    .map(({ occurredAt, code, milestone, place, source }) => {
      const known = carrierMeaningOf(source, code)?.meaning
      const said =
        milestone === null || milestone === 'exception' ? (known === undefined ? words(code) : sentence(known)) : headline[milestone]
      return `<li><span>${escape(said)}</span>${stamp(occurredAt)}${place === '' ? '' : `<small> · ${escape(place)}</small>`}</li>`
    })
    .join('')
  const seen = open.findLast((entry) => entry.place !== '')
  const where =
    seen === undefined || state === 'delivered' ? '' : `<p class="seen">Last seen at ${escape(seen.place)}, ${stamp(seen.occurredAt)}</p>`
  const again = attempt > 1 ? ` This is attempt ${attempt}.` : ''
  return `<section><h1>${headline[state]}</h1><p>${explanation[state]}${again}</p>${
    arrival === null ? '' : `<p class="when">Expected ${whenOf(arrival)}</p>`
  }${where}${wayOut ? `<ol class="steps">${bar}</ol>` : ''}</section>
<section><h2>What happened so far</h2>${past === '' ? '<p>Nothing yet.</p>' : `<ol class="past">${past}</ol>`}</section>`
}

/** The page behind a public link. Times are shown in UTC and say so, until the script puts the reader's own in their place. */
export function renderPage(view: ShipmentView | undefined, version: number): Page {
  if (view === undefined) {
    const content =
      '<section><h1>No such parcel</h1><p>Check that the link is whole. Links in messages are sometimes cut at the end of a line.</p></section>'
    return { status: 404, headers, body: documentOf('No such parcel', { content, version: null }) }
  }
  return { status: 200, headers, body: documentOf(headline[view.state], { content: pageContent(view), version }) }
}

import { hash } from 'node:crypto'
import type { Milestone } from './fold.ts'
import type { PublicView } from './shipment-view.ts'

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
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5b6675; --line: #d9dee5; --paper: #fff; --ground: #f4f6f8; --lit: #0b6b57 }
@media (prefers-color-scheme: dark) { :root { --ink: #e8ecf1; --soft: #9aa6b5; --line: #37414e; --paper: #1b222b; --ground: #12171d; --lit: #3fbf9f } }
* { box-sizing: border-box }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif }
main { max-width: 34rem; margin: 0 auto; padding: 1.5rem 1rem 3rem }
section { background: var(--paper); border: 1px solid var(--line); border-radius: 12px; padding: 1.25rem; margin-bottom: 1rem }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .25rem }
h2 { font-size: 1rem; margin: 0 0 .75rem }
p { margin: 0; color: var(--soft) }
.steps { display: flex; gap: 4px; list-style: none; padding: 0; margin: 1.25rem 0 0 }
.steps li { flex: 1; font-size: .75rem; color: var(--soft); border-top: 4px solid var(--line); padding-top: .4rem }
.steps .lit { border-color: var(--lit); color: var(--ink) }
.past { list-style: none; padding: 0; margin: 0 }
.past li { display: flex; gap: 1rem; padding: .5rem 0; border-top: 1px solid var(--line) }
.past li:first-child { border-top: 0 }
.past time { flex: 0 0 auto; white-space: nowrap; color: var(--soft); font-size: .875rem; font-variant-numeric: tabular-nums }
`

// The one style sheet is allowed by its hash, nothing else at all: no script, no image, no frame around the page.
const styleHash = hash('sha256', style, 'base64')
const headers = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': `default-src 'none'; style-src 'sha256-${styleHash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-robots-tag': 'noindex',
  'cache-control': 'private, max-age=15',
} as const

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
const escape = (text: string) => text.replaceAll(/[&<>"']/g, (character) => entities[character] ?? character)

const words = (code: string) => {
  const plain = code.replaceAll('_', ' ')
  return plain.charAt(0).toUpperCase() + plain.slice(1)
}

const documentOf = (title: string, content: string) =>
  `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${escape(title)}</title><style>${style}</style></head>
<body><main>${content}</main></body></html>
`

/** The page behind a public link. Times are shown in UTC and say so: without a script the page cannot know the reader's zone. */
export function renderPage(view: PublicView | undefined): Page {
  if (view === undefined) {
    const content =
      '<section><h1>No such parcel</h1><p>Check that the link is whole. Links in messages are sometimes cut at the end of a line.</p></section>'
    return { status: 404, headers, body: documentOf('No such parcel', content) }
  }
  const { state, attempt, timeline } = view
  const reached = new Set(timeline.map((entry) => entry.milestone))
  const farthest = steps.findLastIndex((step) => step.from.some((milestone) => milestone === state || reached.has(milestone)))
  const wayOut = !['returning', 'returned', 'cancelled'].includes(state)
  const bar = steps.map(({ name }, index) => `<li${index <= farthest ? ' class="lit"' : ''}>${name}</li>`).join('')
  const past = timeline
    .toReversed()
    .map(({ occurredAt, code, milestone, place }) => {
      const said = milestone === null || milestone === 'exception' ? words(code) : headline[milestone]
      const when = `${occurredAt.slice(0, 10)} ${occurredAt.slice(11, 16)} UTC`
      return `<li><time datetime="${occurredAt}">${when}</time><span>${escape(said)}${place === '' ? '' : `, ${escape(place)}`}</span></li>`
    })
    .join('')
  const again = attempt > 1 ? ` This is attempt ${attempt}.` : ''
  const content = `<section><h1>${headline[state]}</h1><p>${explanation[state]}${again}</p>${wayOut ? `<ol class="steps">${bar}</ol>` : ''}</section>
<section><h2>What happened so far</h2><ol class="past">${past}</ol></section>`
  return { status: 200, headers, body: documentOf(headline[state], content) }
}

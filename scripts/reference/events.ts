import type { Consumer } from '#platform/consumer.ts'
import { code, isSyntaxNode, roomOf, type SourceFile, type SyntaxNode, tableOf, visit } from './sources.ts'

interface EventKind {
  readonly about: string
  readonly key: 'order id' | 'waybill id'
  /** The interface of its payload in the events.ts of its context. */
  readonly payload: string
}

/** What no table of the code holds. A type that is announced or consumed and is not here, or the other way round, is an error. */
const kinds: Readonly<Record<string, EventKind>> = {
  'orders.placed': { about: 'An order is stored and waits for its money.', key: 'order id', payload: 'OrderPlaced' },
  'orders.paid': { about: 'The money is there: what is to be delivered, by section.', key: 'order id', payload: 'OrderPaid' },
  'orders.payment_asked': {
    about: 'Items were added or exchanged, or an order is to be paid in another way.',
    key: 'order id',
    payload: 'OrderPaymentAsked',
  },
  'orders.amount_raised': { about: 'An order that is not paid yet was amended upwards.', key: 'order id', payload: 'OrderAmountRaised' },
  'orders.cancelled': { about: 'Items of an order, or all of it, will not be delivered.', key: 'order id', payload: 'OrderCancelled' },
  'orders.refund_due': { about: 'Money goes back for another reason than a cancel.', key: 'order id', payload: 'OrderRefundDue' },
  'orders.moved': { about: 'Items changed their state after they were paid.', key: 'order id', payload: 'OrderMoved' },
  'orders.edited': { about: 'Destination, slot, sections or items are other ones now.', key: 'order id', payload: 'OrderEdited' },
  'orders.hold_changed': {
    about: 'An order or a section was put on hold, or is free again.',
    key: 'order id',
    payload: 'OrderHoldChanged',
  },
  'orders.cancel_requested': {
    about: 'Goods in preparation are to be cancelled, if the warehouse agrees.',
    key: 'order id',
    payload: 'OrderCancelRequested',
  },
  'orders.claim_moved': { about: 'A return, exchange, reship or refund went a step on.', key: 'order id', payload: 'OrderClaimMoved' },
  'payments.moved': { about: 'Money of a request moved, or what is due of it changed.', key: 'order id', payload: 'PaymentsMoved' },
  'payments.failed': {
    about: 'A means of payment has failed for good; the request stays open.',
    key: 'order id',
    payload: 'PaymentsFailed',
  },
  'payments.expired': { about: 'Nobody paid in time; what was set aside is let go.', key: 'order id', payload: 'PaymentsExpired' },
  'payments.checking': { about: 'The end of a charge is not known, or is known again.', key: 'order id', payload: 'PaymentsChecking' },
  'fulfilment.waybills_created': { about: 'A waybill is made; one event for each.', key: 'waybill id', payload: 'WaybillsCreated' },
  'fulfilment.waybill_rescheduled': {
    about:
      'A waybill asks for a route again, with the same facts as at birth: for another slot, after a failed attempt, or free of a hold.',
    key: 'waybill id',
    payload: 'WaybillRescheduled',
  },
  'fulfilment.waybill_moved': { about: 'A waybill changed its state.', key: 'waybill id', payload: 'WaybillMoved' },
  'fulfilment.rows_split': {
    about: 'Rows that were split are told apart on their waybill, with where it stands.',
    key: 'waybill id',
    payload: 'RowsSplit',
  },
  'fulfilment.waybill_late': {
    about: 'A waybill waits with its warehouse or merchant longer than was promised.',
    key: 'waybill id',
    payload: 'WaybillLate',
  },
  'fulfilment.short_picked': {
    about: 'Pieces that the warehouse does not have are off a waybill; its order is to follow.',
    key: 'waybill id',
    payload: 'ShortPicked',
  },
  'fulfilment.contents_changed': {
    about: 'What a waybill carries that is being prepared, after it changed.',
    key: 'waybill id',
    payload: 'ContentsChanged',
  },
  'fulfilment.ready_promised': {
    about: 'When the goods of a waybill will be ready for its truck is known, or is another time; null: they are.',
    key: 'waybill id',
    payload: 'ReadyPromised',
  },
  'fulfilment.call_off_failed': {
    about: 'Cancelled goods that had gone too far to be called off.',
    key: 'waybill id',
    payload: 'CallOffFailed',
  },
  'warehousing.sales_order_made': { about: 'A warehouse is to prepare something.', key: 'waybill id', payload: 'SalesOrderMade' },
  'warehousing.sales_order_changed': {
    about: 'Lines, pick flow or wave of a sales order are other ones now; all of it, as it is.',
    key: 'waybill id',
    payload: 'SalesOrderChanged',
  },
  'warehousing.sales_order_moved': {
    about: 'A sales order changed its state, or pieces of it were found missing.',
    key: 'waybill id',
    payload: 'SalesOrderMoved',
  },
  'warehousing.ready_promised': {
    about: 'A warehouse has said when something will be ready for its truck; null: the one that prepares it now has not.',
    key: 'waybill id',
    payload: 'SalesOrderPromised',
  },
  'routing.assigned': { about: 'An attempt of a waybill has a place on a truck.', key: 'waybill id', payload: 'RoutingAssigned' },
  'routing.unassigned': {
    about: 'It has none yet, and why; told once for each new reason.',
    key: 'waybill id',
    payload: 'RoutingUnassigned',
  },
  'routing.ready_weighed': {
    about: 'Whether its truck can wait until the goods of a waybill are ready; told after each word about it.',
    key: 'waybill id',
    payload: 'RoutingReadyWeighed',
  },
  'tracking.milestone_reached': { about: 'A shipment reached a milestone; told once.', key: 'waybill id', payload: 'MilestoneReached' },
  'tracking.milestone_withdrawn': {
    about: 'A milestone that was told turned out not to be so.',
    key: 'waybill id',
    payload: 'MilestoneWithdrawn',
  },
}

export function eventsPage(consumers: readonly Consumer[], sources: readonly SourceFile[]): string {
  const found = new Set([...announcedIn(sources), ...consumers.flatMap(({ types }) => types)])
  const missing = [...found].filter((type) => !(type in kinds))
  const idle = Object.keys(kinds).filter((type) => !found.has(type))
  if (missing.length > 0) throw new Error(`events that scripts/reference/events.ts does not describe: ${missing.join(', ')}`)
  if (idle.length > 0) throw new Error(`events that nobody announces any more: ${idle.join(', ')}`)
  const contexts = [...new Set(Object.keys(kinds).map((type) => type.split('.')[0] ?? ''))]
  return [
    '# Events',
    '',
    'What contexts announce, in the transaction that made it true, by their outbox. Events of one key are delivered in the order they were',
    'written; each consumer takes each of them once. Amounts are in minor units, instants are ISO 8601 in UTC. All are of schema version 1.',
    '',
    '## Consumers',
    '',
    'A consumer reads one outbox and works in one other context. *Unhurried* ones make room while callers press.',
    '',
    tableOf(
      ['consumer', 'reads', 'writes into', 'types', 'priority'],
      consumers.map(({ name, from, into, types, priority }) => [code(name), from, into, types.map(code).join(', '), priority ?? 'prompt']),
    ),
    ...contexts.flatMap((context) => [
      '',
      `## ${context}`,
      ...Object.entries(kinds)
        .filter(([type]) => type.startsWith(`${context}.`))
        .flatMap(([type, kind]) => {
          const readers = consumers.filter(({ types }) => types.includes(type)).map(({ name }) => code(name))
          const fields = fieldsOf(kind.payload, context, sources)
          return [
            '',
            `### ${code(type)}`,
            '',
            `${kind.about} Key: ${kind.key}. ${readers.length === 0 ? 'Nobody of this house consumes it yet.' : `Consumed by ${readers.join(', ')}.`}`,
            '',
            tableOf(['field', 'type', 'about'], fields),
          ]
        }),
      ...shapesOf(context, sources),
    ]),
    '',
  ].join('\n')
}

/** The types of a context that its payloads name, as they are written there. */
function shapesOf(context: string, sources: readonly SourceFile[]): string[] {
  const payloads = Object.entries(kinds).filter(([type]) => type.startsWith(`${context}.`))
  const words = payloads.flatMap(([, { payload }]) =>
    fieldsOf(payload, context, sources).flatMap(([, type = '']) => type.match(/\b[A-Z]\w+/g) ?? []),
  )
  const shapes = [...new Set(words)].toSorted().flatMap((name) => {
    const source = sources.find((candidate) => roomOf(candidate.path) === context && declarationOf(candidate, name) !== undefined)
    return source === undefined ? [] : [...listOf(source, name), nameIn(source, declarationOf(source, name)).replaceAll('readonly ', '')]
  })
  return shapes.length === 0 ? [] : ['', `The shapes in these:`, '', '```ts', ...shapes, '```']
}

/** The list that a type such as `(typeof milestones)[number]` is made of. */
function listOf(source: SourceFile, name: string): string[] {
  const list = /typeof (\w+)/.exec(nameIn(source, declarationOf(source, name)))?.[1]
  const text = list === undefined ? undefined : new RegExp(`const ${list} = \\[[^\\]]*\\] as const`).exec(source.text)?.[0]
  return text === undefined ? [] : [text.replaceAll(/\s+/g, ' ')]
}

/** Types in the events.ts of contexts, and in what they announce elsewhere. */
function announcedIn(sources: readonly SourceFile[]): Set<string> {
  const found = new Set<string>()
  for (const { path, text } of sources) {
    const context = roomOf(path)
    const pattern = path.endsWith('/events.ts') ? `'(${context}\\.[a-z_]+)'` : `\\btype: '(${context}\\.[a-z_]+)'`
    for (const [, type = ''] of text.matchAll(new RegExp(pattern, 'g'))) found.add(type)
  }
  return found
}

function fieldsOf(name: string, context: string, sources: readonly SourceFile[]): string[][] {
  const source = sources.find(({ path }) => path === `src/${context}/events.ts`)
  const declared = source === undefined ? undefined : declarationOf(source, name)
  if (source === undefined || declared === undefined) throw new Error(`src/${context}/events.ts has no ${name}`)
  // `type WaybillRescheduled = WaybillsCreated`
  if (declared.type === 'TSTypeAliasDeclaration') return fieldsOf(nameIn(source, declared['typeAnnotation']), context, sources)
  const above = ((declared['extends'] ?? []) as SyntaxNode[]).flatMap((base) => fieldsOf(nameIn(source, base), context, sources))
  return [...above, ...membersOf(source, (declared['body'] as SyntaxNode)['body'] as SyntaxNode[], '')]
}

function declarationOf({ program }: SourceFile, name: string): SyntaxNode | undefined {
  let found: SyntaxNode | undefined
  visit(program, (node) => {
    const isType = node.type === 'TSInterfaceDeclaration' || node.type === 'TSTypeAliasDeclaration'
    if (isType && isSyntaxNode(node['id']) && node['id']['name'] === name) found = node
  })
  return found
}

const nameIn = ({ text }: SourceFile, node: unknown): string => (isSyntaxNode(node) ? text.slice(node.start, node.end) : '')

function membersOf(source: SourceFile, members: readonly SyntaxNode[], within: string): string[][] {
  return members.flatMap((member) => {
    const { text, docs } = source
    const name = `${within}${nameIn(source, member['key'])}`
    const annotation = (member['typeAnnotation'] as SyntaxNode)['typeAnnotation'] as SyntaxNode
    const doc = docs.find(({ end }) => end <= member.start && text.slice(end, member.start).trim() === '')
    const about = (doc?.value ?? '').replaceAll(/^\s*\*\s?/gm, '')
    const nested = listOfObjects(annotation)
    if (nested !== undefined) return [[code(name), 'list', about], ...membersOf(source, nested, `${name}[].`)]
    const type = text.slice(annotation.start, annotation.end).replaceAll('readonly ', '')
    return [[code(name), type, about]]
  })
}

/** The members of `readonly { … }[]`. */
function listOfObjects(node: SyntaxNode): readonly SyntaxNode[] | undefined {
  const inner = node.type === 'TSTypeOperator' ? node['typeAnnotation'] : node
  if (!isSyntaxNode(inner) || inner.type !== 'TSArrayType' || !isSyntaxNode(inner['elementType'])) return undefined
  return inner['elementType'].type === 'TSTypeLiteral' ? (inner['elementType']['members'] as SyntaxNode[]) : undefined
}

import type { Fulfilment, StoredWaybill } from '#fulfilment'
import { wayToTheDoor } from '#fulfilment'
import type { CheckResult } from '#kernel/check.ts'
import type { Orders } from '#orders'
import type { SandboxLogLine } from '#partners/sandbox-partners/index.ts'
import type { Databases, Scope } from '#platform/database.ts'

export interface PartnerLogs {
  readonly databases: Databases
  readonly orders: Pick<Orders, 'moneyPage'>
  readonly fulfilment: Pick<Fulfilment, 'waybillsOfOrders'>
  /** The partner's own log. */
  readonly linesOf: (partner: string) => AsyncIterable<SandboxLogLine>
}

/** At most so many breaks are named. */
const namedMost = 100

/**
 * Holds the own logs of sandbox partners against the waybills: what was released to our warehouse, the warehouse has been told, each
 * attempt once; and what warehouse and sorter have done, our waybills have passed. Exact when every event and message has been taken.
 */
export async function compareWithPartners(scope: Scope, options: PartnerLogs): Promise<CheckResult[]> {
  const wms = await readOf(options.linesOf('wms'), 'waybill.released')
  const pss = await readOf(options.linesOf('pss'), 'waybill.moved')
  if (wms.told + pss.told === 0) return []
  const untold: string[] = []
  const behind: string[] = []
  const unknown = new Set([...wms.askedOf.keys(), ...pss.askedOf.keys()])
  for await (const waybill of waybillsOf(scope, options)) {
    const { waybillId, attempt, state } = waybill
    for (const [partner, log] of [
      ['the warehouse', wms],
      ['the sorter', pss],
    ] as const) {
      for (let of = 1; of <= attempt; of += 1) {
        const name = nameOf(waybillId, of)
        unknown.delete(name)
        const asked = log.askedOf.get(name)
        if (partner === 'the warehouse' && asked === undefined && isOurs(waybill) && wasReleased(waybill, of))
          untold.push(`waybill ${waybillId}, attempt ${of}, is ${state}, and the warehouse was never told`)
        const furthest = asked?.at(-1)
        if (furthest !== undefined && of === attempt && isBefore(state, furthest))
          behind.push(`waybill ${waybillId} is ${state}, and ${partner} has it ${furthest}`)
      }
    }
  }
  return [
    {
      check: 'partners: the warehouse was told of every release, each attempt as one message',
      breaks: [...wms.twice, ...(wms.told === 0 ? [] : untold)].slice(0, namedMost),
    },
    { check: 'partners: what warehouse and sorter have done, waybills have passed', breaks: behind.slice(0, namedMost) },
    {
      check: 'partners: warehouse and sorter know of no waybill that we do not have',
      breaks: [...unknown].slice(0, namedMost).map((name) => `${name} is in a log only`),
    },
  ]
}

const nameOf = (waybillId: number, attempt: number): string => `waybill ${waybillId} attempt ${attempt}`

/** What a partner was asked to do, by waybill and attempt, and what it asked of us for it. */
async function readOf(lines: AsyncIterable<SandboxLogLine>, kind: string) {
  const askedOf = new Map<string, readonly string[]>()
  const idOf = new Map<string, string>()
  const twice: string[] = []
  let told = 0
  for await (const { id, topic, body, asked } of lines) {
    if (!topic.endsWith(`.${kind}`) || asked.length === 0) continue
    const { waybillId, attempt } = body as { waybillId: number; attempt: number }
    const name = nameOf(waybillId, attempt)
    const before = idOf.get(name)
    if (before !== undefined && before !== id && twice.length < namedMost) twice.push(`${name} was told as ${before} and as ${id}`)
    idOf.set(name, id)
    askedOf.set(name, asked)
    told += 1
  }
  return { askedOf, twice, told }
}

/** Whether our own warehouse prepares it. */
const isOurs = ({ merchant, purpose }: StoredWaybill): boolean => merchant === '' && purpose !== 'return'

/** Whether an attempt has certainly been released: a later one follows it, or it stands beyond. A cancelled one may or may not. */
function wasReleased({ attempt, state }: StoredWaybill, of: number): boolean {
  return (
    of < attempt ||
    wayToTheDoor.indexOf(state) >= wayToTheDoor.indexOf('released') ||
    (state !== 'cancelled' && !wayToTheDoor.includes(state) && !beforeTheWay.includes(state))
  )
}
const beforeTheWay: readonly string[] = ['created', 'rescheduled']

/** Whether a waybill stands before what a partner has done; what has left the way has passed it or was called off. */
function isBefore(state: StoredWaybill['state'], reported: string): boolean {
  const at = wayToTheDoor.indexOf(state)
  return at >= 0 && at < wayToTheDoor.findIndex((each) => each === reported)
}

async function* waybillsOf(scope: Scope, { databases, orders, fulfilment }: PartnerLogs): AsyncGenerator<StoredWaybill> {
  for (let after = 0; ; ) {
    const page = await databases.of('orders').read(scope, (context) => orders.moneyPage(context, after))
    const last = page.at(-1)
    if (last === undefined) return
    after = last.orderId
    const found = await databases.of('fulfilment').read(scope, (context) =>
      fulfilment.waybillsOfOrders(
        context,
        page.map(({ orderId }) => orderId),
      ),
    )
    yield* [...found.values()].flat()
  }
}

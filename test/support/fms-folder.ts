import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { seeded } from '#partners/made-city/index.ts'

/** What an import must say of one line, as `what file line field code`. */
export interface MadeFolder {
  readonly folder: string
  readonly shipments: number
  /** Good rows of tracking.csv. */
  readonly events: number
  /** Everything that is to be said, sorted. */
  readonly expected: readonly string[]
  remove(): Promise<void>
}

type Life = readonly string[]
const lives: readonly Life[] = [
  ['NEW'],
  ['NEW', 'CONFIRMED', 'PICKED'],
  ['NEW', 'CONFIRMED', 'HANDED_OVER', 'AT_HUB'],
  ['NEW', 'CONFIRMED', 'HANDED_OVER', 'AT_HUB', 'OUT_FOR_DELIVERY', 'DELIVERED'],
  ['NEW', 'HANDED_OVER', 'OUT_FOR_DELIVERY', 'NOT_HOME', 'OUT_FOR_DELIVERY', 'DELIVERED'],
  ['NEW', 'HANDED_OVER', 'RETURNING', 'RETURNED'],
  ['NEW', 'HANDED_OVER', 'LOST'],
  ['NEW', 'CANCELLED'],
]
const zones = ['America/Sao_Paulo', 'Europe/Berlin', 'Asia/Kolkata', 'America/New_York'] as const
const shipmentHeader = 'id,order_ref,status,created_at,timezone,carrier,tracking_number,origin_region,destination_region,promised_at'
const eventHeader = 'id,shipment_id,status,happened_at,timezone,location,note,is_deleted'

const pad = (n: number): string => String(n).padStart(2, '0')
/** Six hours lie between two events: further apart than clocks of scanners may differ, so that each moves its shipment on. */
const clock = (day: number, step: number): string => `2026-02-${pad(1 + ((day + Math.floor(step / 4)) % 28))} ${pad((step % 4) * 6)}:15:00`

/**
 * Writes a folder as the monolith would export it, from a seed, with each defect and each difference in it `each` times, at lines that are known. Rows of
 * tracking.csv are written shipment by shipment; half of the good shipments have their events in an order of their own, since the monolith wrote them as they came.
 */
export async function writeFmsFolder({ seed, good = 40, each = 1 }: { seed: number; good?: number; each?: number }): Promise<MadeFolder> {
  const random = seeded(seed)
  const shipments: string[] = []
  const events: string[] = []
  const expected: string[] = []
  let lastEvent = 0
  let goodEvents = 0
  const say = (what: string, file: string, line: number, field: string, code: string): void =>
    void expected.push(`${what} ${file} ${line} ${field} ${code}`)

  const shipment = (change: Record<string, string> = {}): { id: number; line: number; zone: string } => {
    const id = shipments.length + 1
    const zone = change['timezone'] ?? zones[Math.floor(random() * zones.length)] ?? 'UTC'
    const external = random() < 0.5
    const cells: Record<string, string> = {
      id: String(id),
      order_ref: `FMS-${1000 + id}`,
      status: 'NEW',
      created_at: clock(0, 0),
      timezone: zone,
      carrier: external ? 'dhl' : '',
      tracking_number: external ? `JD${seed}00${id}` : '',
      origin_region: 'BR-SP',
      destination_region: 'BR-RJ',
      promised_at: '2026-03-15 18:00:00',
      ...change,
    }
    shipments.push(
      shipmentHeader
        .split(',')
        .map((name) => cells[name] ?? '')
        .join(','),
    )
    return { id, line: shipments.length + 1, zone }
  }
  const event = (
    of: { id: number; zone: string },
    status: string,
    step: number,
    change: Record<string, string> = {},
  ): { line: number; row: string } => {
    lastEvent += 1
    const cells: Record<string, string> = {
      id: String(lastEvent),
      shipment_id: String(of.id),
      status,
      happened_at: clock(1, step),
      timezone: of.zone,
      location: 'Hub 7',
      note: '',
      is_deleted: '0',
      ...change,
    }
    const row = eventHeader
      .split(',')
      .map((name) => cells[name] ?? '')
      .join(',')
    events.push(row)
    return { line: events.length + 1, row }
  }
  const told = (of: { id: number; zone: string }, life: Life): void => {
    goodEvents += life.length
    for (const [step, status] of life.entries()) event(of, status, step)
  }

  for (let n = 0; n < good; n += 1) {
    const life = lives[Math.floor(random() * lives.length)] ?? ['NEW']
    const of = shipment({ status: life.at(-1) ?? 'NEW' })
    const from = events.length
    told(of, life)
    if (random() < 0.5)
      events.push(
        ...events
          .splice(from)
          .map((row) => ({ row, at: random() }))
          .toSorted((a, b) => a.at - b.at)
          .map(({ row }) => row),
      )
  }
  for (let n = 0; n < each; n += 1) {
    const onRoad: Life = ['NEW', 'HANDED_OVER', 'AT_HUB']
    // Shipments that can not be taken.
    const broken = (change: Record<string, string>, field: string, code: string): void =>
      say('broken', 'shipments.csv', shipment(change).line, field, code)
    broken({ id: 'seven' }, 'id', 'fms.bad_key')
    broken({ id: '1' }, 'id', 'fms.key_twice')
    broken({ timezone: 'Mars/Olympus' }, 'timezone', 'fms.bad_zone')
    broken({ created_at: '2026-02-30 10:00:00' }, 'created_at', 'fms.bad_time')
    broken({ created_at: '29/03/2026' }, 'created_at', 'fms.bad_time')
    broken({ timezone: 'Europe/Berlin', created_at: '2026-03-29 02:30:00' }, 'created_at', 'fms.skipped_time')
    broken({ order_ref: '' }, 'order_ref', 'fms.missing')
    broken({ order_ref: 'x'.repeat(65) }, 'order_ref', 'fms.too_long')
    broken({ carrier: 'D H L', tracking_number: 'A1' }, 'carrier', 'fms.bad_carrier')
    broken({ carrier: 'fulfilment', tracking_number: 'A1' }, 'carrier', 'fms.bad_carrier')
    broken({ carrier: '', tracking_number: 'A1' }, 'carrier', 'fms.missing')
    broken({ promised_at: '2026-01-01 10:00:00' }, 'promised_at', 'fms.promised_before')
    const taken = shipment({ carrier: 'fedex', tracking_number: `TWICE${n}` })
    broken({ carrier: 'fedex', tracking_number: `TWICE${n}` }, 'tracking_number', 'fms.number_twice')
    told(taken, ['NEW'])
    shipments.push('9,too,few')
    say('broken', 'shipments.csv', shipments.length + 1, '', 'import.broken_line')
    const unnamed = shipment({ carrier: 'dhl', tracking_number: '' })
    say('noted', 'shipments.csv', unnamed.line, 'tracking_number', 'fms.no_number')
    told(unnamed, ['NEW'])

    // Events that can not be taken; what is left of their shipments still says what their status says.
    const host = shipment({ status: 'AT_HUB', timezone: 'Europe/Berlin' })
    told(host, onRoad)
    const brokenEvent = (change: Record<string, string>, field: string, code: string): void =>
      say('broken', 'tracking.csv', event(host, 'AT_HUB', 3, change).line, field, code)
    brokenEvent({ id: '0' }, 'id', 'fms.bad_key')
    brokenEvent({ id: '1' }, 'id', 'fms.key_twice')
    brokenEvent({ shipment_id: '99999999' }, 'shipment_id', 'fms.no_shipment')
    brokenEvent({ happened_at: 'yesterday' }, 'happened_at', 'fms.bad_time')
    brokenEvent({ happened_at: '2099-01-01 10:00:00' }, 'happened_at', 'tracking.in_the_future')
    brokenEvent({ happened_at: '2026-03-29 02:30:00' }, 'happened_at', 'fms.skipped_time')
    brokenEvent({ timezone: 'Nowhere' }, 'timezone', 'fms.bad_zone')
    brokenEvent({ is_deleted: 'maybe' }, 'is_deleted', 'fms.bad_flag')
    brokenEvent({ status: '' }, 'status', 'fms.missing')
    brokenEvent({ note: 'x'.repeat(201) }, 'note', 'fms.too_long')
    events.push('1,"2')
    say('broken', 'tracking.csv', events.length + 1, '', 'import.broken_line')
    const twice = event(host, 'AT_HUB', 3, { happened_at: '2025-10-26 02:30:00' })
    goodEvents += 1
    say('noted', 'tracking.csv', twice.line, 'happened_at', 'fms.time_twice')

    // Shipments whose status is not what their events say.
    const differs = (status: string, kind: string, life: Life, extra?: (of: { id: number; zone: string }) => void): void => {
      const of = shipment({ status })
      told(of, life)
      extra?.(of)
      say('differs', 'shipments.csv', of.line, 'status', kind)
    }
    differs('TELEPORTED', 'unknown_status', onRoad)
    differs('DELIVERED', 'no_events', [])
    differs('DELIVERED', 'broken_events', onRoad, (of) =>
      say('broken', 'tracking.csv', event(of, 'DELIVERED', 4, { happened_at: 'noon' }).line, 'happened_at', 'fms.bad_time'),
    )
    differs('DELIVERED', 'deleted_event', onRoad, (of) => {
      goodEvents += 1
      event(of, 'DELIVERED', 4, { is_deleted: '1' })
    })
    // The hub's scan of the morning was written after the delivery.
    differs('AT_HUB', 'last_written_wins', ['NEW', 'HANDED_OVER'], (of) => {
      goodEvents += 2
      event(of, 'DELIVERED', 6)
      event(of, 'AT_HUB', 3)
    })
    differs('DELIVERED', 'status_without_event', onRoad)
    differs('HANDED_OVER', 'behind_events', ['NEW', 'HANDED_OVER', 'AT_HUB', 'OUT_FOR_DELIVERY'])
  }

  const folder = await mkdtemp(join(tmpdir(), 'fms-'))
  await writeFile(join(folder, 'shipments.csv'), `${[shipmentHeader, ...shipments].join('\n')}\n`)
  await writeFile(join(folder, 'tracking.csv'), `${[eventHeader, ...events].join('\r\n')}\r\n`)
  return {
    folder,
    shipments: shipments.length,
    events: goodEvents,
    expected: expected.toSorted(),
    remove: () => rm(folder, { recursive: true }),
  }
}

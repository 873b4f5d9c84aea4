import { hash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import pg from 'pg'
import { systemClock } from '#kernel/time.ts'
import { seeded } from '#partners/made-city/index.ts'
import { foldReported, type ReportedFact, unpackStanding } from '#tracking'
import { openServerFolder, type ServerFolder } from '#test/server-folder.ts'
import { killAndRecover, startReady, type Victim, victimsOf } from './fault-house.ts'
import { factOf, numbersOf, ordersOf, type Story } from './tracks-story.ts'

export interface TracksReport {
  readonly seed: number
  readonly events: number
  readonly sent: number
  readonly parcels: number
  readonly registered: number
  readonly kills: number
  readonly killed: Readonly<Record<Victim, number>>
  /** Calls that were answered by nobody or with an error, and sent again. */
  readonly retries: number
  /** Facts of the story that are not there. */
  readonly lost: number
  /** Facts that are there and should not be, and parcels that are two. */
  readonly doubled: number
  /** Parcels that stand elsewhere than after the run in order. */
  readonly different: number
  readonly eventsPerSecond: number
  readonly seconds: number
  readonly breaks: readonly string[]
}

export interface TracksOptions {
  readonly events: number
  readonly kills: number
  readonly seed: number
  readonly say?: (line: string) => void
}

const perCall = 500
const clients = 6

/** Tracking by itself is fed a story shuffled and repeated three times, while it and PostgreSQL are killed; then it must stand as after the story in order. */
export async function runTracks({ events, kills, seed, say = () => undefined }: TracksOptions): Promise<TracksReport> {
  const started = performance.now()
  const story: Story = {
    events,
    parcels: Math.max(1, Math.ceil(events / 10)),
    firstMs: Math.floor(systemClock.now().getTime() / 1000) * 1000 - 20 * 86_400_000,
    seed,
  }
  const random = seeded(Math.imul(seed + 1, 0x9e3779b1))
  const folder = await openServerFolder({
    ROLES: 'track',
    LIMIT_PER_SECOND: '1000000',
    LIMIT_BURST: '1000000',
    LOG_LEVEL: 'warn',
    STOP_WITHIN_MS: '5000',
  })
  try {
    const house = { folder, server: await startReady(folder) }
    const key = await keyOf(folder)
    const deck = shuffled(events * 3, random)
    const killed: Record<Victim, number> = { server: 0, postgres: 0, both: 0 }
    const feed = openFeed({ folder, key, story, deck })
    const fed = feed.run()
    for (const [index, victim] of victimsOf(kills, random).entries()) {
      await feed.reached((index + 0.3 + random() * 0.4) / kills)
      killed[victim] += 1
      const tookMs = await killAndRecover(house, victim, undefined)
      say(`${victim} killed; ready after ${tookMs.toFixed(0)} ms; ${feed.done()} calls answered so far`)
    }
    await fed
    const eventsPerSecond = Math.round((events * 3) / feed.seconds())
    say(`fed ${events * 3} facts, ${eventsPerSecond}/s with the kills`)
    const books = await compare(folder, story)
    house.server.signal('SIGTERM')
    const { code } = await house.server.ended
    const breaks = code === 0 ? [] : [`the server ended with ${code} when it was asked to stop: ${house.server.output().slice(-2_000)}`]
    return {
      seed,
      events,
      sent: events * 3,
      parcels: story.parcels,
      registered: ordersOf(story).length,
      kills,
      killed,
      retries: feed.retries(),
      ...books,
      eventsPerSecond,
      seconds: Math.round((performance.now() - started) / 100) / 10,
      breaks: [...breaks, ...books.breaks, ...feed.strange()],
    }
  } finally {
    await folder.close()
  }
}

async function keyOf(folder: ServerFolder): Promise<string> {
  const secret = 'tl_tracks_0123456789abcdef0123456789abcdef'
  const admin = new pg.Client({ connectionString: await folder.adminUrl() })
  await admin.connect()
  await admin
    .query(
      `insert into platform.api_key (id, client, secret_hash, scopes, created_at) values ('faults', 'faults', $1, '{tracking:write,tracking:read}', now())`,
      [hash('sha256', secret, 'buffer')],
    )
    .finally(() => admin.end())
  return secret
}

/** Each fact of the story three times, in an order of the seed's. */
function shuffled(count: number, random: () => number): Uint32Array {
  const deck = Uint32Array.from({ length: count }, (_, index) => index)
  for (let index = count - 1; index > 0; index -= 1) {
    const other = Math.floor(random() * (index + 1))
    const held = deck[index] as number
    deck[index] = deck[other] as number
    deck[other] = held
  }
  return deck
}

function openFeed({ folder, key, story, deck }: { folder: ServerFolder; key: string; story: Story; deck: Uint32Array }) {
  const orders = ordersOf(story)
  const batches = Math.ceil(deck.length / perCall)
  // Registrations are strewn among the facts: some numbers are heard of before, some after.
  const perBatch = Math.ceil(orders.length / batches)
  const strange: string[] = []
  let [next, done, retries] = [0, 0, 0]
  const began = performance.now()
  let ended = began
  const waiting: { at: number; resolve: () => void }[] = []
  const callsOf = (batch: number) => {
    const events = [...deck.subarray(batch * perCall, (batch + 1) * perCall)].map((at) => factOf(at % story.events, story))
    const commands = orders
      .slice(batch * perBatch, (batch + 1) * perBatch)
      .map((input, index) => ({ idempotencyKey: `r-${batch}-${index}`, input }))
    const made = [{ path: '/v1/track/events/bulk', body: JSON.stringify({ events }) }]
    return commands.length === 0 ? made : [...made, { path: '/v1/track/shipments/batch', body: JSON.stringify({ commands }) }]
  }
  const send = async ({ path, body }: { path: string; body: string }): Promise<void> => {
    for (;;) {
      const answer = await fetch(folder.url + path, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
        body,
        signal: AbortSignal.timeout(30_000),
      }).then(
        async (response) => ({ status: response.status, body: await response.text() }),
        () => undefined,
      )
      if (answer?.status === 200) {
        const parsed = JSON.parse(answer.body) as { refused?: unknown[]; outcomes?: { status: number }[] }
        if ((parsed.refused ?? []).length > 0) strange.push(`refused: ${JSON.stringify(parsed.refused?.[0])}`)
        // What was refused because the database was away is sent again; the rest finds itself.
        const failed = parsed.outcomes?.find(({ status }) => status !== 200)
        if (failed === undefined) return
        if (failed.status < 500 && failed.status !== 429) strange.push(`refused: ${JSON.stringify(failed)}`)
        if (failed.status < 500 && failed.status !== 429) return
      } else if (answer !== undefined && answer.status < 500 && answer.status !== 429) {
        strange.push(`${path} was answered ${answer.status} ${answer.body.slice(0, 300)}`)
        return
      }
      retries += 1
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
  const client = async (): Promise<void> => {
    while (next < batches) {
      const batch = next
      next += 1
      for (const call of callsOf(batch)) await send(call)
      done += 1
      for (const each of waiting.filter(({ at }) => done >= at * batches)) each.resolve()
    }
  }
  return {
    run: async () => {
      await Promise.all(Array.from({ length: clients }, client))
      ended = performance.now()
    },
    reached: (share: number) => new Promise<void>((resolve) => void waiting.push({ at: share, resolve })),
    done: () => done,
    retries: () => retries,
    seconds: () => (ended - began) / 1000,
    strange: () => strange.slice(0, 20),
  }
}

/** Where a parcel stands after its facts in order, worked out without any database. */
function expectedOf(parcel: number, story: Story): ReturnType<typeof foldReported> {
  const reports: ReportedFact[] = []
  for (let at = parcel; at < story.events; at += story.parcels) {
    const { occurredAt, ...rest } = factOf(at, story)
    reports.push({ ...rest, occurredAt: new Date(occurredAt) })
  }
  return foldReported(reports)
}

async function compare(folder: ServerFolder, story: Story) {
  const admin = new pg.Client({ connectionString: await folder.adminUrl() })
  await admin.connect()
  const breaks: string[] = []
  let [lost, doubled, different] = [0, 0, 0]
  const page = 2_000
  try {
    for (let from = 0; from < story.parcels; from += page) {
      const parcels = Array.from({ length: Math.min(page, story.parcels - from) }, (_, index) => from + index)
      const { rows } = await admin.query<{ number: string; id: string; projection: never; facts: number }>(
        `select reference.number, shipment.id, shipment.projection, (select count(*)::int from tracking.event where shipment_id = shipment.id) as facts
         from tracking.reference join tracking.shipment on shipment.id = reference.shipment_id where reference.number = any($1)`,
        [parcels.flatMap((parcel) => numbersOf(parcel))],
      )
      const byNumber = new Map(rows.map((row) => [row.number, row]))
      for (const parcel of parcels) {
        const found = numbersOf(parcel).flatMap((number) => byNumber.get(number) ?? [])
        const expected = expectedOf(parcel, story)
        const [first] = found
        if (first === undefined || found.some(({ id }) => id !== first.id)) {
          doubled += 1
          breaks.push(`parcel ${parcel} is ${new Set(found.map(({ id }) => id)).size} shipments`)
          continue
        }
        lost += Math.max(0, expected.facts - first.facts)
        doubled += Math.max(0, first.facts - expected.facts)
        if (isDeepStrictEqual(unpackStanding(first.projection), expected.standing)) continue
        different += 1
        breaks.push(
          `parcel ${parcel} (shipment ${first.id}) stands ${JSON.stringify(first.projection)} instead of ${JSON.stringify(expected.standing)}`,
        )
      }
    }
    return { lost, doubled, different, breaks: breaks.slice(0, 50) }
  } finally {
    await admin.end()
  }
}

import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hash } from 'node:crypto'
import { openServerFolder, type ServerFolder, type Spawned } from '#test/server-folder.ts'
import { untilTrue } from '#test/until.ts'

describe('tracking by itself', { timeout: 200_000 }, () => {
  let folder: ServerFolder
  let server: Spawned
  const secret = 'tl_track_alone_0123456789abcdef'

  beforeAll(async () => {
    folder = await openServerFolder()
    server = folder.run(['start', '--roles', 'track'])
    await untilTrue(() => folder.isReady(), 60_000, 'a ready server')
  }, 120_000)
  afterAll(() => folder.close())

  const admin = async <T extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<T[]> => {
    const client = new pg.Client(await folder.adminUrl())
    await client.connect()
    const { rows } = await client.query<T>(text, values).finally(() => client.end())
    return rows
  }
  const call = async (path: string, body?: object) => {
    const response = await fetch(folder.url + path, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { authorization: `Bearer ${secret}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    // biome-ignore lint/suspicious/noExplicitAny: answers of several operations pass here
    return { status: response.status, body: (await response.json()) as any }
  }

  it('has the tables of tracking and of nobody else who fulfils', async () => {
    const rows = await admin<{ schemaname: string }>(
      `select distinct schemaname from pg_tables where schemaname in ('tracking', 'orders', 'fulfilment', 'routing', 'payments', 'messaging')`,
    )
    expect(rows.map((row) => row.schemaname).toSorted()).toEqual(['messaging', 'tracking'])
  })

  it('takes registrations and facts of any fulfilment system, by HTTP and by stream, and shows them', async () => {
    await admin(
      `insert into platform.api_key (id, client, secret_hash, scopes, created_at) values ('alone', 'alone', $1, '{tracking:write,tracking:read}', now())`,
      [hash('sha256', secret, 'buffer')],
    )
    const now = Date.now()
    const fact = (code: string, minutes: number) => ({
      carrier: 'posta',
      number: 'ALONE1',
      code,
      occurredAt: new Date(now + minutes * 60_000).toISOString(),
      source: 'posta',
    })
    await untilTrue(
      async () =>
        (await call('/v1/track/shipments', { numbers: [{ carrier: 'posta', number: 'alone1' }], orderRef: 'fms-1' })).status === 200,
      10_000,
      'a key that is known',
    )
    const bulk = await call('/v1/track/events/bulk', { events: [fact('accepted', -50), { ...fact('x', 0), occurredAt: 'soon' }, 7] })
    expect(bulk).toMatchObject({
      status: 200,
      body: {
        added: 1,
        refused: [
          { index: 1, field: '/occurredAt' },
          { index: 2, field: '/' },
        ],
      },
    })
    await admin(
      `insert into tracking.stream_record (topic, partition, position, key, value, appended_at)
      select 'track.events', 0, position, '', value, now() from unnest($1::bigint[], $2::text[]) as r (position, value)`,
      [
        [0, 1],
        [JSON.stringify(fact('out_for_delivery', -5)), 'no JSON'],
      ],
    )
    const shown = () => call('/v1/track/orders/fms-1')
    await untilTrue(async () => (await shown()).body.shipments[0].state === 'out_for_delivery', 20_000, 'the fact of the stream')
    expect((await shown()).body.shipments).toMatchObject([
      { orderRef: 'fms-1', waybillId: null, numbers: [{ carrier: 'posta', number: 'ALONE1' }] },
    ])
    expect(await admin('select feed, position, code from tracking.refused_fact')).toEqual([
      { feed: 'track.events', position: '0/1', code: 'tracking.not_json' },
    ])
    const page = await fetch(folder.url + (await shown()).body.shipments[0].publicPath)
    expect(await page.text()).toContain('Out for delivery')
  })

  it('knows no operation of another context, and becomes part of the whole later', async () => {
    expect((await call('/v1/orders/TL-1')).status).toBe(404)
    server.signal('SIGTERM')
    expect((await server.ended).code).toBe(0)
    const whole = folder.run(['start'])
    await untilTrue(() => folder.isReady(), 90_000, 'the whole on the same database')
    expect((await call('/v1/track/orders/fms-1')).body.shipments).toHaveLength(1)
    whole.signal('SIGTERM')
    expect((await whole.ended).code).toBe(0)
  })
})

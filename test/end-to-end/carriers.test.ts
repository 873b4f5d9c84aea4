import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { dialects, type Happening, openSandboxCarrier } from '#partners/sandbox-carrier/index.ts'
import { openWhole, type Whole } from '#test/whole.ts'

const seed = 20_261
const secretOf = (carrier: string): string => `user-${carrier}:a-secret-of-ours`
let whole: Whole
beforeAll(async () => {
  console.log(`the sandbox carriers have seed ${seed}`)
  whole = await openWhole({ CARRIER_SECRETS: dialects.map(({ name }) => `${name}:${secretOf(name)}`).join(',') })
}, 120_000)
afterAll(() => whole.close())

/** Where a parcel stands after a journey that ends so; written down here and not computed from the tables that it judges. */
const stateAfter: Readonly<Partial<Record<Happening, string>>> = {
  announced: 'created',
  picked_up: 'accepted',
  at_hub: 'at_hub',
  left_hub: 'in_transit',
  out: 'out_for_delivery',
  nobody_in: 'attempted',
  handed_over: 'delivered',
  sent_back: 'returning',
  back: 'returned',
  damaged: 'exception',
}

interface LogLine {
  readonly number: string
  readonly happening: Happening
  readonly code: string
  readonly at: number
  readonly town: string
}
interface View {
  readonly state: string
  readonly registered: boolean
  readonly timeline: readonly {
    readonly code: string
    readonly occurredAt: string
    readonly place: string
    readonly milestone: string | null
  }[]
}

// The contract that every carrier's adapter keeps, against a server that speaks as that carrier.
describe.each(dialects)('carrier $name', (dialect) => {
  const { name } = dialect
  const target = () => `${whole.server.url}/v1/track/carriers/${name}`
  const numbers = Array.from({ length: 40 }, (_, n) => `${name.toUpperCase()}${1000 + n}`)

  test('repeats, disorder, hang-ups, forgeries and spoiled events: at the end track and the carrier’s own log agree, event by event', async () => {
    const carrier = await openSandboxCarrier({
      dialect,
      secret: secretOf(name),
      target: target(),
      seed,
      now: new Date(),
      faults: { latencyMs: 3, repeats: 0.3, hangsUp: 0.2, spoils: 0.2, forges: 0.1 },
    })
    const run = await carrier.run(numbers)
    expect(run).toMatchObject({ believed: 0, refused: 0 })
    for (const count of [run.repeated, run.spoiled, run.forged]) expect(count).toBeGreaterThan(5)
    console.log(
      `${name}: ${run.messages} messages, ${run.repeated} of them again, ${run.spoiled} spoiled, ${run.forged} forged; slowest answer ${Math.round(run.slowestMs)} ms`,
    )
    await whole.core.tracking.desk?.idle()

    const log = (await (await fetch(`${carrier.url}/log`)).text())
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as LogLine)
    const ofNumber = Map.groupBy(log, ({ number }) => number)
    expect(ofNumber.size).toBe(numbers.length)
    for (const [number, told] of ofNumber) {
      const { status, body } = await whole.call('GET', `/v1/track/numbers/${number}?carrier=${name}`)
      expect(status).toBe(200)
      const view = body as View
      const shown = view.timeline.map(({ code, occurredAt }) => `${occurredAt} ${code}`)
      expect(shown).toEqual(told.map(({ code, at }) => `${new Date(at).toISOString()} ${code}`))
      expect(view.timeline.every(({ place }, index) => place.startsWith(told[index]?.town ?? '?'))).toBe(true)
      expect(view.state).toBe(stateAfter[told.at(-1)?.happening ?? 'curiosity'])
    }
    expect((await whole.call('GET', '/v1/track/numbers/FORGED')).status).toBe(404)
    await carrier.close()
  }, 60_000)

  test('a code that no table has is kept, shown, and named for whoever keeps the tables', async () => {
    const { body } = await whole.call('GET', '/v1/track/unknown-codes')
    const { codes } = body as { codes: { source: string; code: string; times: number; example: string }[] }
    const found = codes.find(({ source }) => source === name)
    expect(found).toMatchObject({ code: dialect.codes.curiosity })
    const shown = (await whole.call('GET', `/v1/track/numbers/${found?.example}`)).body as View
    expect(shown.timeline.find(({ code }) => code === dialect.codes.curiosity)).toMatchObject({ milestone: null })
  })

  test('of a message with bad events the good ones are recorded and the bad ones named by their place', async () => {
    const { body } = await whole.call('GET', `/v1/track/carrier-messages?carrier=${name}&broken=true`)
    const { messages } = body as {
      messages: { broken: { at: string; detail: string }[]; added: number; known: number; readAt: string | null }[]
    }
    expect(messages.length).toBeGreaterThan(5)
    // A page of two hundred whole messages could be two hundred megabytes.
    for (const message of messages) expect(message).not.toHaveProperty('body')
    const [{ messageId = 0, bodyBytes = 0, brokenCount = 0 } = {}] = messages as {
      messageId?: number
      bodyBytes?: number
      brokenCount?: number
    }[]
    const one = (await whole.call('GET', `/v1/track/carrier-messages/${messageId}`)).body as { body: string; broken: unknown[] }
    expect([Buffer.byteLength(one.body), one.broken.length]).toEqual([bodyBytes, brokenCount])
    expect((await whole.call('GET', '/v1/track/carrier-messages/999999999')).status).toBe(404)
    for (const { broken, added, known, readAt } of messages) {
      expect(broken.length).toBeGreaterThanOrEqual(2)
      expect(broken.every(({ at, detail }) => at.startsWith('/') && detail !== '')).toBe(true)
      expect(added + known).toBeGreaterThan(0)
      expect(readAt).not.toBeNull()
    }
  })

  test('what is no message, too far ahead or from nobody is answered clearly and breaks nothing', async () => {
    const send = (body: string, secret = secretOf(name)) =>
      fetch(target(), { method: 'POST', body, headers: { 'content-type': 'application/json', ...dialect.sign(body, secret) } })
    const junk = `{"junk":"${name}"`
    expect((await send(junk)).status).toBe(200)
    expect(await (await send(junk)).json()).toEqual({ first: false })
    const ahead = dialect.write([{ number: `${name}AHEAD`, happening: 'out', at: Date.now() + 3 * 86_400_000, town: 'Soon' }], false)
    expect((await send(ahead)).status).toBe(200)
    const forged = await send(ahead, 'a secret that is not ours')
    expect([forged.status, ((await forged.json()) as { code: string }).code]).toEqual([401, 'tracking.message_refused'])
    const unstorable = await send(`${junk}\u0000`)
    expect([unstorable.status, ((await unstorable.json()) as { code: string }).code]).toEqual([400, 'platform.malformed_body'])
    await whole.core.tracking.desk?.idle()
    const { body } = await whole.call('GET', `/v1/track/carrier-messages?carrier=${name}&limit=2`)
    const { messages } = body as { messages: { broken: { detail: string }[]; added: number }[] }
    expect(messages.map(({ added }) => added)).toEqual([0, 0])
    expect(messages[0]?.broken[0]?.detail).toContain('more than a day ahead')
    expect(messages[1]?.broken[0]?.detail).toBe(`no message of ${name}`)
  })

  test('a message that its process did not live to read is read by the round', async () => {
    const body = dialect.write(
      [{ number: `${name.toUpperCase()}LEFT`, happening: 'picked_up', at: Date.now() - 3_600_000, town: 'Left' }],
      false,
    )
    const admin = await whole.t.admin('live')
    await admin.query(
      `insert into tracking.carrier_message (carrier, digest, body, received_at) values ($1, sha256(convert_to($2, 'UTF8')), $2, now())`,
      [name, body],
    )
    await whole.core.tracking.desk?.readDue({ traffic: 'live', rehearsalId: null })
    expect((await whole.call('GET', `/v1/track/numbers/${name.toUpperCase()}LEFT`)).body).toMatchObject({
      state: 'accepted',
      registered: false,
    })
  })
})

test('of a message with hundreds of broken events a list shows ten, and how many there are', async () => {
  const admin = await whole.t.admin('live')
  const broken = JSON.stringify(Array.from({ length: 300 }, (_, n) => ({ at: `/${n}`, detail: 'no' })))
  await admin.query(
    `insert into tracking.carrier_message (carrier, digest, body, received_at, read_at, broken) values ('many', 'x', 'x', now(), now(), $1)`,
    [broken],
  )
  const { body } = await whole.call('GET', '/v1/track/carrier-messages?carrier=many')
  const { messages } = body as { messages: { broken: { at: string }[]; brokenCount: number }[] }
  expect(messages).toMatchObject([{ brokenCount: 300 }])
  expect(messages[0]?.broken.map(({ at }) => at)).toEqual(Array.from({ length: 10 }, (_, n) => `/${n}`))
})

test('what came in a rehearsal is read in the name of that rehearsal, whoever reads it', async () => {
  const admin = await whole.t.admin('shadow')
  const [dialect] = dialects
  for (const rehearsal of ['one', 'two', null]) {
    const number = `REH${rehearsal ?? 'NONE'}`.toUpperCase()
    const body = dialect?.write([{ number, happening: 'picked_up', at: Date.now() - 3_600_000, town: 'X' }], false) ?? ''
    await admin.query(
      `insert into tracking.carrier_message (carrier, digest, body, received_at, rehearsal_id) values ($1, sha256(convert_to($2, 'UTF8')), $2, now(), $3)`,
      [dialect?.name, body, rehearsal],
    )
  }
  await whole.core.tracking.desk?.readAllDue({ traffic: 'shadow', rehearsalId: 'housekeeping' })
  const { rows } = await admin.query<{ number: string; rehearsal: string }>(
    `select reference.number, outbox.rehearsal_id as rehearsal from tracking.outbox
     join tracking.reference on outbox.key = 's' || reference.shipment_id where number like 'REH%' order by number`,
  )
  expect(rows).toEqual([
    { number: 'REHNONE', rehearsal: 'housekeeping' },
    { number: 'REHONE', rehearsal: 'one' },
    { number: 'REHTWO', rehearsal: 'two' },
  ])
})

test('a carrier that nothing was agreed with is told so, and the laws hold over all that came', async () => {
  const { status, body } = await whole.call('POST', '/v1/track/carriers/pigeon', '{}')
  expect([status, (body as { code: string }).code]).toEqual([404, 'tracking.unknown_carrier'])
  const laws = await whole.core.databases
    .of('tracking')
    .read({ traffic: 'live', rehearsalId: null }, (context) => whole.core.tracking.check(context))
  expect(laws.filter(({ broken }) => broken > 0)).toEqual([])
})

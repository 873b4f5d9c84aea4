import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openSandboxTwin } from '#partners/sandbox-pg/twin.ts'
import type { Asked } from '#platform/operation.ts'
import { guardTraffic } from './gateway.ts'
import type { GatewayMix } from './gateway-mix.ts'
import type { Payments } from './open-payments.ts'
import { card, openPaymentsRig, orderOf, type PaymentsRig, rigSecret } from './payments-rig.ts'

const actor = { id: 'key:test', scopes: ['*'] }

describe('the choice of gateways, on a real database', () => {
  let rig: PaymentsRig
  let commands = 0
  beforeAll(async () => {
    rig = await openPaymentsRig(17, { gateways: ['sandbox', 'borealis', 'cobalt'] })
  })
  afterAll(() => rig.close())

  const run = async (id: string, input: object, payments: Payments = rig.payments): Promise<unknown> => {
    const operation = payments.operations.find((each) => each.id === id)
    if (operation === undefined) throw new Error(`no operation ${id}`)
    const asked: Asked<object> = { input, actor, commandId: `c${++commands}`, traceId: '' }
    const outcomes =
      operation.kind === 'command'
        ? await rig.write((context) => operation.body(context, [asked]))
        : await rig.read((context) => operation.body(context, [asked]))
    await payments.executor.idle()
    return outcomes[0]
  }
  const put = (storeId: string, mix: GatewayMix, more: object = {}) => run('payments.put_gateway_mix', { storeId, mix, ...more })
  const ratio = (weights: Record<string, number>): GatewayMix => ({
    strategy: 'ratio',
    gateways: Object.entries(weights).map(([gateway, weight]) => ({ gateway, weight })),
  })
  const byGateway = (storeId: string) =>
    rig.sql<{ gateway: string; payments: number }>(
      `select attempt.gateway, count(*)::integer as payments from payments.attempt join payments.request on request.id = attempt.request_id
       where request.store_id = $1 and attempt.state = 'succeeded' group by attempt.gateway order by payments desc, attempt.gateway`,
      [storeId],
    )

  test('1,000 payments at 70 to 30, one in twenty failing over: within one payment of 700 and 300', async () => {
    await put('shop', ratio({ borealis: 70, cobalt: 30 }))
    for (let batch = 0; batch < 50; batch += 1) {
      const orders = Array.from({ length: 20 }, (_, at) => 1 + batch * 20 + at)
      await rig.write((context) =>
        rig.payments.requestPayments(
          context,
          orders.map((order) => orderOf(order, order % 20 === 3 ? 'tok_declined_soft_at_borealis' : 'tok_ok', { storeId: 'shop' })),
        ),
      )
      await rig.payments.executor.idle()
    }
    const counts = await byGateway('shop')
    expect(counts.map(({ gateway }) => gateway)).toEqual(['borealis', 'cobalt'])
    expect(Math.abs((counts[0]?.payments ?? 0) - 700)).toBeLessThanOrEqual(1)
    expect(counts.reduce((sum, { payments }) => sum + payments, 0)).toBe(1_000)
    expect(
      await rig.sql(
        `select distinct mix_version from payments.attempt join payments.request on request.id = request_id where store_id = 'shop'`,
      ),
    ).toEqual([{ mix_version: 1 }])
    await rig.expectGreen()
  })

  test('a soft decline goes to the next gateway at once, an unknown charge never', async () => {
    await put('order', { strategy: 'priority', gateways: [{ gateway: 'cobalt' }, { gateway: 'borealis' }] })
    const declined = await rig.pay('tok_declined_soft_at_cobalt', { orderId: 5_001, storeId: 'order' })
    expect(await rig.legs(declined)).toMatchObject([{ gateway: 'borealis', state: 'captured' }])
    const lost = await rig.pay('tok_timeout_before_charge', { orderId: 5_002, storeId: 'order' })
    expect(await rig.legs(lost)).toMatchObject([{ gateway: 'cobalt', attempt: 'unknown' }])
    await rig.sweepAfter(20_000)
    expect(await rig.legs(lost)).toMatchObject([{ gateway: 'cobalt', attempt: 'unknown' }])
    const bound = await rig.plan(
      { legs: [card('tok_declined_soft_at_cobalt', { gateway: 'cobalt' })] },
      { orderId: 5_003, storeId: 'order' },
    )
    for (const wait of [1_100, 5_100, 30_100]) await rig.sweepAfter(wait)
    expect(
      await rig.sql(
        `select distinct gateway from payments.attempt join payments.request on request.id = request_id where order_id = ${bound}`,
      ),
    ).toEqual([{ gateway: 'cobalt' }])
    const hard = await rig.pay('tok_declined_hard', { orderId: 5_004, storeId: 'order' })
    expect([await rig.stateOf(hard), (await rig.told(hard)).at(-1)]).toEqual(['open', 'failed'])
  })

  test('another process chooses by the new mix within about a second; versions are kept with who put them', async () => {
    const other = rig.another()
    await put('two', { strategy: 'priority', gateways: [{ gateway: 'borealis' }] })
    let next = 6_000
    const chosen = async (payments: Payments): Promise<string> => {
      const order = next++
      await rig.write((context) => payments.requestPayments(context, [orderOf(order, 'tok_ok', { storeId: 'two' })]))
      await payments.executor.idle()
      return (await rig.legs(order))[0]?.gateway ?? ''
    }
    await expect.poll(() => chosen(other), { timeout: 5_000 }).toBe('borealis')
    expect(await put('two', { strategy: 'priority', gateways: [{ gateway: 'cobalt' }] }, { expectedVersion: 1 })).toMatchObject({
      ok: true,
      value: { storeId: 'two', version: 2 },
    })
    expect(await chosen(rig.payments)).toBe('cobalt')
    await expect.poll(() => chosen(other), { timeout: 5_000 }).toBe('cobalt')
    expect(await put('two', ratio({ sandbox: 1 }), { expectedVersion: 1 })).toMatchObject({
      ok: false,
      error: { code: 'payments.mix_changed' },
    })
    expect(await run('payments.get_gateway_mix', { storeId: 'two', version: 1 })).toMatchObject({
      ok: true,
      value: { version: 1, mix: { strategy: 'priority', gateways: [{ gateway: 'borealis' }] }, actor: 'key:test' },
    })
    expect(await run('payments.get_gateway_mix', { storeId: 'two' })).toMatchObject({ ok: true, value: { version: 2 } })
    await expect(rig.sql(`update payments.gateway_mix set version = 2 where store_id = 'two'`)).rejects.toMatchObject({
      constraint: 'gateway_mix_version',
    })
  })

  test('eight writers put a mix of one store at once: every accepted one is a version of its own', async () => {
    const outcomes = await Promise.all(Array.from({ length: 8 }, () => put('busy', ratio({ sandbox: 1 }))))
    const versions = outcomes.flatMap((outcome) =>
      (outcome as { ok: boolean }).ok ? [(outcome as { value: { version: number } }).value.version] : [],
    )
    expect(versions.toSorted((a, b) => a - b)).toEqual(versions.map((_, at) => at + 1))
  })

  test('a gateway that does not answer any more is left out after five calls, and its share goes to the others', async () => {
    const engine = rig.engines.get('borealis')
    if (engine === undefined) throw new Error('no engine')
    const { chargeAtOnce: _, ...twin } = openSandboxTwin({ name: 'borealis', engine, webhookSecret: rigSecret })
    const down = guardTraffic({ ...twin, charge: async () => ({ outcome: 'unreachable', reason: 'down' }) }, 'sandbox')
    const payments = rig.another(down)
    await put('down', ratio({ borealis: 50, cobalt: 25, sandbox: 25 }))
    for (let order = 7_000; order < 7_060; order += 1) {
      await rig.write((context) => payments.requestPayments(context, [orderOf(order, 'tok_ok', { storeId: 'down' })]))
      await payments.executor.idle()
    }
    const failed = await rig.sql<{ calls: number }>(
      `select count(*)::integer as calls from payments.attempt join payments.request on request.id = request_id
       where store_id = 'down' and attempt.state = 'unreachable'`,
    )
    expect(failed[0]?.calls).toBe(5)
    const counts = await byGateway('down')
    expect(counts.map(({ gateway }) => gateway).toSorted()).toEqual(['cobalt', 'sandbox'])
    for (const { payments: count } of counts) expect(Math.abs(count - 30)).toBeLessThanOrEqual(3)
    await rig.expectGreen()
  })

  test('a refund that its gateway will not do is credited to the wallet once, where the store says so', async () => {
    await put('kind', { ...ratio({ sandbox: 1 }), failedRefund: 'wallet' })
    const before = rig.wallet.balances.get('c1') ?? 0
    const order = await rig.pay('tok_refund_failed', { orderId: 8_000, storeId: 'kind' })
    await rig.giveBack(order)
    await rig.payments.executor.idle()
    const rows = await rig.sql(
      `select kind, follow_up.state, replaced_by is not null as replaced from payments.follow_up
       join payments.request on request.id = request_id where order_id = ${order} order by follow_up.id`,
    )
    expect(rows).toEqual([
      { kind: 'refund', state: 'wallet', replaced: true },
      { kind: 'credit', state: 'succeeded', replaced: false },
    ])
    expect((rig.wallet.balances.get('c1') ?? 0) - before).toBe(1_999)
    expect(await rig.told(order)).toEqual(['captured 1999 covered', 'due 0', 'refunded 1999'])
    await rig.expectGreen()
  })

  test('the policy of the store says which means gets its money back first', async () => {
    rig.wallet.balances.set('c1', 10_000)
    const legs = [card('tok_ok', { amountMinor: 1_000 }), { means: 'wallet' as const }]
    await put('first', { ...ratio({ sandbox: 1 }), refundPolicy: 'cards_first' })
    const first = await rig.plan({ legs }, { orderId: 8_100, storeId: 'first' })
    const last = await rig.plan({ legs }, { orderId: 8_101, storeId: 'elsewhere' })
    for (const order of [first, last]) await rig.giveBack(order, { parts: [{ part: 0, amountMinor: 1_100 }] })
    await rig.payments.executor.idle()
    expect((await rig.legs(first)).map(({ refundedMinor }) => refundedMinor)).toEqual([1_000, 100])
    expect((await rig.legs(last)).map(({ refundedMinor }) => refundedMinor)).toEqual([101, 999])
    await rig.expectGreen()
  })

  test('a card is kept, named in a plan by its customer only, charged at its gateway, and forgotten', async () => {
    const bind = (token: string) =>
      run('payments.bind_card', { customerId: 'c1', gateway: 'cobalt', token, returnUrl: 'https://shop.test/back' }) as Promise<{
        value: { bindingId: number }
      }>
    const finish = (bindingId: number, customerId = 'c1') =>
      run('payments.finish_binding', { customerId, bindingId }) as Promise<{
        ok: boolean
        value: { state: string; cardId: number; action: { url: string } | null }
      }>
    const { bindingId } = (await bind('tok_form_ok')).value
    const bound = await finish(bindingId)
    expect(bound).toMatchObject({ ok: true, value: { state: 'bound', cardId: expect.any(Number) } })
    expect(await finish(bindingId, 'c2')).toMatchObject({ ok: false, error: { code: 'payments.unknown_binding' } })
    const token = `card:${bound.value.cardId}`
    const mine = await rig.plan({ legs: [card(token)] }, { orderId: 9_000, storeId: 'kind' })
    expect(await rig.legs(mine)).toMatchObject([{ gateway: 'cobalt', state: 'captured' }])
    const theirs = await rig.plan({ legs: [card(token)] }, { orderId: 9_001, storeId: 'kind', customerId: 'c2' })
    expect([await rig.stateOf(theirs), await rig.told(theirs)]).toEqual(['open', ['failed']])

    const asking = (await bind('tok_form_3ds')).value.bindingId
    const acting = await finish(asking)
    expect(acting.value).toMatchObject({ state: 'requires_action', cardId: null })
    const ref = decodeURIComponent(acting.value.action?.url.split('/').at(-1) ?? '')
    rig.engines.get('cobalt')?.customerActs(ref, 'approve')
    await finish(asking)
    expect((await finish(asking)).value.state).toBe('bound')
    const refusedOne = (await bind('tok_form_refused')).value.bindingId
    expect((await finish(refusedOne)).value.state).toBe('refused')

    const cards = (await run('payments.list_cards', { customerId: 'c1' })) as { value: { cards: { cardId: number }[] } }
    expect(cards.value.cards).toHaveLength(2)
    expect(await run('payments.remove_card', { customerId: 'c2', cardId: bound.value.cardId })).toMatchObject({ ok: false })
    expect(await run('payments.remove_card', { customerId: 'c1', cardId: bound.value.cardId })).toMatchObject({ ok: true })
    const gone = await rig.plan({ legs: [card(token)] }, { orderId: 9_002, storeId: 'kind' })
    expect(await rig.told(gone)).toEqual(['failed'])
    await rig.expectGreen()
  })
})

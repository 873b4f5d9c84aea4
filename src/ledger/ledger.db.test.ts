import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ChargeCall, FollowUpCall, PaymentGateway } from '#payments'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'
import { accountId } from './account.ts'
import { openLedger, type Ledger } from './index.ts'
import { findAccounts } from './ledger-store.ts'
import { useAccounts } from './use-accounts.ts'

let t: TestDatabases
let ledger: Ledger
let wallet: PaymentGateway
beforeAll(async () => {
  t = await openTestDatabases()
  ledger = openLedger({ database: t.databases.of('ledger') })
  wallet = ledger.gateways[0] as PaymentGateway
})
afterAll(() => t.close())

let drawn = 0
const fresh = (): string => `C${(drawn += 1)}`
const fund = (holder: string, amountMinor: number, key = `fund ${holder} ${amountMinor}`) => {
  const id = accountId('wallet', holder, 'CAD')
  return t.databases.of('ledger').write(t.live, (context) =>
    useAccounts(
      context,
      [
        {
          command: { act: 'credit', key, account: id, amountMinor, orderId: null, from: 'funding:gift', reason: 'test' },
          opens: { id, means: 'wallet', holder, currency: 'CAD' },
        },
      ],
      'test',
    ),
  )
}
const balanceOf = async (holder: string): Promise<number | undefined> => {
  const [row] = await t.databases.of('ledger').read(t.live, (context) => findAccounts(context, [accountId('wallet', holder, 'CAD')]))
  return row?.balanceMinor
}
const charge = (holder: string, key: string, amountMinor: number): ChargeCall => ({
  key,
  traffic: 'live',
  rehearsalId: null,
  means: 'wallet',
  token: '',
  amountMinor,
  currency: 'CAD',
  reference: '77',
  customerId: holder,
  instalments: 1,
  returnUrl: '',
})
const after = (key: string, gatewayRef: string, amountMinor: number, last?: boolean): FollowUpCall => ({
  key,
  traffic: 'live',
  rehearsalId: null,
  gatewayRef,
  amountMinor,
  currency: 'CAD',
  ...(last === undefined ? {} : { last }),
})
const breaks = async () =>
  (await t.databases.of('ledger').read(t.live, (context) => ledger.check(context))).filter((result) => result.breaks.length > 0)

describe('accounts of customers as a gateway', () => {
  it('takes what is there and declines what is not', async () => {
    const holder = fresh()
    await fund(holder, 500)
    expect(await wallet.charge(charge(holder, `${holder}-1`, 300))).toEqual({ outcome: 'succeeded', gatewayRef: `${holder}-1` })
    expect(await wallet.charge(charge(holder, `${holder}-2`, 201))).toMatchObject({
      outcome: 'declined_hard',
      reason: 'insufficient_balance',
    })
    expect(await balanceOf(holder)).toBe(200)
  })

  it('charges once under one key, and refuses the key for another amount', async () => {
    const holder = fresh()
    await fund(holder, 500)
    const asked = charge(holder, `${holder}-1`, 300)
    const results = await Promise.all([wallet.charge(asked), wallet.charge(asked), wallet.charge(asked)])
    expect(results.map((result) => result.outcome)).toEqual(['succeeded', 'succeeded', 'succeeded'])
    expect(await wallet.charge({ ...asked, amountMinor: 100 })).toMatchObject({ outcome: 'declined_hard' })
    expect(await balanceOf(holder)).toBe(200)
  })

  it('gives a balance to exactly as many callers as it suffices for, also from two processes at once', async () => {
    const holder = fresh()
    await fund(holder, 1000)
    const other = openLedger({ database: t.databases.of('ledger') }).gateways[0] as PaymentGateway
    const results = await Promise.all(
      Array.from({ length: 40 }, (_, index) => (index % 2 === 0 ? wallet : other).charge(charge(holder, `${holder}-${index}`, 100))),
    )
    expect(results.filter((result) => result.outcome === 'succeeded')).toHaveLength(10)
    expect(await balanceOf(holder)).toBe(0)
  })

  it('sets aside, takes a part, releases the rest, gives back no more than was taken', async () => {
    const holder = fresh()
    await fund(holder, 1000)
    const key = `${holder}-a`
    await wallet.authorize(charge(holder, key, 800))
    expect(await balanceOf(holder)).toBe(200)
    expect(await wallet.capture(after(`${holder}-c1`, key, 300))).toMatchObject({ outcome: 'succeeded' })
    expect(await wallet.capture(after(`${holder}-c2`, key, 600))).toMatchObject({ outcome: 'failed' })
    expect(await wallet.capture(after(`${holder}-c3`, key, 100, true))).toMatchObject({ outcome: 'succeeded' })
    expect(await balanceOf(holder)).toBe(600)
    expect(await wallet.void(after(`${holder}-v`, key, 400))).toMatchObject({ outcome: 'failed' })
    expect(await wallet.refund(after(`${holder}-r1`, key, 350))).toMatchObject({ outcome: 'succeeded' })
    expect(await wallet.refund(after(`${holder}-r1`, key, 350))).toMatchObject({ outcome: 'succeeded' })
    expect(await wallet.refund(after(`${holder}-r2`, key, 51))).toMatchObject({ outcome: 'failed' })
    expect(await balanceOf(holder)).toBe(950)
    expect(await breaks()).toEqual([])
  })

  it('tells by query what became of a key, and of one it never saw', async () => {
    const holder = fresh()
    await fund(holder, 100)
    await wallet.charge(charge(holder, `${holder}-1`, 100))
    const query = { ...after(`${holder}-1`, '', 100), sentAt: t.clock.now(), gatewayRef: null }
    expect(await wallet.queryCharge(query)).toMatchObject({ outcome: 'succeeded' })
    expect(await wallet.queryCharge({ ...query, key: 'never' })).toEqual({ outcome: 'not_found' })
    expect(await wallet.queryFollowUp('refund', { ...query, key: 'never' })).toEqual({ outcome: 'not_found' })
  })

  it('lets nobody pay from the wallet of somebody else', async () => {
    const holder = fresh()
    await fund(holder, 100)
    expect(await wallet.charge({ ...charge(fresh(), 'x', 50), token: holder })).toMatchObject({ reason: 'account_of_somebody_else' })
  })

  it('keeps balance, uses and journal in step through any sequence of commands', async () => {
    const act = fc.record({
      what: fc.constantFrom('fund', 'charge', 'authorize', 'capture', 'void', 'refund'),
      of: fc.nat(3),
      amountMinor: fc.integer({ min: 1, max: 400 }),
      last: fc.boolean(),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(act, { maxLength: 25 }), async (acts) => {
        const holder = fresh()
        await fund(holder, 700)
        await Promise.all(
          acts.map(({ what, of, amountMinor, last }, index) => {
            const key = `${holder}-${what}-${index}`
            const use = `${holder}-use-${of}`
            if (what === 'fund') return fund(holder, amountMinor, key)
            if (what === 'charge' || what === 'authorize') return wallet[what](charge(holder, use, amountMinor))
            return wallet[what](after(key, use, amountMinor, last))
          }),
        )
        expect(await balanceOf(holder)).toBeGreaterThanOrEqual(0)
        expect(await breaks()).toEqual([])
      }),
      { numRuns: 30 },
    )
  })
})

describe('the journal', () => {
  const moved = (kind: 'captured' | 'refunded', subjectId: number, amountMinor: number, orderId = 900, stray = false) => ({
    moved: {
      orderId,
      currency: 'CAD',
      reason: '',
      movement: { kind, subjectId, legId: 1, amountMinor, means: 'card', gateway: 'sandbox', gatewayRef: `ch_${subjectId}`, stray },
    } as const,
    actor: 'test',
    commandId: 'test',
  })

  it('books a movement once however often it is told', async () => {
    const asked = [moved('captured', 1, 1000), moved('refunded', 2, 400), moved('captured', 1, 1000)]
    const twice = await Promise.all(
      [1, 2].map(() => t.databases.of('ledger').write(t.live, (context) => ledger.bookMovements(context, asked))),
    )
    expect(twice.toSorted()).toEqual([0, 2])
    const totals = await t.databases.of('ledger').read(t.live, (context) => ledger.findOrderTotals(context, [900]))
    expect(totals.get(900)).toBe(600)
    expect(await breaks()).toEqual([])
  })

  it('credits instead of a refund from what the charge was booked on: the order, or charges found late', async () => {
    const holder = fresh()
    const charges = [moved('captured', 71, 400, 4711), moved('captured', 72, 400, 4711, true)]
    await t.databases.of('ledger').write(t.live, (context) => ledger.bookMovements(context, charges))
    const credit = (key: string, stray: boolean) => wallet.credit?.({ ...after(key, holder, 400), reference: '4711', stray })
    await credit(`${holder}-1`, false)
    await credit(`${holder}-2`, true)
    await credit(`${holder}-2`, true)
    expect(await balanceOf(holder)).toBe(800)
    const admin = await t.admin('live')
    const { rows } = await admin.query(`select order_id, accounts, amounts from ledger.entry where key like '${holder}-%' order by key`)
    expect(rows).toEqual([
      { order_id: '4711', accounts: ['orders', `wallet:${holder}:CAD`], amounts: ['400', '-400'] },
      { order_id: null, accounts: ['stray', `wallet:${holder}:CAD`], amounts: ['400', '-400'] },
    ])
    expect(await breaks()).toEqual([])
  })

  it('refuses an entry that does not add up, and lets nobody change what was booked', async () => {
    const admin = await t.admin('live')
    const columns = `(key, kind, currency, accounts, amounts, reason, actor, command_id, occurred_at)`
    await expect(
      admin.query(`insert into ledger.entry ${columns} values ('bad', 'x', 'CAD', '{a,b}', '{1,-2}', '', '', '', now())`),
    ).rejects.toThrow('entry_balances')
    const booked = t.databases
      .of('ledger')
      .write(t.live, (context) => context.query({ name: 'test.forge', text: `update ledger.entry set reason = 'forged'` }))
    await expect(booked).rejects.toThrow('permission denied')
  })

  it('finds a balance that was changed by hand', async () => {
    const holder = fresh()
    await fund(holder, 100)
    const admin = await t.admin('live')
    await admin.query('update ledger.account set balance_minor = balance_minor + 1 where holder = $1', [holder])
    expect((await breaks()).map((result) => result.check)).toEqual(['the balance of an account is what its entries say'])
    await admin.query('update ledger.account set balance_minor = balance_minor - 1 where holder = $1', [holder])
  })
})

import { afterAll, beforeAll, expect, test } from 'vitest'
import { openSandboxTwin } from '#partners/sandbox-pg/twin.ts'
import { type GatewayLog, guardTraffic, keyOf } from './gateway.ts'
import { installation, openPaymentsRig, type PaymentsRig, rigSecret } from './payments-rig.ts'

let rig: PaymentsRig
beforeAll(async () => {
  rig = await openPaymentsRig(17)
})
afterAll(() => rig.close())

const compare = async (readLog: () => Promise<GatewayLog>) => {
  const twin = openSandboxTwin({ name: 'sandbox', engine: rig.engine, webhookSecret: rigSecret })
  const checks = await rig.another(guardTraffic({ ...twin, readLog }, 'sandbox')).compareWithLogs(rig.t.live)
  return checks.map(({ check, breaks }) => (breaks.length === 0 ? check : `${check}: ${breaks.join()}`))
}

test('payments are held against the own log of a gateway, and a log that is silent or short is told of', async () => {
  await rig.pay('tok_ok')
  await rig.pay('tok_ok')
  const { movements } = rig.engine.log()
  expect(movements).toHaveLength(2)
  const green = await compare(async () => ({ movements, complete: true }))
  expect(green).toContain('charges equal the log of sandbox')
  expect(green.filter((told) => told.includes(': '))).toEqual([])
  const [missed, ...others] = await compare(async () => ({ movements: movements.slice(1), complete: true }))
  expect(missed).toMatch(/^charges equal the log of sandbox: attempt \d+ has succeeded, but the gateway has no charge for it$/)
  expect(others.filter((told) => told.includes(': '))).toEqual([])
  expect(await compare(async () => ({ movements: [], complete: false }))).toEqual(['the log of sandbox begins too late to be compared'])
  expect(await compare(() => Promise.reject(new Error('not there')))).toEqual(['the log of sandbox can be read: not there'])
  expect(await rig.payments.compareWithLogs(rig.t.live)).toEqual([])
})

test('a leg that its gateway charged by two attempts is told of, unless one of them went back', async () => {
  const order = await rig.pay('tok_soft_once_twice')
  await rig.sweepAfter(60_000)
  const attempts = await rig.sql<{ id: string }>(
    `select attempt.id from payments.attempt join payments.request on request.id = attempt.request_id where order_id = ${order} order by attempt.id`,
  )
  expect(attempts).toHaveLength(2)
  const { movements } = rig.engine.log()
  const [first = { id: '' }] = attempts
  const twice = [
    ...movements,
    { key: keyOf(installation, 'live', 'charge', Number(first.id)), kind: 'charge', amountMinor: 1_999, currency: 'EUR' },
  ] as const
  const told = await compare(async () => ({ movements: twice, complete: true }))
  expect(told).toContainEqual(expect.stringMatching(/^no leg is charged twice at sandbox: leg \d+ of order \d+ was charged 2 times/))
  expect((await compare(async () => ({ movements, complete: true }))).filter((each) => each.includes(': '))).toEqual([])
})

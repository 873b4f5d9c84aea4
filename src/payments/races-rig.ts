import { statement } from '#platform/database.ts'
import { signWebhook } from '#partners/sandbox-pg/webhook-signature.ts'
import { openSandboxTwin } from '#partners/sandbox-pg/twin.ts'
import { type ChargeCall, type ChargeResult, guardTraffic } from './gateway.ts'
import { cancelOf, card, orderOf, type PaymentsRig, rigSecret } from './payments-rig.ts'
import type { PaymentPlan } from './payment-plan.ts'

/** What a race came to: how often each thing happened, over all rounds. The names are what tests compare. */
export type RaceCounts = Readonly<Record<string, number>>

/** One scenario: drawn from a seed, on orders of its own, any number of rounds. */
export type Race = (rig: PaymentsRig, seed: number, rounds: number) => Promise<RaceCounts>

class Count {
  readonly counts: Record<string, number> = {}
  add(name: string, by = 1): void {
    this.counts[name] = (this.counts[name] ?? 0) + by
  }
}

/** Order ids of a race are apart from those of others in the same database. */
let nextOrder = 1_000_000
const orderId = (): number => nextOrder++

const roundTrip = statement('test.round_trip', 'select 1')

/** Lets some turns of the event loop pass. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve))
}

const draw = (rig: PaymentsRig, seed: number, text: string, below: number): number => Math.floor(rig.engine.draw(`${seed} ${text}`) * below)

/** Starts all at once, each after a drawn number of round trips to the database: the unit in which the others advance. */
async function atOnce<T>(
  rig: PaymentsRig,
  { seed, name, most = [] }: { seed: number; name: string; most?: readonly number[] },
  work: readonly (() => Promise<T>)[],
): Promise<T[]> {
  return Promise.all(
    work.map(async (each, index) => {
      const steps = draw(rig, seed, `${name} ${index}`, most[index] ?? 6)
      for (let step = 0; step < steps; step += 1) await rig.read((read) => read.query(roundTrip))
      return each()
    }),
  )
}

/** A process whose card charges are answered by hand, so that the answer can come at any moment. */
function slowProcess(rig: PaymentsRig) {
  const twin = openSandboxTwin({ name: 'sandbox', engine: rig.engine, webhookSecret: rigSecret })
  const { chargeAtOnce: _, ...oneByOne } = twin
  const held: { call: ChargeCall; answer: (result: ChargeResult) => void; take: () => Promise<ChargeResult> }[] = []
  const hold = (take: (call: ChargeCall) => Promise<ChargeResult>) => (call: ChargeCall) =>
    new Promise<ChargeResult>((answer) => held.push({ call, answer, take: () => take(call) }))
  const gateway = guardTraffic({ ...oneByOne, charge: hold(twin.charge), authorize: hold(twin.authorize) }, 'sandbox')
  const payments = rig.another(gateway)
  const untilHeld = async (count: number): Promise<typeof held> => {
    const until = performance.now() + 10_000
    while (held.length < count) {
      if (performance.now() > until) throw new Error(`${held.length} of ${count} calls were made`)
      await turns(1)
    }
    return held
  }
  return { payments, untilHeld }
}

async function requested(rig: PaymentsRig, order: number, plan: PaymentPlan | null, payments = rig.payments): Promise<void> {
  const command = { ...orderOf(order, null), plan }
  await rig.write((context) => payments.requestPayments(context, [command]))
}

async function settled(rig: PaymentsRig, ms: readonly number[] = [3_000, 61_000, 3_000]): Promise<void> {
  await rig.payments.executor.idle()
  for (const each of ms) await rig.sweepAfter(each)
}

const moved = async (rig: PaymentsRig, order: number, what: string): Promise<number> =>
  (await rig.told(order)).filter((told) => told.includes(what)).length

/** The same webhook three times at once, at three processes, with the answer of the call itself. */
const webhookThrice: Race = async (rig, seed, rounds) => {
  const count = new Count()
  const slow = slowProcess(rig)
  const others = [rig.another(), rig.another()]
  for (let round = 0; round < rounds; round += 1) {
    const order = orderId()
    await requested(rig, order, { legs: [card('tok_ok')] }, slow.payments)
    const asked = (await slow.untilHeld(round + 1))[round]
    if (asked === undefined) throw new Error('no call was made')
    const result = await asked.take()
    const body = JSON.stringify({
      kind: 'charge',
      key: asked.call.key,
      httpStatus: 200,
      body: { status: 'captured', ref: result.outcome === 'succeeded' ? result.gatewayRef : '', amountMinor: 1_999, currency: 'EUR' },
    })
    const webhook = { gateway: 'sandbox', ...signWebhook(rigSecret, { id: `evt_${order}`, sentAt: rig.t.clock.now(), body }) }
    const receivers = [...others, slow.payments].map((each) => async () => {
      const [outcome] = await rig.write((context) => each.receiveWebhooks(context, [webhook]))
      count.add(outcome?.ok ? 'answered 200' : 'refused')
      if (outcome?.ok && outcome.value.first) count.add('first')
    })
    await atOnce(rig, { seed, name: `thrice ${round}` }, [...receivers, async () => asked.answer(result)])
    for (const each of [...others, slow.payments]) await each.executor.idle()
    count.add('captured', await moved(rig, order, 'captured'))
    count.add('covered', await moved(rig, order, 'covered'))
  }
  return count.counts
}

/** Two full refunds at once, in two processes. */
const twoFullRefunds: Race = async (rig, seed, rounds) => {
  const count = new Count()
  const other = rig.another()
  for (let round = 0; round < rounds; round += 1) {
    const order = orderId()
    await requested(rig, order, { legs: [card('tok_ok')] })
    await rig.payments.executor.idle()
    const refund = (payments: typeof other, commandId: string) => async () => {
      const [outcome] = await rig.write((context) =>
        payments.cancelOrRefund(context, [{ ...cancelOf(order, 1_999), commandId, mustBeInHand: true }]),
      )
      count.add(outcome?.ok ? 'accepted' : 'refused')
    }
    await atOnce(rig, { seed, name: `refunds ${round}` }, [refund(rig.payments, 'one'), refund(other, 'two')])
    for (const each of [rig.payments, other]) await each.executor.idle()
    count.add('refunded', await moved(rig, order, 'refunded'))
  }
  return count.counts
}

/** The gateway times out after charging; a retry, the sweeps of three processes and a customer who pays again come on top. */
const timeoutAfterCharge: Race = async (rig, seed, rounds) => {
  const count = new Count()
  const others = [rig.another(), rig.another()]
  for (let round = 0; round < rounds; round += 1) {
    const order = orderId()
    await requested(rig, order, { legs: [card('tok_timeout_after_charge')] })
    await rig.payments.executor.idle()
    rig.t.clock.set(new Date(rig.t.clock.now().getTime() + 2_100))
    const again = async () => {
      const [outcome] = await rig.write((context) =>
        rig.payments.payPayments(context, [{ orderId: order, part: 0, legs: [card('tok_ok')], actor: 'test', commandId: 'again' }]),
      )
      count.add(outcome?.ok ? 'paid again' : 'refused')
    }
    const sweeps = [rig.payments, ...others].map((each) => async () => void (await each.sweep(rig.t.live)))
    await atOnce(rig, { seed, name: `timeout ${round}` }, [...sweeps, again])
    for (const each of [rig.payments, ...others]) await each.executor.idle()
    await settled(rig)
    count.add('captured', await moved(rig, order, 'captured'))
  }
  return count.counts
}

/** The last leg is authorised at the moment at which the request expires: all is taken, or nothing is kept. */
const lastLegAgainstExpiry: Race = async (rig, seed, rounds) => {
  const count = new Count()
  const slow = slowProcess(rig)
  for (let round = 0; round < rounds; round += 1) {
    const order = orderId()
    // Sooner than the sweep asks about the attempt, or the sweep itself would find the authorisation before it comes to expiries.
    const expiresAt = new Date(rig.t.clock.now().getTime() + 30_000).toISOString()
    await requested(rig, order, { legs: [card('tok_ok', { amountMinor: 999 }), card('tok_ok')], expiresAt }, slow.payments)
    const [first, last] = (await slow.untilHeld(2 * round + 2)).slice(-2)
    if (first === undefined || last === undefined) throw new Error('two calls should be out')
    first.answer(await first.take())
    const result = await last.take()
    rig.t.clock.set(new Date(rig.t.clock.now().getTime() + 30_001))
    const expire = async (): Promise<void> => void (await rig.payments.sweep(rig.t.live))
    const authorise = async (): Promise<void> => {
      last.answer(result)
      await slow.payments.executor.idle()
    }
    // Each of the two first, in turn, and both at once.
    if (round % 3 === 0) await expire()
    if (round % 3 === 1) await authorise()
    await atOnce(rig, { seed, name: `expiry ${round}`, most: [1, 40] }, [expire, authorise])
    await slow.payments.executor.idle()
    await settled(rig)
    const request = await rig.request(order)
    count.add(request?.state ?? 'gone')
    count.add('kept', (request?.capturedMinor ?? 0) - (request?.refundedMinor ?? 0))
    count.add('set aside', request?.authorizedMinor ?? 0)
  }
  return count.counts
}

/** A section ships while its order is cancelled: what is kept is what is still due, and nothing stays set aside. */
const captureAgainstCancel: Race = async (rig, seed, rounds) => {
  const count = new Count()
  const other = rig.another()
  for (let round = 0; round < rounds; round += 1) {
    const order = orderId()
    await requested(rig, order, { legs: [card('tok_ok', { amountMinor: 1_000 }), card('tok_ok')], capture: 'on_shipment' })
    await rig.payments.executor.idle()
    const part = 1 + draw(rig, seed, `cancelled ${round}`, 1_999)
    await atOnce(rig, { seed, name: `capture ${round}` }, [
      async () => {
        await rig.write((context) =>
          other.captureFor(context, [{ orderId: order, part: 0, amountMinor: 1_500, last: true, actor: 'test', commandId: 'ship' }]),
        )
        await other.executor.idle()
      },
      async () => void (await rig.giveBack(order, { parts: [{ part: 0, amountMinor: part }] })),
    ])
    for (const each of [rig.payments, other]) await each.executor.idle()
    await settled(rig)
    const request = await rig.request(order)
    const kept = (request?.capturedMinor ?? 0) - (request?.refundedMinor ?? 0)
    count.add(kept > (request?.dueMinor ?? 0) ? 'kept too much' : 'kept what is due')
    count.add('set aside', request?.authorizedMinor ?? 0)
  }
  return count.counts
}

/** An order is amended upwards at the moment at which it is covered: the difference is asked for, whichever came first. */
const raiseAgainstCover: Race = async (rig, seed, rounds) => {
  const count = new Count()
  const slow = slowProcess(rig)
  for (let round = 0; round < rounds; round += 1) {
    const order = orderId()
    await requested(rig, order, { legs: [card('tok_ok')] }, slow.payments)
    const asked = (await slow.untilHeld(round + 1))[round]
    if (asked === undefined) throw new Error('no call was made')
    const result = await asked.take()
    await atOnce(rig, { seed, name: `raise ${round}` }, [
      async () => {
        asked.answer(result)
        await slow.payments.executor.idle()
      },
      async () => {
        await rig.write((context) =>
          rig.payments.raiseDue(context, [{ orderId: order, part: 0, amountMinor: 101, actor: 'test', commandId: 'raise' }]),
        )
      },
    ])
    await slow.payments.executor.idle()
    count.add((await rig.stateOf(order)) ?? 'gone')
    await rig.write((context) =>
      rig.payments.payPayments(context, [{ orderId: order, part: 0, legs: [card('tok_ok')], actor: 'test', commandId: 'rest' }]),
    )
    await rig.payments.executor.idle()
    const request = await rig.request(order)
    count.add(request?.capturedMinor === 2_100 ? 'paid in full' : 'not paid')
  }
  return count.counts
}

/** All of them by name; each may run with any seed, also with others at once on the same database. */
export const paymentRaces: Readonly<Record<string, Race>> = {
  webhookThrice,
  twoFullRefunds,
  timeoutAfterCharge,
  lastLegAgainstExpiry,
  captureAgainstCancel,
  raiseAgainstCover,
}

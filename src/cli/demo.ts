import { systemClock } from '#kernel/time.ts'
import { orderOf, seeded } from '#partners/made-city/index.ts'
import { systemContext } from '#platform/request-context.ts'
import { citySeed, cityOf, playCityRound, settleCity } from './city.ts'
import { configOf, parse, reporter, UsageError, type Verb } from './command.ts'
import { untilDrained, withCore } from './session.ts'

/** Orders that the city places in an ordinary minute at speed 1. */
const ordersPerMinute = 40
const roundMs = 200

export const demoVerb: Verb = {
  name: 'demo',
  about: 'play a made city at a chosen speed: customers order, staff prepares and delivers',
  usage: [
    'throughline demo [--speed N] [--orders N] [--seed N] [--json]',
    `  --speed   1 is ${ordersPerMinute} orders a minute, 60 unless told`,
    '  --orders  how many orders, 500 unless told',
    '  JSON: orders, delivered, unassigned, breaks, seconds',
  ].join('\n'),
  async run(words) {
    const flags = parse(words, { speed: { type: 'string' }, orders: { type: 'string' }, seed: { type: 'string' } })
    const out = reporter(flags.flag('json'))
    const speed = flags.number('speed', 60)
    const orders = flags.number('orders', 500)
    if (speed === 0 || orders === 0 || orders > 1_000_000)
      throw new UsageError('--speed and --orders must be above 0, --orders at most 1,000,000')
    return withCore({ config: configOf(), clock: systemClock, say: out.say }, async (core) => {
      const seed = flags.number('seed', citySeed)
      const city = cityOf(systemClock.now())
      await settleCity(core, city)
      core.relay.start()
      const started = performance.now()
      const context = systemContext('made_city')
      const run = crypto.randomUUID().slice(0, 8)
      const placed = new Set<string>()
      const delivered = new Map<string, number>()
      let refusals = 0
      const place = async (from: number, to: number): Promise<void> => {
        const calls = Array.from({ length: to - from }, (_, index) => ({
          context,
          idempotencyKey: `demo-${run}-${from + index}`,
          input: orderOf(from + index, seed, (n) => city.address(n)),
        }))
        for (const outcome of await core.runner.runMany('orders.place', calls)) {
          if (outcome.ok) placed.add((outcome.value as { number: string }).number)
          else refusals += 1
        }
      }
      const random = seeded(seed)
      let next = 0
      let due = 0
      let lastMove = performance.now()
      let lastSaid = 0
      // Ends when everything is delivered, or when nothing has moved for a while: what waits then waits with a reason.
      while (next < orders || performance.now() - lastMove < 3_000) {
        const began = performance.now()
        // Arrivals scatter around the rate, as customers do not keep step.
        due = Math.min(orders, due + ((ordersPerMinute * speed) / 60_000) * roundMs * (0.5 + random()))
        if (Math.floor(due) > next) {
          await place(next, Math.floor(due))
          next = Math.floor(due)
          lastMove = performance.now()
        }
        for (const { orderNumber, to } of await playCityRound(core)) {
          lastMove = performance.now()
          if (to === 'delivered' && placed.has(orderNumber)) delivered.set(orderNumber, (delivered.get(orderNumber) ?? 0) + 1)
        }
        if (performance.now() - lastSaid > 1_000) {
          lastSaid = performance.now()
          out.say(
            `${((lastSaid - started) / 1000).toFixed(0).padStart(4)} s  placed ${String(placed.size).padStart(6)}  with a parcel delivered ${String(delivered.size).padStart(6)}`,
          )
        }
        await new Promise((resolve) => setTimeout(resolve, Math.max(1, roundMs - (performance.now() - began))))
      }
      await untilDrained(core, 30_000)
      const breaks = (await core.check('live')).flatMap(({ check, breaks: each }) => each.map((detail) => ({ check, detail })))
      const seconds = Math.round((performance.now() - started) / 100) / 10
      out.say(
        `${placed.size} orders placed, ${refusals} refused, ${delivered.size} with a parcel at the door, ${breaks.length} breaks, ${seconds} s`,
      )
      for (const { check, detail } of breaks.slice(0, 20)) out.say(`BREAK  ${check}: ${detail}`)
      out.end({ orders: placed.size, refused: refusals, delivered: delivered.size, breaks: breaks.length, seconds })
      return breaks.length === 0 && delivered.size === placed.size ? 0 : 1
    })
  },
}

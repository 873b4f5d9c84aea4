import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Consumption, EngineAway, type Exchange, type ExchangeMessage, type Verdict } from '#platform/exchange.ts'
import type { Traffic } from '#platform/request-context.ts'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'
import { untilTrue } from '#test/until.ts'

/** What a carrier brings to be held against the contract. Each opened exchange is another process's. */
export interface ExchangeStand {
  readonly name: string
  readonly queueMost: number
  open(t: TestDatabases): Promise<Exchange>
  close(): Promise<void>
}

export const contractPartners = ['near', 'far', 'narrow'] as const

/** What every carrier of messages to and from partners keeps. */
export function keepsTheExchangeContract(stand: ExchangeStand): void {
  describe(`partners by ${stand.name}`, { timeout: 60_000 }, () => {
    let t: TestDatabases
    let exchange: Exchange
    let opened: Consumption[] = []
    let made = 0

    beforeAll(async () => {
      t = await openTestDatabases()
      exchange = await stand.open(t)
      await untilTrue(
        () =>
          exchange.states('live').then(
            () => true,
            () => false,
          ),
        20_000,
        'the exchange',
      )
    }, 120_000)
    afterAll(async () => {
      await exchange.close()
      await t.close()
      await stand.close()
    })
    afterEach(async () => {
      await Promise.all(opened.map((each) => each.close()))
      opened = []
    })

    const message = (topic: string, given: Partial<ExchangeMessage> = {}): ExchangeMessage => ({
      id: `m-${(made += 1)}`,
      topic,
      key: 'k',
      schemaVersion: 1,
      occurredAt: new Date('2026-03-02T09:00:00.123Z'),
      traceId: 'f'.repeat(32),
      rehearsalId: null,
      body: { n: made, text: 'Größe' },
      ...given,
    })
    const publish = (messages: readonly ExchangeMessage[], by = exchange, traffic: Traffic = 'live'): Promise<void> =>
      t.databases.of('messaging').write(t[traffic], (context) => by.publish(context, messages))
    /** Takes from a queue; what arrived, in order. */
    const take = (
      queue: string,
      verdict: (message: ExchangeMessage) => Verdict | Promise<Verdict> = () => ({ end: 'done' }),
      { by = exchange, traffic = 'live' }: { by?: Exchange; traffic?: Traffic } = {},
    ): ExchangeMessage[] => {
      const arrived: ExchangeMessage[] = []
      opened.push(
        by.consume(queue, traffic, async (each) => {
          arrived.push(each)
          return verdict(each)
        }),
      )
      return arrived
    }
    const ids = (messages: readonly ExchangeMessage[]): string[] => messages.map(({ id }) => id)
    const stateOf = async (queue: string, traffic: Traffic = 'live') =>
      (await exchange.states(traffic)).find((each) => each.queue === queue)
    const empty = (queue: string) => untilTrue(async () => (await stateOf(queue))?.waiting === 0, 20_000, `an empty ${queue}`)

    it('a message arrives whole, at the partner that its topic names and nowhere else', async () => {
      const sent = [message('near.waybill.released', { key: 'w-1' }), message('far.order.placed', { key: 'o-1', schemaVersion: 2 })]
      await publish(sent)
      const near = take('to.near')
      const far = take('to.far')
      await untilTrue(() => near.length + far.length >= 2)
      expect([near, far]).toMatchObject([[sent[0]], [sent[1]]])
    })

    it('what a partner submits arrives in the queue from it', async () => {
      const sent = message('near.waybills.update')
      await exchange.submit(t.live, [sent])
      const arrived = take('from.near')
      await untilTrue(() => arrived.length > 0)
      expect(arrived).toMatchObject([sent])
      await empty('from.near')
    })

    it('messages of one key arrive in order, however many there are', async () => {
      const sent = Array.from({ length: 600 }, (_, n) => message('near.waybill.moved', { key: `w-${n % 7}` }))
      for (let from = 0; from < sent.length; from += 200) await publish(sent.slice(from, from + 200))
      const arrived = take('to.near')
      await untilTrue(() => arrived.length >= sent.length)
      for (let key = 0; key < 7; key += 1) {
        const of = (messages: readonly ExchangeMessage[]) => ids(messages.filter((each) => each.key === `w-${key}`))
        expect(of(arrived)).toEqual(of(sent))
      }
    })

    it('what was not finished when its taker went is delivered again, to the one who comes next', async () => {
      const sent = [message('near.waybill.moved'), message('near.waybill.moved')]
      await publish(sent)
      const never = take('to.near', () => ({ end: 'wait', reason: 'the database is away' }))
      await untilTrue(() => never.length > 0)
      await Promise.all(opened.map((each) => each.close()))
      const other = await stand.open(t)
      const arrived = take('to.near', undefined, { by: other })
      await untilTrue(() => arrived.length >= 2)
      expect(ids(arrived)).toEqual(ids(sent))
      await Promise.all(opened.map((each) => each.close()))
      opened = []
      await other.close()
    })

    it('of two takers one is at work at a time, and the other takes over', async () => {
      const other = await stand.open(t)
      let atOnce = 0
      let most = 0
      const count = async (): Promise<Verdict> => {
        atOnce += 1
        most = Math.max(most, atOnce)
        await new Promise((resolve) => setImmediate(resolve))
        atOnce -= 1
        return { end: 'done' }
      }
      const first = take('to.near', count)
      const second = take('to.near', count, { by: other })
      const sent = Array.from({ length: 50 }, () => message('near.waybill.moved'))
      await publish(sent)
      await untilTrue(() => first.length + second.length >= 50)
      expect(most).toBe(1)
      expect(ids([...first, ...second]).toSorted()).toEqual(ids(sent).toSorted())
      const [active, idle] = first.length > 0 ? [0, second] : [1, first]
      await opened[active]?.close()
      await publish([message('near.waybill.moved')])
      await untilTrue(() => idle.length > 0, 20_000, 'the one who takes over')
      await Promise.all(opened.map((each) => each.close()))
      opened = []
      await other.close()
    })

    it('a message that can not be handled is dead after a few tries, the next of its key waits for that, and others do not', async () => {
      const poison = message('near.waybill.moved', { key: 'p' })
      const behind = message('near.waybill.moved', { key: 'p' })
      const beside = message('near.waybill.moved', { key: 'q' })
      await publish([poison, behind, beside])
      const arrived = take('to.near', ({ id }) => (id === poison.id ? { end: 'again', reason: 'it broke' } : { end: 'done' }))
      await untilTrue(async () => ids(arrived).includes(behind.id) && (await stateOf('to.near'))?.dead === 1)
      expect(ids(arrived)).toEqual([poison.id, beside.id, ...Array.from({ length: 4 }, () => poison.id), behind.id])
      expect(await exchange.deadLetters('to.near', 'live', 10)).toMatchObject([
        { id: poison.id, key: 'p', topic: poison.topic, body: poison.body, reason: expect.stringContaining('it broke') },
      ])
    })

    it('dead letters can be looked at again and again, and replayed under their own ids', async () => {
      const sent = [message('far.order.moved'), message('far.order.moved')]
      await publish(sent)
      take('to.far', () => ({ end: 'dead', reason: 'there is no such order' }))
      await untilTrue(async () => (await stateOf('to.far'))?.dead === 2)
      await Promise.all(opened.map((each) => each.close()))
      opened = []
      for (let look = 0; look < 3; look += 1) {
        const found = await exchange.deadLetters('to.far', 'live', 10)
        expect(found.map(({ id, reason }) => [id, reason])).toEqual(ids(sent).map((id) => [id, 'there is no such order']))
      }
      expect(await exchange.replay('to.far', 'live', 1)).toBe(1)
      expect(await exchange.replay('to.far', 'live', 10)).toBe(1)
      const arrived = take('to.far')
      await untilTrue(() => arrived.length >= 2)
      expect(arrived).toMatchObject(sent)
      await untilTrue(async () => (await stateOf('to.far'))?.dead === 0)
    })

    it('live and shadow have queues of their own', async () => {
      const live = message('near.waybill.moved')
      const shadow = message('near.waybill.moved', { rehearsalId: 'rehearsal-1' })
      await publish([live])
      await publish([shadow], exchange, 'shadow')
      const [inLive, inShadow] = [take('to.near'), take('to.near', undefined, { traffic: 'shadow' })]
      await untilTrue(() => inLive.length + inShadow.length >= 2)
      expect([ids(inLive), ids(inShadow)]).toEqual([[live.id], [shadow.id]])
      expect(inShadow[0]?.rehearsalId).toBe('rehearsal-1')
    })

    it('a full queue refuses more, keeps what it has, and holds up no other', async () => {
      const batch = () => Array.from({ length: 100 }, (_, n) => message('narrow.waybill.moved', { key: String(n) }))
      const kept: string[] = []
      await expect(async () => {
        for (;;) {
          const next = batch()
          await publish(next)
          kept.push(...ids(next))
          if (kept.length > 4 * stand.queueMost) return
        }
      }).rejects.toThrow(EngineAway)
      expect(kept.length).toBeGreaterThanOrEqual(stand.queueMost - 100)
      const beside = message('near.waybill.moved')
      await untilTrue(
        () =>
          publish([beside]).then(
            () => true,
            () => false,
          ),
        10_000,
        'a message beside the full queue',
      )
      const arrived = take('to.narrow')
      await untilTrue(() => kept.every((id) => ids(arrived).includes(id)), 20_000, 'all that was kept')
      const near = take('to.near')
      await untilTrue(() => ids(near).includes(beside.id))
    })

    it('a topic that no queue takes is refused, not lost in silence', async () => {
      await expect(publish([message('nobody.order.placed')])).rejects.toThrow(EngineAway)
    })
  })
}

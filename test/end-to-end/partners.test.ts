import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Value } from 'typebox/value'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { partnerMessages } from '#flows'
import { systemClock } from '#kernel/time.ts'
import { orderOf } from '#partners/made-city/index.ts'
import {
  openLogFile,
  openSandboxPartner,
  readLog,
  type SandboxLogLine,
  type SandboxPartner,
  sandboxPartners,
} from '#partners/sandbox-partners/index.ts'
import type { Exchange } from '#platform/exchange.ts'
import { openAmqpExchange } from '#platform/exchange-amqp.ts'
import { systemContext } from '#platform/request-context.ts'
import { startRabbitMq } from '#test/rabbitmq-server.ts'
import { untilTrue } from '#test/until.ts'
import { openWhole, type Whole } from '#test/whole.ts'
import { compareWithPartners } from '../../src/check-partners.ts'
import { callMany, settleCity } from '../../src/cli/city.ts'

const live = { traffic: 'live', rehearsalId: null } as const
const names = sandboxPartners.map(({ name }) => name)
const broker = await startRabbitMq()
afterAll(() => broker?.stop())

const carriers: [string, Record<string, string> | undefined][] = [
  ['tables of our own', {}],
  ['RabbitMQ (skipped where it is missing)', broker === undefined ? undefined : { AMQP_URL: broker.url }],
]

describe.each(carriers)('partners by %s', (_, variables) => {
  describe.skipIf(variables === undefined)('that are slow, stumble and answer twice', { timeout: 360_000 }, () => {
    let whole: Whole
    let folder = ''
    let outside: Exchange
    const played = new Map<string, SandboxPartner>()
    const logs: { close(): Promise<void> }[] = []

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'throughline-partners-'))
      whole = await openWhole({ PARTNERS: names.join(','), ...variables })
      await whole.core.partners.open(whole.core.runner)
      // With a broker the partners have connections of their own, as they would elsewhere.
      outside =
        variables?.['AMQP_URL'] === undefined
          ? whole.core.partners.exchange
          : openAmqpExchange({ url: variables['AMQP_URL'], partners: names, log: { warn: () => undefined } })
      for (const exchange of [outside, whole.core.partners.exchange])
        await untilTrue(
          () =>
            exchange.states('live').then(
              () => true,
              () => false,
            ),
          20_000,
          'the exchange',
        )
      for (const profile of sandboxPartners) {
        const log = await openLogFile(folder, profile.name)
        logs.push(log)
        const faults = { latencyMs: 3, repeats: 0.2, fails: 0.2, shorts: 0.4 }
        played.set(profile.name, openSandboxPartner({ profile, exchange: outside, clock: systemClock, seed: 7, faults, keep: log.keep }))
      }
    })
    afterAll(async () => {
      await Promise.all([...played.values()].map((partner) => partner.close()))
      if (outside !== whole.core.partners.exchange) await outside.close()
      await Promise.all(logs.map((log) => log.close()))
      await whole.close()
      await rm(folder, { recursive: true, force: true })
    })

    const linesOf = async (partner: string): Promise<SandboxLogLine[]> => {
      const lines: SandboxLogLine[] = []
      for await (const line of readLog(folder, partner)) lines.push(line)
      return lines
    }
    const waybillsIn = async (state: string): Promise<{ waybillId: number }[]> => {
      const [outcome] = await callMany(whole.core, 'waybills.list', [{ state, limit: 1_000 }])
      return outcome?.ok === true ? (outcome.value as { waybills: { waybillId: number }[] }).waybills : []
    }
    const quiet = () =>
      untilTrue(
        async () => (await whole.core.partners.exchange.states('live').catch(() => [{ waiting: 1 }])).every(({ waiting }) => waiting === 0),
        60_000,
        'empty queues',
      )
    const check = (from = folder) =>
      compareWithPartners(live, {
        databases: whole.core.databases,
        orders: whole.core.orders,
        fulfilment: whole.core.fulfilment,
        warehousing: whole.core.warehousing,
        linesOf: (partner) => readLog(from, partner),
      })

    it('orders come by message, and waybills go by message from release to the truck, each once', async () => {
      const inputs = Array.from({ length: 12 }, (__, n) => orderOf(n, 5, (at) => whole.city.address(at)))
      const hybris = played.get('hybris')
      // Each asked for twice, as a storefront does that has had no answer.
      for (const [n, input] of [...inputs, ...inputs].entries()) await hybris?.ask(`order-${n % 12}`, 'orders.place', input)
      await untilTrue(
        async () => (await linesOf('hybris')).filter(({ topic }) => topic === 'hybris.order.placed').length >= 12,
        30_000,
        'twelve orders',
      )
      await quiet()
      await whole.drained()
      const routed = await waybillsIn('routed')
      expect(routed.length).toBeGreaterThanOrEqual(12)
      await callMany(
        whole.core,
        'waybills.update',
        routed.map(({ waybillId }) => ({ waybillId, to: 'released' })),
      )
      // One of which nothing was found is called off.
      const ended = async () => {
        const found = await whole.core.databases.of('fulfilment').read(live, (context) =>
          whole.core.fulfilment.waybillsById(
            context,
            routed.map(({ waybillId }) => waybillId),
          ),
        )
        return [...found.values()].filter(({ state }) => state === 'loaded' || state === 'cancelled')
      }
      await untilTrue(async () => (await ended()).length === routed.length, 60_000, 'loaded waybills')
      await whole.drained()
      await quiet()
      const admin = await whole.t.admin('live')
      expect((await admin.query('select 1 from orders.orders')).rowCount).toBe(12)
      expect((await check()).flatMap(({ breaks }) => breaks)).toEqual([])
      expect((await whole.core.check('live')).flatMap(({ breaks }) => breaks)).toEqual([])
      const short = (await linesOf('wms')).filter((line) => line.short !== undefined)
      expect(short.length).toBeGreaterThan(0)
      const missing = await admin.query(
        `select sum((line ->> 'short')::int)::int as pieces from warehousing.sales_order cross join json_array_elements(lines) as line`,
      )
      expect(missing.rows).toEqual([{ pieces: short.length }])
      const ods = await linesOf('ods')
      expect(new Set(ods.map(({ id }) => id)).size).toBe(ods.length)
      for (const { topic, body } of ods) {
        const told = partnerMessages.find(({ name }) => topic === `ods.${name}`)
        expect(
          told && [...Value.Errors(told.schema, body)].map(({ instancePath, message }) => `${topic} ${instancePath} ${message}`),
        ).toEqual([])
      }
      const seldom = ['waybill.late', 'order.cancelled', 'sales_order.updated', 'sales_order.cancelled']
      const heard = new Set(ods.map(({ topic }) => topic.slice(4)))
      expect(partnerMessages.map(({ name }) => name).filter((name) => !heard.has(name) && !seldom.includes(name))).toEqual([])
      for (const { waybillId } of (await ended()).filter(({ state }) => state === 'loaded')) {
        const told = ods.filter(({ topic, key }) => topic === 'ods.waybill.moved' && key === `fulfilment:${waybillId}`)
        expect(told.map(({ body }) => (body as { to: string }).to)).toEqual([
          'routed',
          'released',
          'acknowledged',
          'picked',
          'packed',
          'staged',
          'loaded',
        ])
      }
      expect((await whole.core.partners.exchange.states('live')).filter(({ dead }) => dead > 0)).toEqual([])
    })

    it('the law over their logs names what a partner was not told, what it has done for nothing, and what we do not have', async () => {
      const other = await mkdtemp(join(tmpdir(), 'throughline-partners-'))
      const [first = '', ...rest] = (await readFile(join(folder, 'wms.jsonl'), 'utf8')).trimEnd().split('\n')
      await writeFile(join(other, 'wms.jsonl'), `${rest.join('\n')}\n`)
      const line = JSON.parse(rest[0] ?? '') as SandboxLogLine
      const { salesOrderId } = line.body as { salesOrderId: number }
      await appendFile(join(other, 'wms.jsonl'), `${JSON.stringify({ ...line, id: 'another' })}\n`)
      await appendFile(
        join(other, 'wms.jsonl'),
        `${JSON.stringify({ ...line, id: 'x', body: { salesOrderId: 987_654, lines: [] }, short: [] })}\n`,
      )
      const told = (JSON.parse(first) as SandboxLogLine).body as { salesOrderId: number }
      const sorted = (await linesOf('pss')).find(({ asked }) => asked.includes('loaded')) as SandboxLogLine
      const gone = { ...sorted, asked: ['arrived'] }
      await writeFile(join(other, 'pss.jsonl'), `${JSON.stringify(gone)}\n{"torn`)
      const breaks = (await check(other)).flatMap((result) => result.breaks)
      const waybillId = (gone.body as { waybillId: number }).waybillId
      expect(breaks).toEqual([
        `sales order ${salesOrderId} was told as ${line.id} and as another`,
        `sales order ${told.salesOrderId} is packed, and the warehouse was never told`,
        `waybill ${waybillId} is loaded, and the sorter has it arrived`,
        'sales order 987654 is in a log only',
      ])
      await rm(other, { recursive: true, force: true })
    })

    it('a rehearsal meets sandboxes, and no partner of live hears of it', async () => {
      await settleCity(whole.core, whole.city, 'shadow')
      const context = systemContext('test', 'shadow', 'rehearsal-1')
      const before = (await Promise.all(names.map(linesOf))).map(({ length }) => length)
      const input = orderOf(1, 6, (at) => whole.city.address(at))
      const placed = await whole.core.runner.run('orders.place', { context, input, idempotencyKey: 'shadow-1' })
      const { orderId } = (placed as { value: { orderId: number } }).value
      const states = async (): Promise<string[]> => {
        const listed = await whole.core.runner.run('waybills.list_by_order', { context, input: { orderId } })
        const { waybills } = (listed as { value: { waybills: { waybillId: number; state: string }[] } }).value
        for (const { waybillId, state } of waybills)
          if (state === 'routed') await whole.core.runner.run('waybills.update', { context, input: { waybillId, to: 'released' } })
        return waybills.map(({ state }) => state)
      }
      await untilTrue(
        async () => (await states()).length > 0 && (await states()).every((state) => state === 'loaded'),
        30_000,
        'loaded waybills of shadow',
      )
      expect((await Promise.all(names.map(linesOf))).map(({ length }) => length)).toEqual(before)
    })

    it('what a partner may not ask, asks wrongly or asks without a name is a dead letter with the reason', async () => {
      const wms = played.get('wms')
      await wms?.ask('greedy', 'orders.place', {})
      await wms?.ask('wrong', 'waybills.update', { waybillId: 'one', to: 'picked' })
      await wms?.ask('unknown', 'waybills.update', { waybillId: 999_999, to: 'picked' })
      await untilTrue(
        async () => (await whole.core.partners.exchange.deadLetters('from.wms', 'live', 10)).length === 3,
        30_000,
        'three dead letters',
      )
      const dead = await whole.core.partners.exchange.deadLetters('from.wms', 'live', 10)
      expect(dead.map(({ reason }) => reason).toSorted()).toEqual([
        expect.stringMatching(/^fulfilment.unknown_waybill \/waybillId/),
        expect.stringMatching(/^platform.invalid_input \/waybillId/),
        'wms may not ask for "wms.orders.place"',
      ])
    })
  })
})

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { systemClock } from '#kernel/time.ts'
import { readConfig } from '#platform/config.ts'
import { openServerFolder, type ServerFolder } from '#test/server-folder.ts'
import { untilTrue } from '#test/until.ts'
import { withCore } from '../../src/cli/session.ts'

let folder: ServerFolder
const live = { traffic: 'live', rehearsalId: null } as const

beforeAll(async () => {
  folder = await openServerFolder({ PARTNERS: 'wms,ods=sandbox' })
  await withCore({ config: readConfig(folder.env), clock: systemClock, say: () => undefined }, async (core) => {
    await core.partners.open(core.runner)
    const message = { key: 'k', schemaVersion: 1, occurredAt: systemClock.now(), traceId: '', rehearsalId: null }
    await core.partners.exchange.submit(live, [
      { ...message, id: 'lost-1', topic: 'wms.waybills.update', body: { waybillId: 4711, to: 'picked' } },
      { ...message, id: 'lost-2', topic: 'wms.waybills.update', body: { waybillId: 4712, to: 'picked' } },
    ])
    await core.databases
      .of('messaging')
      .write(live, (context) =>
        core.partners.exchange.publish(context, [{ ...message, id: 'told-1', topic: 'ods.order.moved', body: { orderId: 1 } }]),
      )
    await untilTrue(async () => (await core.partners.exchange.deadLetters('from.wms', 'live', 9)).length === 2, 20_000, 'two dead letters')
    await untilTrue(async () => (await core.partners.exchange.states('live')).every(({ waiting }) => waiting === 0), 20_000, 'empty queues')
  })
}, 360_000)
afterAll(() => folder.close())

const ask = async (...words: string[]): Promise<{ code: number | null; told: Record<string, unknown>; output: string }> => {
  const asked = folder.run(['dead-letters', ...words, '--json'])
  const { code } = await asked.ended
  return { code, told: JSON.parse(asked.stdout() || '{}') as Record<string, unknown>, output: asked.output() }
}

it('the verb lists dead letters with their reasons, and puts as many back as it is told', { timeout: 270_000 }, async () => {
  expect(await ask('list')).toMatchObject({
    code: 0,
    told: { queues: expect.arrayContaining([{ queue: 'from.wms', waiting: 0, dead: 2 }]) },
  })
  const { told } = await ask('list', 'from.wms')
  expect(told['letters']).toMatchObject([
    { id: 'lost-1', topic: 'wms.waybills.update', reason: expect.stringContaining('fulfilment.unknown_waybill') },
    { id: 'lost-2' },
  ])
  expect(await ask('replay', 'from.wms', '--most', '1')).toMatchObject({ code: 0, told: { replayed: 1 } })
  expect(await ask('list')).toMatchObject({ told: { queues: expect.arrayContaining([{ queue: 'from.wms', waiting: 1, dead: 1 }]) } })
})

it('a partner that the process plays itself keeps its log in the data folder', async () => {
  const lines = (await readFile(join(folder.dataDir, 'partners/ods.jsonl'), 'utf8')).trim().split('\n')
  expect(lines.map((line) => JSON.parse(line) as object)).toMatchObject([{ partner: 'ods', id: 'told-1', body: { orderId: 1 }, asked: [] }])
})

it('the verb says what it needs', { timeout: 180_000 }, async () => {
  for (const words of [[], ['bury'], ['replay'], ['list', 'to.nobody']]) {
    const { code, output } = await ask(...words)
    expect(code).toBe(2)
    expect(output).toMatch(/dead-letters|no queue/)
  }
})

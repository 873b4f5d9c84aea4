import { expect, it } from 'vitest'
import { wavesOf } from './order-to-doorstep.ts'

type Wave = ReturnType<typeof wavesOf>[number]
const event = (key: string, type: string, id: number): Wave[number] => ({
  id,
  key,
  type,
  schemaVersion: 1,
  payload: {} as Wave[number]['payload'],
  traceId: '',
  traffic: 'live',
  rehearsalId: null,
  occurredAt: new Date(0),
})
const idsOf = (...events: [string, string][]) =>
  wavesOf(events.map(([key, type], at) => event(key, type, at))).map((wave) => wave.map(({ id }) => id))

it('follows what different orders tell at once, and what one order tells in its order', () => {
  expect(idsOf(['1', 'orders.paid'], ['2', 'orders.paid'], ['3', 'orders.edited'])).toEqual([[0, 1, 2]])
  expect(idsOf(['1', 'orders.paid'], ['1', 'orders.edited'], ['2', 'orders.paid'], ['1', 'orders.cancelled'])).toEqual([[0, 2], [1], [3]])
})

it('takes several payments or cancels of an order together, and its edits one by one', () => {
  expect(idsOf(['1', 'orders.paid'], ['1', 'orders.paid'], ['1', 'orders.cancelled'], ['1', 'orders.cancelled'])).toEqual([
    [0, 1],
    [2, 3],
  ])
  expect(idsOf(['1', 'orders.edited'], ['1', 'orders.edited'])).toEqual([[0], [1]])
  expect(idsOf()).toEqual([])
})

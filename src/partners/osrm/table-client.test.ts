import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { fetchTravel } from './table-client.ts'

/** A table service of our own: metres are a thousand times the difference of longitudes in degrees, seconds a tenth of that, and one place cannot be reached. */
let server: Server
let baseUrl = ''
const asked: { places: number; url: string }[] = []
const broken = { answer: '' }

beforeAll(async () => {
  server = createServer((request, response) => {
    const url = new URL(request.url ?? '', 'http://table')
    const [, , , , list = ''] = url.pathname.split('/')
    const places = list.split(';').map((place) => Number(place.split(',')[0]))
    asked.push({ places: places.length, url: url.pathname })
    const pick = (name: string) => (url.searchParams.get(name) ?? '').split(';').map((at) => places[Number(at)] ?? Number.NaN)
    const table = (scale: number) =>
      pick('sources').map((from) => pick('destinations').map((to) => (to === 9 && from !== 9 ? null : Math.abs(from - to) * scale)))
    const full =
      places.length > 4
        ? { code: 'TooBig', message: 'too many coordinates' }
        : { code: 'Ok', durations: table(100), distances: table(1000) }
    response.setHeader('content-type', 'application/json')
    response.end(broken.answer === '' ? JSON.stringify(full) : broken.answer)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
})
afterAll(() => new Promise((resolve) => server.close(resolve)))

const points = [1, 2, 4, 7, 9].map((lng) => ({ lat: 43, lng }))
const settings = () => ({ baseUrl, profile: 'driving', timeoutMs: 2_000, placesPerCall: 4 })

test('more places than one call takes are asked in blocks and come out as one table', async () => {
  const answer = await fetchTravel(points, settings())
  if (answer.kind !== 'ok') throw new Error(answer.reason)
  const { size, durations, costs } = answer.travel
  expect(asked.length).toBe(9)
  expect(Math.max(...asked.map(({ places }) => places))).toBe(4)
  expect(asked[0]?.url).toContain('/table/v1/driving/1.000000,43.000000;')
  for (let row = 0; row < size; row += 1) {
    for (let column = 0; column < size; column += 1) {
      const apart = Math.abs(points[row]!.lng - points[column]!.lng)
      const isCut = column === 4 && row !== 4
      expect(durations[row * size + column]).toBe(isCut ? 100_000_000 : apart * 100)
      expect(costs[row * size + column]).toBe(isCut ? 100_000_000 : apart * 1_000)
    }
  }
})

test.each([
  ['{"code":"NoSegment","message":"no road near"}', 'NoSegment: no road near'],
  ['{"code":"Ok","durations":[[0]],"distances":[[0]]}', 'no table of the size'],
  ['<html>', 'no JSON'],
  ['null', 'no table'],
])('an answer like %s is a failure with its reason', async (text, reason) => {
  broken.answer = text
  const answer = await fetchTravel(points, settings())
  broken.answer = ''
  expect(answer).toMatchObject({ kind: 'failed', reason: expect.stringContaining(reason) })
})

test('too large a block is told in the words of the service, and nobody there by the network', async () => {
  expect(await fetchTravel(points, { ...settings(), placesPerCall: 8 })).toEqual({ kind: 'failed', reason: 'TooBig: too many coordinates' })
  expect(await fetchTravel(points, { ...settings(), baseUrl: 'http://127.0.0.1:1' })).toMatchObject({ kind: 'failed' })
})

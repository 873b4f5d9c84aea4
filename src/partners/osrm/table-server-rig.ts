import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** How the table service behaves: answers, answers late, answers an error or no table, or takes the request and says nothing. */
export type Mood = 'well' | 'failing' | 'garbled' | 'hanging'

export interface TableServer {
  readonly url: string
  mood: Mood
  latencyMs: number
  /** Calls that came in. */
  calls: number
  close(): Promise<void>
}

/** A table service of our own, for tests: on its roads, way east is twice and way west three times as long as way north. */
export async function startTableServer(): Promise<TableServer> {
  const server = createServer((request, response) => {
    state.calls += 1
    if (state.mood === 'hanging') return
    const url = new URL(request.url ?? '', 'http://table')
    const [, , , , list = ''] = url.pathname.split('/')
    const places = list.split(';').map((place) => place.split(',').map(Number) as [number, number])
    const pick = (name: string) => (url.searchParams.get(name) ?? '').split(';').map((at) => places[Number(at)] as [number, number])
    const table = (metresPerUnit: number) =>
      pick('sources').map(([fromLng, fromLat]) =>
        pick('destinations').map(([lng, lat]) => {
          const east = (lng - fromLng) * 85_000
          return (Math.abs(lat - fromLat) * 111_000 + (east > 0 ? 2 * east : -3 * east)) * metresPerUnit
        }),
      )
    const answer = () => {
      response.setHeader('content-type', 'application/json')
      if (state.mood === 'failing') response.writeHead(503).end('{"code":"Unavailable","message":"no roads today"}')
      else if (state.mood === 'garbled') response.end('{"code":"Ok","durations":[[1]],"distances":[[1]]}')
      else response.end(JSON.stringify({ code: 'Ok', durations: table(1 / 8), distances: table(1) }))
    }
    setTimeout(answer, state.latencyMs)
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const state: TableServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    mood: 'well',
    latencyMs: 5,
    calls: 0,
    close: () =>
      new Promise((closed) => {
        server.closeAllConnections()
        server.close(() => closed())
      }),
  }
  return state
}

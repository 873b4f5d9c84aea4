import { systemContext } from '#platform/request-context.ts'
import type { BenchHouse } from './server-process.ts'

/** What the mix asks about beside orders: merchants with a key each, and totes on trolleys. */
export interface MixPlaces {
  readonly merchantKeys: readonly string[]
  readonly totes: number
}

// Each merchant may call twice a second, so that 1 % of 3,000 requests/s needs fifteen of them at least.
const merchants = 60
const totes = 2_000
const trolleys = 20

export const toteCode = (n: number): string => `TOTE-${n}`
/** GRAI-96 of the n-th tote, in hex. */
export const toteEpc = (n: number): string => `3374257BF4${n.toString(16).toUpperCase().padStart(14, '0')}`

/** Settles them through operations; what is there from an earlier run stays. */
export async function settlePlaces(house: BenchHouse): Promise<MixPlaces> {
  const core = await house.core()
  try {
    const context = systemContext('bench')
    const many = async (operation: string, inputs: readonly object[]): Promise<unknown[]> => {
      const outcomes = await core.runner.runMany(
        operation,
        inputs.map((input) => ({ context, input })),
      )
      return outcomes.map((outcome) => {
        if (!outcome.ok) throw new Error(`${operation}: ${JSON.stringify(outcome)}`)
        return outcome.value
      })
    }
    const names = Array.from({ length: merchants }, (_, n) => `mix-${n}`)
    await many(
      'merchants.put',
      names.map((merchantId) => ({ merchantId, name: merchantId })),
    )
    const name = `run-${Date.now().toString(36)}`
    const issued = await many(
      'merchants.issue_key',
      names.map((merchantId) => ({ merchantId, name })),
    )
    const totesToRegister = Array.from({ length: totes }, (_, n) => ({ code: toteCode(n), kind: 'tote', colour: 'blue', epc: toteEpc(n) }))
    const trolleyCodes = Array.from({ length: trolleys }, (_, n) => `TROLLEY-${n}`)
    await many('containers.register', totesToRegister)
    await many(
      'containers.register',
      trolleyCodes.map((code) => ({ code, kind: 'box', colour: 'blue' })),
    )
    await many(
      'containers.nest',
      totesToRegister.slice(0, 1_000).map(({ code }, n) => ({ code, into: trolleyCodes[n % trolleys] })),
    )
    await many(
      'containers.move',
      trolleyCodes.map((code) => ({ code, place: 'dock-1' })),
    )
    return { merchantKeys: issued.map((value) => (value as { key: string }).key), totes }
  } finally {
    await core.close()
  }
}

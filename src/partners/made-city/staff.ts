export interface WaitingWaybill {
  readonly waybillId: number
  readonly orderNumber: string
  readonly attempt: number
  readonly purpose: string
}

/** What the staff needs of Throughline: the operations that a warehouse and a driver's phone would call. */
export interface StaffDesk {
  /** Waybills that wait in a state, by rising id. */
  waiting(state: string, after: number): Promise<readonly WaitingWaybill[]>
  /** Reports moves; the outcome of each, in order. */
  report(moves: readonly { waybillId: number; to: string; reason?: string }[]): Promise<readonly boolean[]>
}

export interface StaffMove {
  readonly waybillId: number
  readonly orderNumber: string
  readonly to: string
}

const next: Readonly<Record<string, string>> = {
  routed: 'released',
  released: 'acknowledged',
  acknowledged: 'picked',
  picked: 'packed',
  packed: 'staged',
  staged: 'loaded',
  loaded: 'out_for_delivery',
  out_for_delivery: 'arrived',
  arrived: 'delivered',
  attempt_failed: 'rescheduled',
}

/** The same for goods that are fetched. */
const nextOfReturn: Readonly<Record<string, string>> = {
  routed: 'out_for_delivery',
  out_for_delivery: 'arrived',
  arrived: 'returning',
  returning: 'returned_to_depot',
  attempt_failed: 'rescheduled',
}

/** One door in fifty stays shut at the first attempt. */
const shutDoor = (waybillId: number, attempt: number): boolean => attempt === 1 && (Math.imul(waybillId, 0x9e3779b1) >>> 0) % 50 === 0

/**
 * Plays the people of the made city, warehouse staff and drivers: every round moves each waybill one step on its way. The
 * last step first, so that none is moved twice in a round.
 */
export async function playRound(desk: StaffDesk): Promise<StaffMove[]> {
  const done: StaffMove[] = []
  for (const state of [...Object.keys(next), 'returning'].toReversed()) {
    for (let after = 0; ; ) {
      const waybills = await desk.waiting(state, after)
      if (waybills.length === 0) break
      const moves = waybills.flatMap(({ waybillId, orderNumber, attempt, purpose }) => {
        const usual = (purpose === 'return' ? nextOfReturn : next)[state]
        if (usual === undefined) return []
        return [{ waybillId, orderNumber, to: state === 'arrived' && shutDoor(waybillId, attempt) ? 'attempt_failed' : usual }]
      })
      const ok = await desk.report(
        moves.map(({ waybillId, to }) => (to === 'attempt_failed' ? { waybillId, to, reason: 'nobody at home' } : { waybillId, to })),
      )
      done.push(...moves.filter((_, index) => ok[index]))
      after = waybills.at(-1)?.waybillId ?? 0
    }
  }
  return done
}

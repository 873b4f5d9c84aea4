import type { Traffic } from '#platform/request-context.ts'
import { type Charge, type Dispute, type FollowUp, refOf } from './records.ts'

export type MovementKind = 'charge' | 'capture' | 'refund' | 'chargeback' | 'chargeback_reversed'

/** One movement of money, by key: what another system's books are compared with. */
export interface SandboxMovement {
  /** Rises with time; pages of the log go by it. */
  readonly sequence: number
  /** Of what moved the money: the charge, the capture or the refund; of a chargeback the charge. */
  readonly key: string
  readonly kind: MovementKind
  readonly ref: string
  readonly chargeKey: string
  /** Always positive; `kind` says which way. */
  readonly amountMinor: number
  readonly currency: string
  readonly traffic: Traffic
  readonly at: string
}

export interface SandboxLog {
  /** Older charges and follow-ups that the bounded memory let go of. */
  readonly forgotten: number
  readonly movements: SandboxMovement[]
}

interface Books {
  readonly charges: Iterable<Charge>
  readonly followUps: Iterable<FollowUp>
  readonly disputes: Iterable<Dispute>
}

/** Everything that moved money, in the order in which it did. */
export function movementsOf({ charges, followUps, disputes }: Books): SandboxMovement[] {
  const movements: SandboxMovement[] = []
  for (const charge of charges) {
    // What was captured apart is in the log as its captures.
    if (charge.capture && charge.capturedMinor > 0 && !charge.recalled) {
      const { key, sequence, currency, traffic, capturedMinor } = charge
      movements.push({
        sequence,
        key,
        kind: 'charge',
        ref: refOf('charge', key),
        chargeKey: key,
        amountMinor: capturedMinor,
        currency,
        traffic,
        at: timeOf(charge),
      })
    }
  }
  for (const row of followUps) {
    if (row.status !== 'captured' && row.status !== 'refunded') continue
    const kind = row.status === 'captured' ? 'capture' : 'refund'
    const { key, sequence, chargeKey, amountMinor, currency, traffic } = row
    movements.push({ sequence, key, kind, ref: refOf(kind, key), chargeKey, amountMinor, currency, traffic, at: timeOf(row) })
  }
  for (const row of disputes) {
    const { sequence, chargeKey, amountMinor, currency, traffic } = row
    const kind = row.won ? 'chargeback_reversed' : 'chargeback'
    movements.push({
      sequence,
      key: chargeKey,
      kind,
      ref: refOf('charge', chargeKey),
      chargeKey,
      amountMinor,
      currency,
      traffic,
      at: timeOf(row),
    })
  }
  return movements.toSorted((a, b) => a.sequence - b.sequence)
}

const timeOf = ({ at }: { at: number }): string => new Date(at).toISOString()

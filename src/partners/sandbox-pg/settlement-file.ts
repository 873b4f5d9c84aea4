import type { Traffic } from '#platform/request-context.ts'
import type { SandboxEngine } from './engine.ts'
import type { SandboxMovement } from './movements.ts'
import type { SandboxFees, SandboxProfile } from './profiles.ts'
import { directionOf, type EntryKind, fieldsOf, writeAmount, writeDate } from './settlement-dialect.ts'

interface Entry {
  readonly kind: EntryKind
  readonly key: string | null
  readonly ref: string
  readonly grossMinor: number
  readonly feeMinor: number
  readonly currency: string
  readonly bookedOn: string
}

export const defectKinds = ['missing', 'doubled', 'amount_off', 'wrong_date', 'unknown_reference', 'wrong_fee', 'garbled'] as const

/** A line that was made wrong on purpose, so that whoever reconciles can be judged by what he finds. */
export interface PlantedDefect {
  /** `trailer`: the sums of the last line are those of the books, which the defects above have left behind. */
  readonly defect: (typeof defectKinds)[number] | 'trailer'
  /** Line in the file, from 1; null for one that is missing. Of a doubled one the second. */
  readonly line: number | null
  /** What the line is about in the books, not what it says. */
  readonly key: string | null
  readonly gatewayRef: string
  readonly kind: EntryKind
  readonly grossMinor: number
  readonly feeMinor: number
  readonly currency: string
  readonly bookedOn: string
}

export interface WrittenSettlement {
  readonly batch: string
  readonly file: string
  readonly defects: readonly PlantedDefect[]
}

export interface SettlementOptions {
  /** `YYYY-MM-DD` in UTC. */
  readonly day: string
  /** Live's unless told: a file never mixes them. */
  readonly traffic?: Traffic
  /** False: a file without planted defects. */
  readonly defects?: boolean
}

/** The settlement file of one day: all that moved on it, with fees, in the dialect of the profile and with its planted defects. */
export function writeSettlement(engine: SandboxEngine, { day, traffic = 'live', defects = true }: SettlementOptions): WrittenSettlement {
  const { profile } = engine
  const moved = engine.log().movements.filter((movement) => movement.traffic === traffic && movement.at.startsWith(day))
  const entries = moved.map((movement) => entryOf(movement, profile.fees))
  const { dailyMinor: feeMinor, dailyCurrency: currency } = profile.fees
  if (feeMinor > 0 && entries.length > 0) {
    entries.push({ kind: 'fee', key: null, ref: `fee_${day}`, grossMinor: 0, feeMinor, currency, bookedOn: day })
  }
  const batch = `${profile.name}-${traffic}-${day}`
  const chosen = defects ? chooseDefects(engine, entries, day) : new Map<number, (typeof defectKinds)[number]>()
  return write(profile, { batch, entries, chosen })
}

/** Half up, in whole numbers: 1.4 % of 1,999 is 28. */
export const feeOf = (fees: SandboxFees, amountMinor: number): number =>
  Math.floor((amountMinor * fees.basisPoints + 5_000) / 10_000) + fees.fixedMinor

function entryOf({ kind, key, ref, amountMinor, currency, at }: SandboxMovement, fees: SandboxFees): Entry {
  const base = { key, ref, currency, bookedOn: at.slice(0, 10) }
  switch (kind) {
    case 'charge':
    case 'capture':
      return { ...base, kind: 'charge', grossMinor: amountMinor, feeMinor: feeOf(fees, amountMinor) }
    case 'refund':
      return { ...base, kind, grossMinor: -amountMinor, feeMinor: fees.refundMinor }
    case 'chargeback':
      return { ...base, kind, grossMinor: -amountMinor, feeMinor: fees.chargebackMinor }
    case 'chargeback_reversed':
      return { ...base, kind, grossMinor: amountMinor, feeMinor: 0 }
  }
}

/** Which entries go wrong, and how: never two defects on one line, and small files keep two good lines for each bad one. */
function chooseDefects(engine: SandboxEngine, entries: readonly Entry[], day: string) {
  const able = entries.flatMap((entry, index) => (entry.kind === 'charge' || entry.kind === 'refund' ? [index] : []))
  const fewest = Math.min(defectKinds.length, Math.floor(able.length / 3))
  const count = Math.max(fewest, Math.floor(able.length * engine.profile.defectShare))
  const chosen = new Map<number, (typeof defectKinds)[number]>()
  const first = Math.floor(engine.draw(`first defect ${day}`) * defectKinds.length)
  for (let number = 0; number < count; number += 1) {
    const index = able[Math.floor(engine.draw(`defect ${day} ${number}`) * able.length)]
    // A line drawn twice moves on to the next free one; there are at least two free ones for each.
    let free = able.indexOf(index ?? 0)
    while (chosen.has(able[free] ?? -1)) free = (free + 1) % able.length
    chosen.set(able[free] ?? 0, defectKinds[(first + number) % defectKinds.length] ?? 'missing')
  }
  return chosen
}

interface Draft {
  readonly batch: string
  readonly entries: readonly Entry[]
  readonly chosen: ReadonlyMap<number, (typeof defectKinds)[number]>
}

function write(profile: SandboxProfile, { batch, entries, chosen }: Draft): WrittenSettlement {
  const { settlement: dialect } = profile
  const fields = fieldsOf(dialect)
  const lines: string[] = dialect.batch === 'first_line' ? [batch] : []
  lines.push(fields.map(({ column }) => column).join(dialect.separator))
  const textOf = (entry: Entry): string => lineOf(profile, entry, batch)
  const defects: PlantedDefect[] = []
  entries.forEach((entry, index) => {
    const defect = chosen.get(index)
    if (defect === undefined) {
      lines.push(textOf(entry))
      return
    }
    if (defect === 'doubled') lines.push(textOf(entry))
    if (defect !== 'missing')
      lines.push(
        defect === 'garbled' ? textOf(entry).split(dialect.separator).slice(0, 3).join(dialect.separator) : textOf(spoil(entry, defect)),
      )
    defects.push(plantedOf(defect, defect === 'missing' ? null : lines.length, entry))
  })
  if (dialect.trailer !== null) {
    const sum = entries.reduce((total, entry) => total + entry.grossMinor - entry.feeMinor, 0)
    // Sums over several currencies are a check of the file, not an amount of money: always written with two digits.
    lines.push([dialect.trailer, String(entries.length), writeAmount(dialect, sum, 'EUR')].join(dialect.separator))
    const shifts = defects.some(({ defect }) => defect !== 'wrong_date' && defect !== 'unknown_reference')
    const whole: Entry = { kind: 'fee', key: null, ref: dialect.trailer, grossMinor: sum, feeMinor: 0, currency: '', bookedOn: '' }
    if (shifts) defects.push(plantedOf('trailer', lines.length, whole))
  }
  return { batch, file: `${lines.join('\n')}\n`, defects }
}

function plantedOf(defect: PlantedDefect['defect'], line: number | null, { ref, ...entry }: Entry): PlantedDefect {
  return { defect, line, gatewayRef: ref, ...entry }
}

function spoil(entry: Entry, defect: (typeof defectKinds)[number]): Entry {
  switch (defect) {
    case 'amount_off':
      return { ...entry, grossMinor: entry.grossMinor + (entry.grossMinor > 0 ? 101 : -101) }
    case 'wrong_fee':
      return { ...entry, feeMinor: entry.feeMinor + 7 }
    case 'wrong_date':
      return { ...entry, bookedOn: new Date(Date.parse(`${entry.bookedOn}T00:00:00Z`) - 2 * 86_400_000).toISOString().slice(0, 10) }
    case 'unknown_reference':
      return { ...entry, key: entry.key === null ? null : `x${entry.key.length}-nobody-knows`, ref: `ch_nobody_knows_${entry.ref.length}` }
    case 'missing':
    case 'doubled':
    case 'garbled':
      return entry
  }
}

function lineOf({ settlement: dialect }: SandboxProfile, entry: Entry, batch: string): string {
  const { kind, grossMinor, feeMinor, currency } = entry
  // Where the kind says the direction, amounts are written without one.
  const towards = dialect.signs === 'by_kind' ? directionOf(kind) : 1
  const amount = (minor: number): string => writeAmount(dialect, minor === 0 ? 0 : minor, currency)
  const values = {
    batch,
    kind: dialect.kinds[kind],
    key: entry.key ?? '',
    ref: entry.ref,
    currency,
    gross: amount(towards * grossMinor),
    fee: amount(feeMinor),
    net: amount(towards * (grossMinor - feeMinor)),
    bookedOn: writeDate(dialect, entry.bookedOn),
  }
  return fieldsOf(dialect)
    .map(({ field }) => plain(values[field], dialect.separator))
    .join(dialect.separator)
}

/** Nothing is quoted in these files, so what would end a field or a line can not be in one. Keys of our form never hold such. */
const plain = (text: string, separator: string): string => text.replaceAll(separator, ' ').replaceAll(/[\r\n]/g, ' ')

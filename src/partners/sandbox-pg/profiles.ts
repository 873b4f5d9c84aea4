import type { Means } from '#payments'
import type { SettlementDialect } from './settlement-dialect.ts'
import { type MixedShares, mixedShares } from './token-classes.ts'
import type { WebhookFaults } from './webhook-sender.ts'

/** What a gateway takes for its work. Fixed parts are minor units of the charge's own currency. */
export interface SandboxFees {
  /** Of the captured amount, in hundredths of a percent, rounded half up. */
  readonly basisPoints: number
  readonly fixedMinor: number
  readonly refundMinor: number
  readonly chargebackMinor: number
  /** One line of its own a day, in `dailyCurrency`. 0: no such line. */
  readonly dailyMinor: number
  readonly dailyCurrency: string
}

/** All in which one sandbox PG differs from another: data, no code. */
export interface SandboxProfile {
  readonly name: string
  readonly about: string
  readonly means: readonly Means[]
  readonly instalmentsMost: number
  /** Least and most time before an answer over HTTP, drawn per key. The twin answers at once. */
  readonly latencyMs: readonly [number, number]
  readonly slowMs: number
  readonly mixedShares: MixedShares
  readonly webhookFaults: WebhookFaults
  readonly fees: SandboxFees
  /** Lines of a settlement file that are made wrong, as a share of all; at least one of each kind where the file has room. */
  readonly defectShare: number
  readonly settlement: SettlementDialect
}

const noFaults: WebhookFaults = { lost: 0, repeated: 0, reorderMs: 0 }

/** The default: quick, with faults only where a token asks for them. */
const sandbox: SandboxProfile = {
  name: 'sandbox',
  about: 'quick and plain',
  means: ['card'],
  instalmentsMost: 12,
  latencyMs: [0, 0],
  slowMs: 1_000,
  mixedShares,
  webhookFaults: noFaults,
  fees: { basisPoints: 140, fixedMinor: 25, refundMinor: 0, chargebackMinor: 1_500, dailyMinor: 0, dailyCurrency: 'EUR' },
  defectShare: 0.002,
  settlement: {
    separator: ',',
    batch: 'first_line',
    columns: {
      kind: 'type',
      key: 'merchant_reference',
      ref: 'reference',
      gross: 'gross',
      fee: 'fee',
      net: 'net',
      currency: 'currency',
      bookedOn: 'date',
    },
    kinds: { charge: 'charge', refund: 'refund', chargeback: 'chargeback', chargeback_reversed: 'chargeback_reversal', fee: 'fee' },
    amounts: 'decimal_point',
    signs: 'leading',
    dates: 'year-month-day',
    trailer: null,
  },
}

const borealis: SandboxProfile = {
  name: 'borealis',
  about: 'a northern acquirer: slow, careful, with a file of semicolons and decimal commas',
  means: ['card'],
  instalmentsMost: 6,
  latencyMs: [20, 60],
  slowMs: 1_500,
  mixedShares: [
    [90, 'tok_ok'],
    [5, 'tok_soft_once'],
    [2, 'tok_declined_hard'],
    [1, 'tok_timeout_after_charge'],
    [1, 'tok_unreachable_once'],
    [1, 'tok_slow'],
  ],
  webhookFaults: { lost: 0.01, repeated: 0.05, reorderMs: 20 },
  fees: { basisPoints: 95, fixedMinor: 30, refundMinor: 10, chargebackMinor: 2_000, dailyMinor: 0, dailyCurrency: 'EUR' },
  defectShare: 0.001,
  settlement: {
    separator: ';',
    batch: 'first_line',
    columns: {
      kind: 'Vorgang',
      key: 'Haendlerreferenz',
      ref: 'Referenz',
      gross: 'Brutto',
      fee: 'Gebuehr',
      net: 'Netto',
      currency: 'Waehrung',
      bookedOn: 'Buchungstag',
    },
    kinds: {
      charge: 'Zahlung',
      refund: 'Erstattung',
      chargeback: 'Rueckbelastung',
      chargeback_reversed: 'Rueckbelastung aufgehoben',
      fee: 'Gebuehr',
    },
    amounts: 'decimal_comma',
    signs: 'leading',
    dates: 'day.month.year',
    trailer: 'Summe',
  },
}

const meridian: SandboxProfile = {
  name: 'meridian',
  about: 'cards, bank slips and instalments, as in Latin America',
  means: ['card', 'transfer'],
  instalmentsMost: 24,
  latencyMs: [5, 40],
  slowMs: 1_200,
  mixedShares: [
    [80, 'tok_ok'],
    [8, 'tok_soft_once'],
    [4, 'tok_declined_hard'],
    [3, 'tok_timeout_after_charge'],
    [3, 'tok_timeout_before_once'],
    [2, 'tok_slow'],
  ],
  webhookFaults: { lost: 0.03, repeated: 0.1, reorderMs: 60 },
  fees: { basisPoints: 399, fixedMinor: 39, refundMinor: 0, chargebackMinor: 2_500, dailyMinor: 990, dailyCurrency: 'BRL' },
  defectShare: 0.004,
  settlement: {
    separator: '|',
    batch: { column: 'LOTE' },
    columns: {
      kind: 'OPERACAO',
      key: 'REF_LOJA',
      ref: 'ID',
      gross: 'VALOR_BRUTO',
      fee: 'TARIFA',
      net: 'VALOR_LIQUIDO',
      currency: 'MOEDA',
      bookedOn: 'DATA',
    },
    kinds: {
      charge: 'VENDA',
      refund: 'DEVOLUCAO',
      chargeback: 'CHARGEBACK',
      chargeback_reversed: 'CHARGEBACK_REVERTIDO',
      fee: 'TARIFA_MENSAL',
    },
    amounts: 'decimal_point',
    signs: 'trailing',
    dates: 'day/month/year',
    trailer: null,
  },
}

const cobalt: SandboxProfile = {
  name: 'cobalt',
  about: 'cheap and hasty: its webhooks are lost, repeated and reordered most, its file has minor units and knows no reference of ours',
  means: ['card'],
  instalmentsMost: 3,
  latencyMs: [1, 10],
  slowMs: 800,
  mixedShares: [
    [82, 'tok_ok'],
    [6, 'tok_soft_once'],
    [2, 'tok_declined_hard'],
    [4, 'tok_timeout_after_charge'],
    [3, 'tok_timeout_before_once'],
    [2, 'tok_unreachable_once'],
    [1, 'tok_slow'],
  ],
  webhookFaults: { lost: 0.1, repeated: 0.15, reorderMs: 150 },
  fees: { basisPoints: 60, fixedMinor: 5, refundMinor: 5, chargebackMinor: 1_000, dailyMinor: 50, dailyCurrency: 'USD' },
  defectShare: 0.01,
  settlement: {
    separator: '\t',
    batch: 'first_line',
    columns: { kind: 'code', key: null, ref: 'txn', gross: 'amt', fee: 'fee', net: 'payout', currency: 'ccy', bookedOn: 'bdate' },
    kinds: { charge: '10', refund: '20', chargeback: '30', chargeback_reversed: '31', fee: '90' },
    amounts: 'minor',
    signs: 'by_kind',
    dates: 'yearmonthday',
    trailer: null,
  },
}

/** The four sandbox PGs by name. `sandbox` is the default one. */
export const sandboxProfiles = { sandbox, borealis, meridian, cobalt } as const
export type SandboxName = keyof typeof sandboxProfiles

/** The profile of this name; of a name that none has, the default's ways under that name. */
export function profileOf(name: string): SandboxProfile {
  return Object.hasOwn(sandboxProfiles, name) ? sandboxProfiles[name as SandboxName] : { ...sandbox, name }
}
